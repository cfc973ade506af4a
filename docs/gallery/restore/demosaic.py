"""
Demosaic a photograph
=====================

A camera with Bayer's colour filters knows one channel of each pixel.
"""

import numpy as np
from panels import crop, show
from scipy.ndimage import convolve
from skimage import data

import fastepll

clean = crop(data.coffee(), 40, 200, 160)
unknown = np.ones(clean.shape, bool)
unknown[0::2, 0::2, 0] = unknown[0::2, 1::2, 1] = False
unknown[1::2, 0::2, 1] = unknown[1::2, 1::2, 2] = False
mosaic = np.where(unknown, 0, clean)

# %%
# Bilinear interpolation, for comparison:

tent = np.outer([1, 2, 1], [1, 2, 1])[..., None]
bilinear = convolve(mosaic, tent) / convolve(1.0 - unknown, tent)

# %%
# `fastepll.inpaint` with a mask of the image's own shape:

restored = fastepll.inpaint(mosaic, unknown, channel_axis=-1)

images = {"mosaic": mosaic, "bilinear": bilinear, "restored": restored}
show(clean, images)
