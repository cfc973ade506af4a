"""Let scikit-image choose the noise level.

`calibrate_denoiser` finds arguments of any denoiser without a clean image, by predicting each pixel
from the others. Here it chooses sigma, for noise of 20 of 255.
"""

import numpy as np
from panels import crop, save
from skimage import data
from skimage.restoration import calibrate_denoiser

import fastepll


def example(side=192):
    clean = crop(data.camera(), 60, 150, side)
    noisy = clean + 20 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    sigmas = [sigma / 255 for sigma in (5, 10, 15, 20, 25, 30, 40)]
    best = calibrate_denoiser(noisy, fastepll.denoise, {"sigma": sigmas, "quality": ["fast"]})
    chosen = best.keywords["denoiser_kwargs"]["sigma"]
    restored = fastepll.denoise(noisy, chosen)
    return clean, {"noisy": noisy, f"restored with sigma {255 * chosen:.0f}": restored}


if __name__ == "__main__":
    save(__file__, *example())
