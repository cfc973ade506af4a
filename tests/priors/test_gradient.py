"""MAP by gradient, where the answer is known."""

from __future__ import annotations

import numpy as np

from fastepll.models.gradient import map_by_gradient
from fastepll.priors import ICA, PCA, Gaussian


def ascend(prior, patches, sigma, **options):
    c = map_by_gradient(
        patches @ prior.basis,
        sigma,
        lambda x: prior._log_prob(x, None),
        prior._score,
        **options,
    )
    return c @ prior.basis.T


def test_gaussian_gives_wieners_estimate():
    rng, sigma = np.random.default_rng(0), 0.3
    root = rng.standard_normal((8, 8)) * np.logspace(-1.5, 0.5, 8)[:, None]
    prior = Gaussian((3, 3), covariance=root @ root.T)
    noisy = prior.sample(40, rng=1) + sigma * rng.standard_normal((40, 9))
    noisy -= noisy.mean(axis=1, keepdims=True)
    expected = prior.denoise(noisy, sigma)
    found = ascend(prior, noisy, sigma, iterations=500, tolerance=1e-7)
    np.testing.assert_allclose(found, expected, atol=1e-4 * sigma)
    # The defaults stop at steps below 1e-3 sigma or after 60; measured 0.056 sigma.
    assert abs(ascend(prior, noisy, sigma) - expected).max() < 0.1 * sigma


def test_laplace_gives_the_soft_threshold():
    sigma, scale = 0.5, 0.8
    prior = PCA((1, 2), axes=[[1.0]], scales=[scale])
    c = np.array([[-3.0], [-0.4], [-0.1], [0.2], [0.3], [0.7], [5.0]])
    found = ascend(prior, c @ prior.basis.T, sigma) @ prior.basis
    expected = np.sign(c) * np.maximum(abs(c) - sigma**2 / scale, 0)
    # At the ridge of the density steps are halved down to 1e-6 sigma² of slope, which ends them
    # near 0, not at it.
    np.testing.assert_allclose(found, expected, atol=0.02 * sigma)


def test_no_row_ends_below_its_start_and_rows_do_not_touch_each_other():
    rng, sigma = np.random.default_rng(2), 0.4
    prior = ICA(
        (2, 3),
        unmixing=rng.standard_normal((5, 5)) + 2 * np.eye(5),
        weights=np.tile([0.5, 0.5], (5, 1)),
        variances=np.tile([0.01, 3.0], (5, 1)),
    )
    noisy = prior.sample(50, rng=3) + sigma * (prior.basis @ rng.standard_normal((5, 50))).T
    found = ascend(prior, noisy, sigma)
    fall = ((found - noisy) ** 2).sum(axis=1) / (2 * sigma**2)
    assert (prior.log_prob(found) - fall >= prior.log_prob(noisy)).all()
    alone = np.concatenate([ascend(prior, row[None], sigma) for row in noisy])
    # Rounding that depends on the number of rows grows along an ascent: measured 1e-6.
    np.testing.assert_allclose(found, alone, atol=1e-3 * sigma)


def test_start_at_the_top_stays_there():
    prior = Gaussian((1, 3), covariance=np.eye(2))
    assert not ascend(prior, np.zeros((2, 3)), 0.1).any()
