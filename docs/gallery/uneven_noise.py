"""Denoise where the noise is not the same everywhere.

The standard deviation of the noise rises from 5 of 255 on the left to 60 on the right. In the
middle, restored as if it were 30 everywhere; on the right, with the map of sigma.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll


def example(side=224):
    clean = crop(data.camera(), 60, 150, side)
    sigma = np.geomspace(5, 60, side) / 255 * np.ones((side, 1))
    noisy = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)
    even = fastepll.denoise(noisy, 30 / 255)
    restored = fastepll.denoise(noisy, sigma)
    return clean, {"noisy": noisy, "one sigma": even, "map of sigma": restored}


if __name__ == "__main__":
    save(__file__, *example())
