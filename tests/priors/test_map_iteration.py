"""MAP under the whole mixture: a maximum, reached without a step down."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture
from fastepll.priors.map_iteration import iterate_map, log_posterior

SIGMA = 0.1
BASIS = dct_basis((2, 3))


def covariance(rng, scale):
    root = rng.standard_normal((5, 5)) * scale * rng.uniform(0.1, 1, 5)
    return BASIS @ (root @ root.T + 1e-4 * np.eye(5)) @ BASIS.T


@pytest.fixture
def model():
    """Four overlapping components of mean-free 2x3 patches."""
    rng = np.random.default_rng(3)
    covariances = [covariance(rng, scale) for scale in (0.03, 0.06, 0.1, 0.3)]
    return GaussianMixture.from_covariances([0.4, 0.3, 0.2, 0.1], covariances, (2, 3))


@pytest.fixture
def noisy(model):
    clean = model.sample(200, 0)
    y = clean + SIGMA * np.random.default_rng(1).standard_normal(clean.shape)
    return y - y.mean(axis=1, keepdims=True)


def test_one_component_is_wieners_filter(model, noisy):
    one = GaussianMixture.from_covariances([1.0], model.covariances[3:], (2, 3))
    found = iterate_map(one, noisy, SIGMA, start="noisy")
    np.testing.assert_allclose(found, one.posterior_mean(noisy, SIGMA), atol=1e-14)


@pytest.mark.parametrize("start", ["map", "noisy"])
def test_posterior_never_falls(model, noisy, start):
    z = iterate_map(model, noisy, SIGMA, start=start, iterations=0)
    values = [log_posterior(model, z, noisy, SIGMA)]
    for _ in range(30):
        z = iterate_map(model, noisy, SIGMA, start=z, iterations=1)
        values.append(log_posterior(model, z, noisy, SIGMA))
    steps = np.diff(values, axis=0)
    assert steps.min() > -1e-11  # rounding of values of some tens
    assert steps.sum(axis=0).max() > 1


@pytest.mark.parametrize("start", ["map", "noisy"])
def test_ends_where_the_gradient_is_zero(model, noisy, start):
    z = iterate_map(model, noisy, SIGMA, start=start, iterations=5000, tolerance=1e-12)
    h = 1e-5
    for direction in BASIS.T:
        above, below = (log_posterior(model, z + s * direction, noisy, SIGMA) for s in (h, -h))
        # The differences have errors of h² times third derivatives and of rounding, 1e-13 / h.
        np.testing.assert_allclose((above - below) / (2 * h), 0, atol=2e-3)
    away = iterate_map(model, noisy, SIGMA, start=start, iterations=0)
    slope = log_posterior(model, away + h * BASIS[:, 0], noisy, SIGMA)
    slope = (slope - log_posterior(model, away - h * BASIS[:, 0], noisy, SIGMA)) / (2 * h)
    assert np.abs(slope).max() > 1  # the scale that those zeros are on


def test_best_of_three_starts_is_the_maximum_in_one_dimension():
    model = GaussianMixture.from_covariances([0.6, 0.4], [[[0.01]], [[1.0]]], (1, 1))
    y, grid = np.linspace(-2, 2, 41)[:, None], np.linspace(-2.5, 2.5, 50_001)[:, None]
    starts = ("map", "noisy", np.zeros(y.shape))
    found = [iterate_map(model, y, 0.4, start=s, tolerance=1e-8) for s in starts]
    reached = np.max([log_posterior(model, z, y, 0.4) for z in found], axis=0)
    best = [log_posterior(model, grid, np.broadcast_to(v, grid.shape), 0.4).max() for v in y]
    np.testing.assert_allclose(reached, best, atol=1e-5)  # a grid of 1e-4 misses 1e-9 / 0.01


def test_posterior_density_integrates_to_one():
    model = GaussianMixture.from_covariances([0.6, 0.4], [[[0.01]], [[1.0]]], (1, 1))
    grid = np.linspace(-8, 8, 16_001)[:, None]
    density = np.exp(log_posterior(model, grid, np.full(grid.shape, 0.7), 0.4))
    assert density.sum() * 1e-3 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sigma": 0}, ValueError, "sigma must be > 0"),
        ({"start": "mean"}, ValueError, "start must be 'map', 'noisy' or patches"),
        ({"start": np.zeros((1, 6))}, ValueError, "start must have the shape of patches"),
        ({"iterations": -1}, ValueError, "iterations must be >= 0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be a number"),
    ],
)
def test_mistakes(model, noisy, change, error, message):
    with pytest.raises(error, match=message):
        iterate_map(model, noisy, **({"sigma": SIGMA} | change))
