"""Exact passes at a fixed beta never raise the objective that they minimise, on every task."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends import get_backend
from fastepll.backends.passes import Pass
from fastepll.backends.reference import extract, scores
from fastepll.operators.base import conjugate_gradients

from ..restoration.test_tasks import CASES, CLEAN, MODEL
from ..scenes import noisy


def objective(x, operator, y, sigma, beta):
    """λ/2 ‖Ax - y‖² - Σᵢ maxₖ log wₖ N(Pᵢx; 0, Σₖ + 1/β), λ = d/σ².

    It is the least of the half-quadratic objective over the patches zᵢ when the components are
    chosen as the pass chooses them: -log wₖ N(p; 0, Σₖ + 1/β) is min over z of
    β/2 ‖p - z‖² + ½ zᵀΣₖ⁻¹z,
    up to a constant of k, and the Wiener filter is where. A pass is that minimum over k and z, the
    solution for x the minimum over x: neither can raise it.
    """
    patches, _ = extract(x, MODEL.patch_shape)
    prior = scores(patches, MODEL, 1 / beta).max(axis=1).sum()
    return MODEL.d / (2 * sigma**2) * np.sum((operator.forward(x) - y) ** 2) - prior


@pytest.mark.parametrize(("beta", "sigma"), [(400, 0.01), (400, 0.05), (4000, 0.02)])
@pytest.mark.parametrize("name", CASES)
def test_objective_never_rises(name, beta, sigma):
    operator = CASES[name][0]
    y = noisy(operator.forward(CLEAN), sigma)
    x, data = operator.guess(y, sigma), operator.adjoint(y)
    # `restore` trusts all pixels alike; the objective those of the border less: few patches see it
    over = np.zeros(x.shape)
    rows, columns = (n - p + 1 for n, p in zip(x.shape, MODEL.patch_shape, strict=True))
    for i, j in np.ndindex(MODEL.patch_shape):
        over[i : i + rows, j : j + columns] += 1
    trust = sigma**2 * beta * over / MODEL.d
    values = [objective(x, operator, y, sigma, beta)]
    for _ in range(4):
        average = get_backend("reference").prior_pass(
            x, MODEL, Pass(noise_var=1 / beta), n_threads=1
        )
        x = conjugate_gradients(
            lambda v: operator.adjoint(operator.forward(v)) + trust * v, data + trust * average, x
        )
        values.append(objective(x, operator, y, sigma, beta))
    steps = np.diff(values)
    assert steps[0] < 0
    # conjugate gradients end at 1e-10 of the right-hand side
    assert steps.max() < 1e-7 * np.ptp(values)
