"""Denoise a gray photograph.

The noise has a standard deviation of 25 of 255; `denoise` estimates it.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll


def example(side=224):
    clean = crop(data.camera(), 60, 150, side)
    noisy = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    restored = fastepll.denoise(noisy)
    return clean, {"noisy": noisy, "restored": restored}


if __name__ == "__main__":
    save(__file__, *example())
