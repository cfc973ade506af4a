"""
Denoise by a network of patches
===============================

A masked network gives each pixel of a patch a mixture of Gaussians, given those before it. Trained
on one photograph, it is a prior to restore another one with.
"""

import numpy as np
from panels import crop, mean_nats, show, tiles
from skimage import data

import fastepll
from fastepll.priors import Gaussian, MADEMoG, SymmetricAverage
from fastepll.train.descent import Descent

rng = np.random.default_rng(0)


def patches(photograph, n):
    """Mean-free patches of 8 bits, with noise of 5 of 255, which makes their density smooth."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (6, 6)).reshape(-1, 36)
    some = windows[rng.integers(len(windows), size=n)] + 5 * rng.standard_normal((n, 36))
    return (some - some.mean(axis=1, keepdims=True)) / 255


train, test = patches(data.coffee()[..., 1], 50_000), patches(data.camera(), 5000)
how = Descent(iterations=400, batch=256, learning_rate=4e-3, warmup=50, average=0.99)
network = MADEMoG.fit(
    train, patch_shape=(6, 6), hidden=64, depth=1, n_mixture=4, contrast=False, how=how
)
models = {
    "Gaussian": Gaussian.fit(train, patch_shape=(6, 6)),
    "network": network,
    "average over symmetries": SymmetricAverage.average_of(network),
}

# %%
# Mean log density of patches of the other photograph, in nats. The average is over the network's
# densities of all eight flips and transposes of a patch, and needs no training.

nats = mean_nats(models, test)
print(nats)

# %%
# Any prior is a ``model=`` of `fastepll.denoise`; here of every third patch in each direction.

clean, sigma = crop(data.camera(), 88, 180, 96), 25 / 255
images = {"noisy": clean + sigma * rng.standard_normal(clean.shape)}
options = {"sigma": sigma, "quality": fastepll.Settings.from_betas([1, 4, 8, 16, 32], stride=3)}
for name in ("Gaussian", "network"):
    images[name] = fastepll.denoise(images["noisy"], model=models[name], **options)
show(clean, images)

# %%
# Some patches of the other photograph, and samples.

shown = {"camera": test[:36], **{name: m.sample(36, rng=0) for name, m in models.items()}}
tiles({name: 0.5 + 2 * x for name, x in shown.items()}, columns=6)
