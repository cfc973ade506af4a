"""
Let scikit-image choose the noise level
=======================================

``calibrate_denoiser`` finds arguments of any denoiser without a clean image, by predicting each
pixel from the others. Here it chooses sigma, for noise of 20 of 255.
"""

import numpy as np
from panels import crop, show
from skimage import data
from skimage.restoration import calibrate_denoiser

import fastepll

clean = crop(data.camera(), 60, 150, 192)
noisy = clean + 20 / 255 * np.random.default_rng(0).standard_normal(clean.shape)

sigmas = [sigma / 255 for sigma in (5, 10, 15, 20, 25, 30, 40)]
best = calibrate_denoiser(noisy, fastepll.denoise, {"sigma": sigmas, "quality": ["fast"]})
chosen = best.keywords["denoiser_kwargs"]["sigma"]
round(255 * chosen)

# %%
# The calibrated function predicts each pixel from the others, which costs quality. A plain call
# with the sigma that it chose restores better.

restored = fastepll.denoise(noisy, chosen)

images = {"noisy": noisy, "restored": restored}
show(clean, images)
