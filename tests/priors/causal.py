"""Conditional scale mixtures and causal networks with weights far from where training begins."""

from __future__ import annotations

import numpy as np

from fastepll.priors import CausalNetwork, ConditionalScaleMixture
from fastepll.train.descent import Descent

FITS = {
    "conditional-scale-mixture": (
        ConditionalScaleMixture,
        {"n_components": 3, "n_scales": 2, "n_features": 4},
    ),
    "causal-network": (CausalNetwork, {"hidden": 8, "n_mixture": 3}),
}


def rough(name, patch_shape):
    """A prior of that name to whose weights noise was added."""
    cls, options = FITS[name]
    rng, d = np.random.default_rng(0), int(np.prod(patch_shape))
    patches = rng.laplace(size=(300, d)) @ rng.standard_normal((d, d)) / 4
    how = Descent(iterations=2, batch=50)
    fitted = cls.fit(patches, patch_shape=patch_shape, how=how, **options)
    arrays = {
        key: value if key == "whitening" else value + 0.2 * rng.standard_normal(value.shape)
        for key, value in fitted.parameters().items()
    }
    return cls(patch_shape, {"seed": 0}, **arrays)
