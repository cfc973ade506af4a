"""Autoregressive priors with weights that are far from where training begins."""

from __future__ import annotations

import numpy as np

from fastepll.priors import MAF, RNADE, MADEMoG
from fastepll.train.descent import Descent

SHORT = Descent(iterations=2, batch=50)
FITS = {
    "rnade": (RNADE, {"hidden": 12, "n_mixture": 3}),
    "rnade, student-t": (RNADE, {"hidden": 12, "n_mixture": 3, "components": "student-t"}),
    "rnade, no contrast": (RNADE, {"hidden": 12, "n_mixture": 2, "contrast": False}),
    "rnade, principal": (RNADE, {"hidden": 12, "n_mixture": 2, "coordinates": "principal"}),
    "made-mog": (MADEMoG, {"hidden": 20, "n_mixture": 3}),
    "made-mog, no contrast": (MADEMoG, {"hidden": 20, "depth": 3, "contrast": False}),
    "maf": (MAF, {"hidden": 20, "n_layers": 3}),
    "maf, no contrast": (MAF, {"hidden": 20, "n_layers": 2, "depth": 1, "contrast": False}),
    "maf, mixtures": (MAF, {"hidden": 20, "n_layers": 2, "n_mixture": 3}),
}
MIXTURES = [name for name in FITS if not name.startswith("maf")]
FLOWS = [name for name in FITS if name.startswith("maf")]


def rough(name, patch_shape):
    """A prior of that name whose weights have noise added: of flows, less, or they have no end."""
    cls, options = FITS[name]
    scale = 0.05 if name in FLOWS else 0.15
    rng, d = np.random.default_rng(0), int(np.prod(patch_shape))
    patches = rng.laplace(size=(300, d)) @ rng.standard_normal((d, d))
    fitted = cls.fit(patches, patch_shape=patch_shape, how=SHORT, **options)
    arrays = {
        key: value if key == "whitening" else value + scale * rng.standard_normal(value.shape)
        for key, value in fitted.parameters().items()
    }
    return cls(patch_shape, {"seed": 0}, **arrays)


def grid(prior, n, far=60.0):
    """Points of whitened coordinates, dense near 0, as coordinates (n^q, q), and their weights."""
    t = np.linspace(-np.arcsinh(far / 0.2), np.arcsinh(far / 0.2), n)
    y, weight = 0.2 * np.sinh(t), 0.2 * np.cosh(t) * (t[1] - t[0])
    points = np.stack(np.meshgrid(*[y] * prior.q, indexing="ij"), -1).reshape(-1, prior.q)
    weights = np.prod(np.meshgrid(*[weight] * prior.q, indexing="ij"), axis=0).ravel()
    inverse = np.linalg.inv(prior.whitening)
    return points @ inverse.T, weights * abs(np.linalg.det(inverse))
