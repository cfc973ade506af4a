"""
Denoise counts of photons
=========================

At most 20 photons fall on a pixel: the noise is Poisson's, strong where there is light.
"""

import numpy as np
from panels import crop, show
from skimage import data

import fastepll

clean = crop(data.camera(), 60, 150, 224)
counts = np.random.default_rng(0).poisson(20 * clean)

# %%
# The counts are transformed to noise of standard deviation 1, denoised, and taken back without
# bias. ``gain``, ``sigma`` and ``offset`` describe a camera that does not count single photons; see
# :doc:`/guide/microscopy`.

restored = fastepll.denoise_poisson(counts)

images = {"counts": counts / 20, "restored": restored / 20}
show(clean, images)
