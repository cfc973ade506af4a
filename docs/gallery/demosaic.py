"""Demosaic a photograph.

A camera with Bayer's colour filters knows one channel of each pixel. In the middle, bilinear
interpolation; on the right, `inpaint` with a mask of the image's own shape.
"""

import numpy as np
from panels import crop, save
from scipy.ndimage import convolve
from skimage import data

import fastepll


def example(side=160):
    clean = crop(data.coffee(), 40, 200, side)
    unknown = np.ones(clean.shape, bool)
    unknown[0::2, 0::2, 0] = unknown[0::2, 1::2, 1] = False
    unknown[1::2, 0::2, 1] = unknown[1::2, 1::2, 2] = False
    mosaic = np.where(unknown, 0, clean)

    tent = np.outer([1, 2, 1], [1, 2, 1])[..., None]
    bilinear = convolve(mosaic, tent) / convolve(1.0 - unknown, tent)
    restored = fastepll.inpaint(mosaic, unknown, channel_axis=-1)
    return clean, {"mosaic": mosaic, "bilinear": bilinear, "restored": restored}


if __name__ == "__main__":
    save(__file__, *example())
