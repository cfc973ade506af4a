"""Deblur a photograph.

The camera moved; the kernel is known. Nothing is assumed beyond the border of the picture: the
scene there is estimated too. Noise of 2 of 255.
"""

import numpy as np
from panels import crop, save
from skimage import data

import fastepll
from fastepll.operators import Blur


def example(side=224):
    t = np.linspace(0, 1, 400)
    rows, cols = 8 + 6 * np.sin(4 * t) * t, 8 + 13 * (t - 0.5)
    kernel = np.histogram2d(rows, cols, bins=17, range=[[0, 17], [0, 17]])[0] / len(t)

    scene = crop(data.camera(), 60, 150, side + 16)
    camera = Blur(kernel, scene.shape, "valid")
    noise = 2 / 255 * np.random.default_rng(0).standard_normal((side, side))
    blurred = camera.forward(scene) + noise
    sharp = fastepll.deblur(blurred, kernel, sigma=2 / 255)
    return scene[camera.observed], {"blurred": blurred, "restored": sharp}


if __name__ == "__main__":
    save(__file__, *example())
