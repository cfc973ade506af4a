"""
Enlarge a photograph three times
================================

Pillow's bicubic reduction made the small picture.
"""

import numpy as np
from panels import crop, show
from PIL import Image
from skimage import data

import fastepll

clean = crop(data.camera(), 60, 150, 225)
small = Image.fromarray(clean.astype("f4")).resize((75, 75), Image.Resampling.BICUBIC)
bicubic = np.array(small.resize((225, 225), Image.Resampling.BICUBIC))

# %%
# Beside what bicubic interpolation makes of it:

large = fastepll.super_resolve(small, 3)

images = {"small": np.array(small), "bicubic": bicubic, "restored": large}
show(clean, images)
