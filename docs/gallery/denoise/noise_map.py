"""
Denoise where the noise is not the same everywhere
==================================================

The standard deviation of the noise rises from 5 of 255 on the left to 60 on the right.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.camera(), 60, 150, 224)
sigma = np.geomspace(5, 60, 224) / 255 * np.ones((224, 1))
noisy = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)

# %%
# An array in place of a number is a noise map, with the noise of each pixel.

one_sigma = fastepll.denoise(noisy, sigma=30 / 255)
restored = fastepll.denoise(noisy, sigma=sigma)

images = {"noisy": noisy, "one sigma, 30": one_sigma, "noise map": restored}
show(clean, images)
