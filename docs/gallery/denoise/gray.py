"""
Denoise a gray photograph
=========================

The noise has a standard deviation of 25 of 255; `fastepll.denoise` estimates it.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.camera(), 60, 150, 224)
noisy = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)

# %%
# Floats lie between 0 (black) and 1 (white). No further argument is needed.

restored = fastepll.denoise(noisy)

images = {"noisy": noisy, "restored": restored}
show(clean, images)

# %%
# The noise that was estimated, in gray levels of 255:

round(255 * fastepll.estimate_sigma(noisy), 1)
