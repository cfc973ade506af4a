"""That comparing but for near ties lets no other difference pass."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends import reference
from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import EXACT, Settings

from .near_ties import assert_alike, assert_pass_agrees, fragile
from .scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture(4)
IMAGE = noisy(scene(60, 70), 0.1)


def twins(change: float) -> GaussianMixture:
    """Each component twice, turned, with weights that make either the better by ``change``."""
    weights = np.concatenate([MODEL.weights, MODEL.weights * np.exp(change)])
    covariances = np.concatenate([MODEL.covariances, MODEL.covariances[:, ::-1, ::-1] * (1 + 1e-4)])
    return GaussianMixture.from_covariances(weights / weights.sum(), covariances, (4, 4))


def restored(model: GaussianMixture, settings: Settings = EXACT) -> np.ndarray:
    return denoise_plane(IMAGE, model, 0.1, settings, backend=reference.backend, n_threads=1)


def test_equally_good_components_may_be_exchanged():
    assert fragile(IMAGE, MODEL, Pass(noise_var=1e-2)).mean() < 0.05
    assert fragile(IMAGE, twins(0.0), Pass(noise_var=1e-2)).mean() > 0.99
    assert_alike(lambda: restored(twins(-1e-4)), lambda: restored(twins(1e-4)), atol=0)


def test_worse_components_may_not():
    with pytest.raises(AssertionError, match="not equally good"):
        assert_alike(lambda: restored(twins(-0.3)), lambda: restored(twins(0.3)), atol=1)


def test_a_difference_without_a_tie_is_seen():
    spot = np.zeros(IMAGE.shape)
    spot[30, 31] = 1e-3
    with pytest.raises(AssertionError, match="no near tie"):
        assert_alike(lambda: restored(MODEL) + spot, lambda: restored(MODEL), atol=1e-4)
    assert_alike(lambda: restored(MODEL), lambda: restored(MODEL), atol=0)


class Wrong(reference.ReferenceBackend):
    """Takes the second best component."""

    def select(self, image, model, step, *, n_threads):
        rows, cols = reference.grid(image, model, step)
        patches, _ = reference.extract(image, model.patch_shape, (rows, cols))
        order = np.argsort(reference.costs(patches, model, step), axis=1)
        return order[:, 1].reshape(len(rows), len(cols)).astype(np.int32)


def test_the_second_best_is_wrong():
    with pytest.raises(AssertionError):
        assert_pass_agrees(Wrong(), IMAGE, MODEL, Pass(noise_var=1e-2), atol=1e-6)
