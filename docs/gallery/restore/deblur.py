"""
Deblur a photograph
===================

The camera moved; the kernel is known. Noise of 2 of 255.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll
from fastepll.operators import Blur

t = np.linspace(0, 1, 400)
rows, columns = 8 + 6 * np.sin(4 * t) * t, 8 + 13 * (t - 0.5)
kernel = np.histogram2d(rows, columns, bins=17, range=[[0, 17], [0, 17]])[0] / len(t)

scene = crop(data.camera(), 60, 150, 240)
camera = Blur(kernel, scene.shape, "valid")
clean = scene[camera.observed]
noise = 2 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
blurred = camera.forward(scene) + noise

# %%
# Nothing is assumed beyond the border of the picture: the scene there is estimated too.

sharp = fastepll.deblur(blurred, kernel, sigma=2 / 255)

images = {"blurred": blurred, "restored": sharp}
show(clean, images)
