"""Small random mixtures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastepll.models import GaussianMixture


def random_covariances(rng: np.random.Generator, k: int, d: int) -> np.ndarray:
    factors = rng.standard_normal((k, d, d)) * rng.uniform(0.2, 2.0, (k, 1, d))
    return factors @ factors.transpose(0, 2, 1) / d + 0.05 * np.eye(d)


@pytest.fixture(scope="session")
def make_mixture() -> Callable[..., GaussianMixture]:
    def make(k=3, d=4, seed=0, patch_shape=None, metadata=None):
        rng = np.random.default_rng(seed)
        covs = random_covariances(rng, k, d)
        weights = rng.dirichlet(np.full(k, 5.0))
        return GaussianMixture.from_covariances(weights, covs, patch_shape or (1, d), metadata)

    return make
