"""Undo vignetting.

The lens lets through a fifth of the light in the corners, and the sensor adds noise of 4 of 255.
Dividing by the gain amplifies the noise there; restoration does not.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll
from fastepll.operators import Diagonal


def example(side=224):
    clean = crop(data.camera(), 60, 150, side)
    x = np.linspace(-1, 1, side)
    gain = 1 - 0.4 * (x**2 + x[:, None] ** 2)
    dark = gain * clean + 4 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    restored = fastepll.restore(dark, Diagonal(gain), sigma=4 / 255)
    return clean, {"measured": dark, "divided": dark / gain, "restored": restored}


if __name__ == "__main__":
    save(__file__, *example())
