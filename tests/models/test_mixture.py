"""The mixture against brute-force definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from fastepll.models import GaussianMixture, _density


def brute_scores(model, z, sigma):
    noise = sigma**2 * np.eye(model.d)
    columns = [
        np.log(w) + multivariate_normal(np.zeros(model.d), cov + noise).logpdf(z)
        for w, cov in zip(model.weights, model.covariances, strict=True)
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 5.0])
@pytest.mark.parametrize(("k", "d"), [(1, 2), (3, 4), (7, 9)])
def test_densities_equal_scipy(make_mixture, k, d, sigma):
    model = make_mixture(k, d)
    z = np.random.default_rng(1).standard_normal((50, d)) * 2
    scores = brute_scores(model, z, sigma)
    np.testing.assert_allclose(model.log_prob(z, sigma), logsumexp(scores, axis=1), rtol=1e-11)
    expected = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    np.testing.assert_allclose(model.responsibilities(z, sigma), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
def test_map_estimate_is_the_wiener_filter_of_the_best_component(make_mixture, sigma):
    model = make_mixture(5, 6)
    rng = np.random.default_rng(2)
    z = rng.standard_normal((80, 6)) * rng.uniform(0.1, 20, (80, 1))
    best = brute_scores(model, z, sigma).argmax(axis=1)
    assert len(set(best)) >= 2
    noise = sigma**2 * np.eye(6)
    covs = model.covariances
    expected = [covs[i] @ np.linalg.solve(covs[i] + noise, p) for i, p in zip(best, z, strict=True)]
    np.testing.assert_allclose(model.map_estimate(z, sigma), expected, rtol=1e-10, atol=1e-13)


def test_posterior_mean_by_integration_in_one_dimension():
    model = GaussianMixture.from_covariances([0.7, 0.3], [[[0.04]], [[4.0]]], (1, 1))
    sigma = 0.5
    x = np.linspace(-12, 12, 40001)
    prior = np.exp(model.log_prob(x[:, None]))
    assert prior.sum() * (x[1] - x[0]) == pytest.approx(1, abs=1e-9)
    for z in (-3.0, -0.6, 0.0, 0.9, 2.5):
        posterior = prior * np.exp(-0.5 * ((z - x) / sigma) ** 2)
        expected = (x * posterior).sum() / posterior.sum()
        assert model.posterior_mean([[z]], sigma)[0, 0] == pytest.approx(expected, abs=1e-9)


def test_posterior_mean_by_integration_in_two_dimensions():
    covs = [[[1.0, 0.9], [0.9, 1.0]], [[0.3, -0.2], [-0.2, 0.2]]]
    model = GaussianMixture.from_covariances([0.4, 0.6], covs, (1, 2))
    axis = np.linspace(-6, 6, 301)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    prior = np.exp(model.log_prob(x))
    for z in ([0.8, -0.3], [-1.5, -1.2]):
        posterior = prior * np.exp(-0.5 * ((np.array(z) - x) ** 2).sum(axis=1) / 0.3**2)
        expected = posterior @ x / posterior.sum()
        np.testing.assert_allclose(model.posterior_mean([z], 0.3)[0], expected, atol=1e-8)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_score_is_the_gradient_of_the_density(make_mixture, sigma):
    model, z = make_mixture(4, 3), np.random.default_rng(3).standard_normal((20, 3))
    steps = 1e-5 * np.eye(3)
    rise = [(model.log_prob(z + s, sigma) - model.log_prob(z - s, sigma)) / 2e-5 for s in steps]
    np.testing.assert_allclose(model.score(z, sigma), np.stack(rise, 1), rtol=1e-6, atol=1e-7)


def test_posterior_mean_has_the_least_error_and_uncorrelated_residual(make_mixture):
    model, sigma, n = make_mixture(4, 3), 0.4, 40000
    clean = model.sample(n, 3)
    noisy = clean + sigma * np.random.default_rng(4).standard_normal(clean.shape)
    mean = model.posterior_mean(noisy, sigma)
    products = ((clean - mean) * mean).sum(axis=1)
    assert abs(products.mean()) < 4 * products.std() / np.sqrt(n)
    assert ((clean - mean) ** 2).sum() < ((clean - model.map_estimate(noisy, sigma)) ** 2).sum()


def test_samples_have_the_moments_of_the_mixture():
    covs = [np.diag([4.0, 1e-4]), np.diag([1e-4, 1.0])]
    model = GaussianMixture.from_covariances([0.2, 0.8], covs, (2, 1))
    z = model.sample(50000, np.random.default_rng(5))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=4 * np.sqrt(0.8 / 50000))
    np.testing.assert_allclose(np.cov(z.T), np.diag([0.8, 0.8]), atol=0.05)
    assert (np.abs(z[:, 1]) < 0.05).mean() == pytest.approx(0.2 + 0.8 * 0.0399, abs=0.01)
    np.testing.assert_array_equal(model.sample(9, 7), model.sample(9, np.random.default_rng(7)))
    assert model.sample(0, 0).shape == (0, 2)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(-8, 8), sigma=st.floats(0, 1e4), seed=st.integers(0, 100))
def test_responsibilities_sum_to_one_at_any_scale(make_mixture, scale, sigma, seed):
    model = make_mixture(4, 3, seed)
    z = np.random.default_rng(seed).standard_normal((20, 3)) * 10.0**scale
    share = model.responsibilities(z, sigma)
    assert (share >= 0).all()
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-12)


def test_results_do_not_depend_on_chunks(make_mixture, monkeypatch):
    model = make_mixture(4, 5)
    z = np.random.default_rng(8).standard_normal((50, 5))
    methods = (model.log_prob, model.responsibilities, model.map_estimate, model.posterior_mean)
    whole = [method(z, 0.2) for method in methods]
    monkeypatch.setattr(_density, "_CHUNK", 7)
    for method, expected in zip(methods, whole, strict=True):
        np.testing.assert_allclose(method(z, 0.2), expected, rtol=1e-12, atol=1e-14)
        assert method(z[:0], 0.2).shape == expected[:0].shape


def test_without_the_patch_mean_the_density_is_that_of_the_other_dimensions():
    rng = np.random.default_rng(9)
    centre = np.eye(4) - 0.25
    basis = np.linalg.svd(centre)[0][:, :3]
    factors = rng.standard_normal((3, 4, 4))
    covs = centre @ factors @ factors.transpose(0, 2, 1) @ centre
    model = GaussianMixture.from_covariances([0.5, 0.3, 0.2], covs, (2, 2))
    assert (model.eigenvalues[:, 3] == 0).all()
    z = model.sample(40, rng)
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-14)
    inner = GaussianMixture.from_covariances(model.weights, basis.T @ covs @ basis, (3,))
    np.testing.assert_allclose(model.log_prob(z), inner.log_prob(z @ basis), rtol=1e-10)
    estimate = model.posterior_mean(z, 0.3)
    np.testing.assert_allclose(estimate, inner.posterior_mean(z @ basis, 0.3) @ basis.T, atol=1e-12)


@pytest.mark.parametrize("other", [[1.0, 0.0], [1.0, 1.0]])
def test_components_on_different_subspaces_need_noise(other):
    model = GaussianMixture.from_covariances([0.5, 0.5], [np.diag([0, 1.0]), np.diag(other)], (2,))
    with pytest.raises(ValueError, match=r"sigma must be positive .* singular"):
        model.log_prob(np.zeros((1, 2)))
    assert np.isfinite(model.log_prob(np.ones((1, 2)), sigma=0.1)).all()


def test_a_component_without_variance_estimates_zero():
    model = GaussianMixture.from_covariances([0.5, 0.5], [np.zeros((2, 2)), np.eye(2)], (2,))
    z = np.array([[0.01, -0.01], [4.0, 4.0]])
    np.testing.assert_allclose(model.map_estimate(z, 0.5), [[0, 0], [3.2, 3.2]])
