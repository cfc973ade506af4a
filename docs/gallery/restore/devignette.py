"""
Undo vignetting
===============

The lens lets through a fifth of the light in the corners, and the sensor adds noise of 4 of 255.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll
from fastepll.operators import Diagonal

clean = crop(data.camera(), 60, 150, 224)
x = np.linspace(-1, 1, 224)
gain = 1 - 0.4 * (x**2 + x[:, None] ** 2)
dark = gain * clean + 4 / 255 * np.random.default_rng(0).standard_normal(clean.shape)

# %%
# Dividing by the gain amplifies the noise in the corners; restoration does not.

restored = fastepll.restore(dark, Diagonal(gain), sigma=4 / 255)

images = {"measured": dark, "divided": dark / gain, "restored": restored}
show(clean, images)
