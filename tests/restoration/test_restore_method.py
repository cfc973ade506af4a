"""`fastepll.restore` against the method written out: a pass, then the equation for the image."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.operators import Blur, Diagonal, Operator
from fastepll.solver.restore_schedule import task_settings

from ..near_ties import assert_alike
from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene()
KERNEL = np.outer([1, 2, 3, 2, 1], [1, 1, 1, 1, 1, 1, 1]) / 63
METHOD = 0.05, (50, 400)  # sigma, betas


def by_the_method(y: np.ndarray, operator: Operator, model: fastepll.GaussianMixture) -> np.ndarray:
    """Planes (n, height, width) restored pass by pass with `METHOD`."""
    sigma, betas = METHOD
    settings = task_settings("exact", operator, sigma, model.patch_shape, betas)
    x, reference = np.stack([operator.guess(each, sigma) for each in y]), get_backend("reference")
    for i, beta in enumerate(betas):
        image = x if len(model.patch_shape) == 3 else x[0]
        average = reference.prior_pass(image, model, settings.pass_(i, 1), n_threads=1)
        pairs = zip(average.reshape(x.shape), y, strict=True)
        rhs = [operator.adjoint(b) + sigma**2 * beta * a for a, b in pairs]
        x = np.stack([operator.solve(each, sigma**2 * beta) for each in rhs])
    return x


def test_equals_the_method(backend):
    operator, (sigma, betas) = Blur(KERNEL, CLEAN.shape), METHOD
    y = noisy(operator.forward(CLEAN), sigma)
    (x,) = by_the_method(y[None], operator, MODEL)
    options = {"model": MODEL, "quality": "exact", "betas": betas}
    exact = fastepll.restore(y, operator, sigma, backend="reference", **options)
    np.testing.assert_allclose(exact, x, atol=1e-12)
    assert_alike(
        lambda: fastepll.restore(y, operator, sigma, backend=backend.name, **options),
        lambda: fastepll.restore(y, operator, sigma, backend="reference", **options),
        atol=3e-5,
        spreads=True,
    )


@pytest.mark.parametrize("operator", [Blur(KERNEL, CLEAN.shape), Diagonal(0.5 + 0.5 * CLEAN)])
def test_a_prior_of_colour_patches(operator):
    model, (sigma, betas) = smooth_mixture(5, 3), METHOD
    clean = np.stack([CLEAN, 0.5 * CLEAN, 1 - CLEAN])
    y = np.stack([noisy(operator.forward(plane), sigma, seed=c) for c, plane in enumerate(clean)])
    x = by_the_method(y, operator, model)
    options = {"model": model, "quality": "exact", "betas": betas, "channel_axis": 0}
    exact = fastepll.restore(y, operator, sigma, backend="reference", **options)
    assert np.abs(exact - x).max() < 1e-12
    assert_alike(
        lambda: fastepll.restore(y, operator, sigma, **options),
        lambda: fastepll.restore(y, operator, sigma, backend="reference", **options),
        atol=2e-4,
        spreads=True,
    )
