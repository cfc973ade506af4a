"""
Denoise a volume
================

Slices of a volume tell of one another: patches of the planes in all three directions restore it
together.
"""

import numpy as np
from panels import show

import fastepll

rng = np.random.default_rng(0)
grid = np.mgrid[:48, :96, :96]
clean = np.full((48, 96, 96), 0.5)
for _ in range(90):
    centre, radius = rng.uniform((0, 0, 0), (48, 96, 96)), rng.uniform(5, 16)
    inside = np.square(grid - centre[:, None, None, None]).sum(0) < radius**2
    clean[inside] = rng.uniform(0.1, 0.9)
noisy = clean + 0.12 * rng.standard_normal(clean.shape)

# %%
# The prior is that of images.

slices = fastepll.denoise(noisy, 0.12, stack=True)
restored = fastepll.denoise(noisy, 0.12, spatial_axes=3)

images = {"noisy": noisy, "slice by slice": slices, "together": restored}
show(clean[24], {title: volume[24] for title, volume in images.items()})
