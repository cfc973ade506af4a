"""Denoise a colour photograph.

Of 8 bits, as it comes from a file, with a known noise of 30 of 255.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll


def example(side=160):
    clean = crop(data.chelsea(), 40, 120, side)
    noise = 30 * np.random.default_rng(0).standard_normal(clean.shape)
    noisy = np.rint(255 * clean + noise).clip(0, 255).astype(np.uint8)
    restored = fastepll.denoise(noisy, 30, channel_axis=-1)
    return clean, {"noisy": noisy / 255, "restored": restored / 255}


if __name__ == "__main__":
    save(__file__, *example())
