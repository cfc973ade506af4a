"""
Denoise a colour photograph
===========================

Of 8 bits, as it comes from a file, with a known noise of 30 of 255.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.chelsea(), 40, 120, 160)
noise = 30 * np.random.default_rng(0).standard_normal(clean.shape)
noisy = np.rint(255 * clean + noise).clip(0, 255).astype(np.uint8)

# %%
# ``channel_axis`` says which axis holds the channels. The result has the dtype and the units of
# the image, and sigma is in these units.

restored = fastepll.denoise(noisy, sigma=30, channel_axis=-1)

images = {"noisy": noisy / 255, "restored": restored / 255}
show(clean, images)
