"""
A mosaic of exposures with dead pixels
======================================

Two exposures of a field overlap in part: where both look the noise is smaller, elsewhere it is that
of one, and some pixels are dead.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.hubble_deep_field(), 330, 520, 256).mean(axis=2)
rng = np.random.default_rng(0)

exposures = np.zeros(clean.shape, int)
exposures[:, :160] += 1
exposures[:, 96:] += 1
sigma = 0.06 / np.sqrt(exposures)
sigma[rng.random(clean.shape) < 0.02] = np.inf
measured = clean + np.where(np.isinf(sigma), 0, sigma) * rng.standard_normal(clean.shape)
measured[np.isinf(sigma)] = 1  # whatever the detector shows there

# %%
# The noise map says all of that. Where it is inf a pixel tells nothing, and is filled in from those
# around it.

restored = fastepll.denoise(measured, sigma)

images = {"measured": measured, "restored": restored}
show(clean, images)
