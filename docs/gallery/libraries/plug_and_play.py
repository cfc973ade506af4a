"""
Plug and play with deepinv
==========================

Half-quadratic splitting of deepinv with the denoiser of fastepll deblurs a photograph (noise of
2 of 255).
"""

import deepinv
import numpy as np
import torch
from panels import crop, show
from skimage import data

from fastepll.deepinv import Denoiser, Reconstructor

clean = crop(data.camera(), 60, 150, 192)
physics = deepinv.physics.Blur(
    filter=deepinv.physics.functional.blur.gaussian_blur(sigma=(1.5, 1.5)),
    padding="circular",
    noise_model=deepinv.physics.GaussianNoise(2 / 255, rng=torch.manual_seed(0)),
)
y = physics(torch.tensor(clean, dtype=torch.float32)[None, None])

# %%
# deepinv's algorithm, with fastepll for its prior:

levels = np.geomspace(0.1, 2 / 255, 8)
algorithm = deepinv.optim.optim_builder(
    "HQS",
    prior=deepinv.optim.PnP(Denoiser(quality="fast")),
    data_fidelity=deepinv.optim.L2(),
    params_algo={
        "stepsize": [float(4 * (s * 255 / 2) ** 2) for s in levels],
        "g_param": [float(s) for s in levels],
    },
    max_iter=len(levels),
    early_stop=False,
)
with torch.no_grad():
    by_plug_and_play = algorithm(y, physics)

# %%
# Beside it what `fastepll.restore` makes of the same physics:

by_restore = Reconstructor()(y, physics)

tensors = {"blurred": y, "plug and play": by_plug_and_play, "restore": by_restore}
images = {name: tensor[0, 0].numpy() for name, tensor in tensors.items()}
show(clean, images)
