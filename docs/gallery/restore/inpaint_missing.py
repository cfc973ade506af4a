"""
Fill in 80 % missing pixels
===========================

Every fifth pixel, at random, is all that is known.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.camera(), 60, 150, 224)
missing = np.random.default_rng(0).random(clean.shape) < 0.8
known = np.where(missing, 0, clean)

# %%
# The mask is True where a pixel is unknown. The known ones are returned as they are.

filled = fastepll.inpaint(known, missing)

images = {"known": known, "restored": filled}
show(clean, images)
