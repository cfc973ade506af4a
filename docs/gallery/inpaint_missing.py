"""Fill in 80 % missing pixels.

Every fifth pixel, at random, is all that is known.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll


def example(side=224):
    clean = crop(data.camera(), 60, 150, side)
    missing = np.random.default_rng(0).random(clean.shape) < 0.8
    known = np.where(missing, 0, clean)
    filled = fastepll.inpaint(known, missing)
    return clean, {"known": known, "restored": filled}


if __name__ == "__main__":
    save(__file__, *example())
