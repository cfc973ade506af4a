"""Sparse coding on models whose density and estimates are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from fastepll.priors import SparseCoding, load

NOISE = 0.01


def tiny(m=4, seed=0, variances=(0.02, 2.0), weights=(0.7, 0.3)):
    dictionary = np.random.default_rng(seed).standard_normal((3, m))
    dictionary /= np.linalg.norm(dictionary, axis=0)
    variances = np.tile(np.array(variances, dtype=float), (m, 1))
    return SparseCoding(
        (2, 2),
        dictionary=dictionary,
        variances=variances * np.linspace(1, 1.5, m)[:, None],
        weights=np.tile(weights, (m, 1)),
        noise_variance=NOISE,
    )


def components(prior, extra=0.0):
    """The finite mixture over all scales: log weights and covariances of coordinates."""
    m, k = prior.variances.shape
    for scales in itertools.product(range(k), repeat=m):
        index = (np.arange(m), list(scales))
        d = prior.variances[index]
        cov = (prior.dictionary * d) @ prior.dictionary.T + (prior.noise_variance[0]) * np.eye(3)
        yield np.log(prior.weights[index]).sum(), cov, cov + extra * np.eye(3)


def exact(prior, patches):
    c = patches @ prior.basis
    return logsumexp(
        [w + multivariate_normal(np.zeros(3), cov).logpdf(c) for w, cov, _ in components(prior)],
        axis=0,
    )


@pytest.mark.parametrize(("m", "scale"), [(3, (0.02, 2.0)), (4, (0.02, 2.0)), (4, (0.001, 1.0))])
def test_density_is_the_sum_over_all_scales_within_its_error(m, scale):
    prior = tiny(m, variances=scale)
    patches = prior.sample(60, 1)
    estimate, error = prior.estimate_log_prob(patches, n_chains=20, n_steps=150, seed=2)
    z = (estimate - exact(prior, patches)) / error
    assert 0 < error.mean() < 0.25
    assert np.abs(z).mean() < 1.2  # of Student's t with 19 degrees of freedom it is 0.83
    assert abs((estimate - exact(prior, patches)).mean()) < 3 * np.sqrt((error**2).sum()) / 60


@pytest.mark.parametrize("scales", [(0.5,), (0.5, 0.5, 0.5)])
def test_equal_scales_make_a_gaussian(scales):
    prior = tiny(5, variances=scales, weights=np.full(len(scales), 1 / len(scales)))
    patches = prior.sample(7, 0)
    cov = (prior.dictionary * prior.variances[:, 0]) @ prior.dictionary.T + NOISE * np.eye(3)
    expected = multivariate_normal(np.zeros(3), cov).logpdf(patches @ prior.basis)
    value, error = prior.estimate_log_prob(patches, n_chains=3, n_steps=5)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(error, 0, atol=1e-10)
    filtered = patches @ prior.basis @ (cov @ np.linalg.inv(cov + 0.3 * np.eye(3))) @ prior.basis.T
    for estimator in ("map", "mean"):
        restored = prior.denoise(patches, np.sqrt(0.3), estimator)
        np.testing.assert_allclose(restored, filtered, atol=1e-12)


def test_log_prob_is_the_estimate_with_its_defaults():
    prior = tiny()
    patches = prior.sample(3, 0)
    np.testing.assert_array_equal(prior.log_prob(patches), prior.estimate_log_prob(patches)[0])
    assert not prior.exact


def test_mean_is_that_of_the_mixture_over_all_scales():
    prior, variance = tiny(), 0.2
    noisy = prior.sample(6, 3)
    noisy += np.sqrt(variance) * np.random.default_rng(4).standard_normal(noisy.shape)
    c = noisy @ prior.basis
    parts = list(components(prior, variance))
    mass = np.array([w + multivariate_normal(np.zeros(3), cov).logpdf(c) for w, _, cov in parts])
    mass = np.exp(mass - logsumexp(mass, axis=0))
    wiener = [c @ np.linalg.solve(noisy_cov, cov) for _, cov, noisy_cov in parts]
    expected = np.einsum("kn,knq->nq", mass, wiener)
    runs = prior.denoise(np.repeat(noisy, 200, axis=0), np.sqrt(variance), "mean") @ prior.basis
    runs = runs.reshape(6, 200, 3)
    # 200 chains of 40 sweeps each; 4 standard errors, and what ten sweeps may leave of the start
    assert (abs(runs.mean(axis=1) - expected) < 4 * runs.std(axis=1) / 14 + 5e-3).all()


def test_map_filters_with_posterior_mean_variances():
    """Orthonormal columns: the scales of the sources are independent given the patch."""
    prior, variance = tiny(3), 0.1
    prior = SparseCoding((2, 2), **{**prior.parameters(), "dictionary": np.eye(3)})
    c = 1.5 * np.random.default_rng(5).standard_normal((40, 3))
    restored = prior.denoise(c @ prior.basis.T, np.sqrt(variance)) @ prior.basis
    total = prior.variances + NOISE + variance
    mass = prior.weights / np.sqrt(total) * np.exp(-0.5 * c[:, :, None] ** 2 / total)
    d = (mass * prior.variances).sum(axis=2) / mass.sum(axis=2) + NOISE
    np.testing.assert_allclose(restored, c * d / (d + variance), rtol=1e-10)


def test_samples_have_the_covariance_and_the_tails():
    prior = tiny(3)
    c = prior.sample(60000, 0) @ prior.basis
    mean = (prior.weights * prior.variances).sum(axis=1)
    expected = (prior.dictionary * mean) @ prior.dictionary.T + NOISE * np.eye(3)
    np.testing.assert_allclose(c.T @ c / len(c), expected, atol=0.03)
    s = c @ np.linalg.inv(prior.dictionary).T
    fourth = 3 * (prior.weights * prior.variances**2).sum(axis=1) / mean**2
    assert np.allclose((s**4).mean(axis=0) / (s**2).mean(axis=0) ** 2, fourth, rtol=0.15)


def test_fit_finds_the_dictionary_and_the_likelihood_again():
    truth = SparseCoding(
        (2, 2),
        dictionary=np.array([[1, 0, 0, 0.577], [0, 1, 0, 0.577], [0, 0, 1, 0.577]])
        / np.array([1, 1, 1, np.sqrt(3) * 0.577]),
        variances=np.tile([0.01, 3.0], (4, 1)),
        weights=np.tile([0.85, 0.15], (4, 1)),
        noise_variance=NOISE,
    )
    fitted = SparseCoding.fit(
        truth.sample(4000, 0),
        patch_shape=(2, 2),
        n_sources=4,
        n_scales=3,
        noise_variance=NOISE,
        n_epochs=30,
        batch=100,
        seed=3,  # other starts may end with two columns between those of the truth
    )
    match = np.abs(truth.dictionary.T @ fitted.dictionary)
    pairs = linear_sum_assignment(-match)
    assert match[pairs].min() > 0.99
    test = truth.sample(2000, 1)
    gap = exact(truth, test) - exact(fitted, test)
    assert abs(gap.mean()) < 0.02 + 3 * gap.std() / np.sqrt(len(gap))


def test_files_and_chunks(tmp_path):
    prior = tiny()
    prior.save(tmp_path / "prior.npz")
    again = load(tmp_path / "prior.npz")
    assert isinstance(again, SparseCoding)
    patches = prior.sample(300, 0)
    np.testing.assert_array_equal(again.denoise(patches, 0.3), prior.denoise(patches, 0.3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.full((4, 2), 0.4)}, "weights must be"),
        ({"variances": np.zeros((4, 2))}, "variances must be positive"),
        ({"noise_variance": 0.0}, "noise_variance must be positive"),
        ({"dictionary": np.ones((4, 4))}, "dictionary must have shape"),
    ],
)
def test_parameters_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        SparseCoding((2, 2), **{**tiny().parameters(), **change})


@pytest.mark.parametrize(("name", "value"), [("n_chains", 1), ("n_steps", 0)])
def test_options_of_the_estimate_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        tiny().estimate_log_prob(np.zeros((1, 4)), **{name: value})
    with pytest.raises(TypeError, match=f"{name} must be an integer"):
        tiny().estimate_log_prob(np.zeros((1, 4)), **{name: 2.5})
