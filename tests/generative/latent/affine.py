"""An affine variational autoencoder, which is a probabilistic PCA with an encoder of its own."""

from __future__ import annotations

import math

import numpy as np

from fastepll.generative import ProbabilisticPCA
from fastepll.priors import PatchVAE

FLOOR = 1e-3  # of a scale, in units of the spread


def affine(k: int = 2, *, off: float = 0.0, seed: int = 0) -> tuple[PatchVAE, ProbabilisticPCA]:
    """The two, of 2x3 patches, whose encoder is off the posterior by that much."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((5, 5)))[0][:, :k]
    factors = (axes * np.linspace(2, 1, k)).astype(np.float32)
    log_scale = np.float32(math.log(0.5))
    variance = (math.exp(log_scale) + FLOOR) ** 2
    gain = (factors**2).sum(0) + variance
    encoder = np.zeros((2 * k, 5))
    encoder[:k] = factors.T / gain[:, None] + off * rng.standard_normal((k, 5))
    bias = np.zeros(2 * k)
    bias[k:] = 0.5 * np.log(variance / gain) + off * rng.standard_normal(k)
    vae = PatchVAE(
        (2, 3),
        spread=np.ones(5),
        likelihood__log_scale=np.full(5, log_scale),
        encoder__last__weight=encoder,
        encoder__last__bias=bias,
        decoder__last__weight=factors,
        decoder__last__bias=np.zeros(5),
    )
    return vae, ProbabilisticPCA((5,), mean=np.zeros(5), factors=factors, variance=variance)
