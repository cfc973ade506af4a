"""The mini dead-leaves model against its definition, component by component."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from fastepll import priors
from fastepll.priors import leaf_sampler, mini_dead_leaves
from fastepll.priors.line_masks import line_masks
from fastepll.priors.mini_dead_leaves import MiniDeadLeaves


def make(shape=(3, 3), scales=(0.1, 2.0), level_variance=0.05, p_edge=0.6):
    d = int(np.prod(shape))
    root = np.random.default_rng(7).standard_normal((d - 1, d - 1)) + 2 * np.eye(d - 1)
    masks, probabilities = line_masks(shape)
    return MiniDeadLeaves(
        shape,
        covariance=0.01 * root @ root.T,
        level_variance=[level_variance],
        scales=scales,
        scale_weights=np.linspace(1, 2, len(scales)) / np.linspace(1, 2, len(scales)).sum(),
        masks=np.vstack([np.ones(d), masks]),
        mask_weights=np.concatenate([[1 - p_edge], p_edge * probabilities]),
    )


def components(prior):
    """Weights and covariances, in coordinates, of all splits and pairs of scales."""
    texture = prior.basis @ prior.covariance @ prior.basis.T
    weights, covariances = [], []
    for mask, share in zip(prior.masks, prior.mask_weights, strict=True):
        for s, p in zip(prior.scales, prior.scale_weights, strict=True):
            for r, o in zip(prior.scales, prior.scale_weights, strict=True):
                a, b = np.outer(mask, mask), np.outer(1 - mask, 1 - mask)
                whole = texture * (s * a + r * b) + prior.level_variance[0] * (a + b)
                weights.append(share * p * o)
                covariances.append(prior.basis.T @ whole @ prior.basis)
    return np.array(weights), np.array(covariances)


def log_joint(weights, covariances, c):
    zero = np.zeros(c.shape[1])
    parts = [multivariate_normal(zero, cov).logpdf(c) for cov in covariances]
    return np.log(weights) + np.stack(parts, axis=1)


@pytest.fixture(scope="module")
def prior():
    return make()


@pytest.fixture(scope="module")
def patches(prior):
    rng = np.random.default_rng(3)
    return np.vstack([prior.sample(20, 1), 0.3 * rng.standard_normal((20, 9)) + 0.5])


def test_density_is_the_sum_over_splits_and_scales(prior, patches):
    expected = logsumexp(log_joint(*components(prior), patches @ prior.basis), axis=1)
    np.testing.assert_allclose(prior.log_prob(patches), expected, rtol=1e-10)


@pytest.mark.parametrize("level_variance", [0.0, 3.0])
def test_density_with_no_level_and_with_a_large_one(patches, level_variance):
    prior = make(level_variance=level_variance)
    expected = logsumexp(log_joint(*components(prior), patches @ prior.basis), axis=1)
    np.testing.assert_allclose(prior.log_prob(patches), expected, rtol=1e-10)


@pytest.mark.parametrize("sigma", [0.02, 0.4])
def test_estimates_are_those_of_the_components(prior, patches, sigma):
    weights, covariances = components(prior)
    c = patches @ prior.basis
    noisy = covariances + sigma**2 * np.eye(8)
    score = log_joint(weights, noisy, c)
    filters = covariances @ np.linalg.inv(noisy)
    share = np.exp(score - logsumexp(score, axis=1, keepdims=True))
    mean = np.einsum("nk,kij,nj->ni", share, filters, c) @ prior.basis.T
    best = np.einsum("nij,nj->ni", filters[score.argmax(axis=1)], c) @ prior.basis.T
    # Splits below a probability of 1e-9 are left out: 29e-9 times the norm of a patch, at most 2.
    np.testing.assert_allclose(prior.denoise(patches, sigma, "mean"), mean, atol=6e-8)
    np.testing.assert_allclose(prior.denoise(patches, sigma, "map"), best, atol=1e-11)


def test_posterior_mean_by_importance_sampling():
    prior, sigma, n = make((2, 2)), 0.1, 200_000
    clean = prior.sample(n, 5)
    for noisy in prior.sample(3, 6) + sigma * np.random.default_rng(1).standard_normal((3, 4)):
        y = noisy - noisy.mean()
        weight = np.exp(-0.5 * ((clean - y) ** 2).sum(axis=1) / sigma**2)
        weight /= weight.sum()
        estimate = weight @ clean
        error = np.sqrt((weight**2) @ (clean - estimate) ** 2)
        assert error.max() < 0.1 * sigma  # a useful test
        difference = np.abs(prior.denoise(noisy[None], sigma, "mean")[0] - estimate)
        assert (difference < 5 * error).all()


def test_score_is_the_gradient(prior, patches):
    step = 1e-6
    for direction in prior.basis.T[::3]:
        rise = prior.log_prob(patches + step * direction) - prior.log_prob(
            patches - step * direction
        )
        expected = rise / (2 * step)
        # Central differences: rounding 1e-14 / 1e-6 of log densities of about 100.
        np.testing.assert_allclose(prior.score(patches) @ direction, expected, rtol=1e-5, atol=1e-5)


def test_density_integrates_to_one():
    prior = make((1, 2))
    x = np.linspace(-8, 8, 40001)
    total = np.exp(prior.log_prob(x[:, None] * prior.basis.T)).sum() * (x[1] - x[0])
    assert total == pytest.approx(1, abs=1e-9)


def test_covariance_of_samples(prior):
    weights, covariances = components(prior)
    expected = prior.basis @ np.einsum("k,kij->ij", weights, covariances) @ prior.basis.T
    n = 50_000
    z = prior.sample(n, 11)
    products = np.einsum("ni,nj->nij", z, z)
    error = products.std(axis=0) / np.sqrt(n)
    assert np.abs((products.mean(axis=0) - expected) / error).max() < 5
    assert np.abs(z.mean(axis=0) / (z.std(axis=0) / np.sqrt(n))).max() < 5
    np.testing.assert_allclose(z.sum(axis=1), 0, atol=1e-5)  # float32


def test_fourth_moments_of_samples(prior):
    """Scales, splits and normal numbers are independent: covariances cannot tell."""
    weights, covariances = components(prior)
    variance = np.diagonal(prior.basis @ covariances @ prior.basis.T, axis1=1, axis2=2)
    z = prior.sample(50_000, 12)
    error = (z**4).std(axis=0) / np.sqrt(len(z))
    assert np.abs(((z**4).mean(axis=0) - 3 * weights @ variance**2) / error).max() < 5


def test_samples_do_not_depend_on_the_number_of_threads(prior, monkeypatch, n_threads):
    monkeypatch.setattr(leaf_sampler, "BLOCK", 100)
    expected = prior.sample(1234, 4, n_threads=1, dtype=np.float32)
    np.testing.assert_array_equal(
        prior.sample(1234, 4, n_threads=n_threads, dtype=np.float32), expected
    )
    np.testing.assert_array_equal(prior.sample(300, 4), expected[:300])  # blocks have own seeds


def test_samples_do_not_depend_on_the_threads_of_blas(prior):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    found = []
    for limit in (1, 2):
        with threadpoolctl.threadpool_limits(limit):
            found.append(prior.sample(60_000, 4))
    np.testing.assert_array_equal(*found)


def test_normal_numbers_are_normal():
    from scipy.stats import kstest

    x = np.empty(200_001, np.float32)
    leaf_sampler.fill_normals(x, np.random.Generator(np.random.SFC64(0)))
    assert x.dtype == np.float32
    assert len(x) == 200_001
    assert kstest(x, "norm").pvalue > 1e-3
    half = len(x) // 2  # a pair shares its radius
    assert abs(np.corrcoef(x[:half], x[half + 1 :])[0, 1]) < 5 / np.sqrt(half)


def test_no_mixture_fitted_to_samples_is_better(prior):
    sklearn = pytest.importorskip("sklearn.mixture")
    train, test = prior.sample(4000, 1), prior.sample(2000, 2)
    fitted = sklearn.GaussianMixture(6, random_state=0, max_iter=40, tol=1e-2)
    fitted.fit(train @ prior.basis)
    gap = prior.log_prob(test) - fitted.score_samples(test @ prior.basis)
    assert gap.mean() > 5 * gap.std() / np.sqrt(len(gap))


def test_fit_finds_level_textures_and_edges():
    truth = make()
    rng = np.random.default_rng(2)
    n = 20_000

    def texture(mask):
        root = truth.basis @ np.linalg.cholesky(truth.covariance)
        size = np.sqrt(rng.choice(truth.scales, size=(n, 1), p=truth.scale_weights))
        level = np.sqrt(truth.level_variance) * rng.standard_normal((n, 1))
        return mask * (size * (rng.standard_normal((n, 8)) @ root.T) + level)

    fitted = MiniDeadLeaves.fit(texture(np.ones((n, 9))), patch_shape=(3, 3))
    assert fitted.metadata["p_edge"] < 0.03
    # Moments of n normal numbers of two sizes: a deviation of about sqrt(5 / n) = 0.016.
    np.testing.assert_allclose(fitted.level_variance, truth.level_variance, rtol=0.06)
    expected = truth.scales @ truth.scale_weights * truth.covariance
    found = fitted.scales @ fitted.scale_weights * fitted.covariance
    np.testing.assert_allclose(found, expected, atol=0.06 * expected.max())
    flat = make(p_edge=1e-9).sample(2000, 4)
    gap = make(p_edge=1e-9).log_prob(flat) - fitted.log_prob(flat)
    assert abs(gap.mean()) < 0.05  # 50 parameters from n patches: 25 / n nats, and other scales


def test_edge_probability_is_estimated_given_the_textures(monkeypatch):
    truth = make(p_edge=0.35)
    texture = SimpleNamespace(fit=lambda *_, **__: truth)
    monkeypatch.setattr(mini_dead_leaves, "GaussianScaleMixture", texture)
    rng = np.random.default_rng(0)
    level = rng.standard_normal((2000, 1))
    level *= np.sqrt(truth.level_variance / level.var())
    fitted = MiniDeadLeaves.fit(truth.sample(2000, 8) + level, patch_shape=(3, 3))
    np.testing.assert_allclose(fitted.level_variance, truth.level_variance)
    # A binomial share of 2000 has a deviation of 0.011, and edges are not always certain.
    assert fitted.metadata["p_edge"] == pytest.approx(0.35, abs=0.05)


def test_file_keeps_the_model(prior, patches, tmp_path):
    prior.save(tmp_path / "leaves.npz")
    again = priors.load(tmp_path / "leaves.npz")
    assert isinstance(again, MiniDeadLeaves)
    np.testing.assert_array_equal(again.log_prob(patches), prior.log_prob(patches))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scales", [1.0, -1.0], "scales must be positive"),
        ("scale_weights", [0.5, 0.2, 0.3], "scale_weights must have shape"),
        ("mask_weights", [0.5, 0.5], "mask_weights must have shape"),
        ("masks", np.full((29, 9), 0.5), "masks must hold 0 and 1"),
        ("level_variance", [-1.0], "level_variance must be >= 0"),
        ("covariance", -np.eye(8), "covariance must be positive definite"),
        ("covariance", np.triu(np.ones((8, 8))), "covariance must be symmetric"),
    ],
)
def test_wrong_parameters_are_named(prior, name, value, message):
    with pytest.raises(ValueError, match=message):
        MiniDeadLeaves((3, 3), **{**prior.parameters(), name: value})


def test_wrong_calls_are_named(prior):
    with pytest.raises(ValueError, match="patches must have their means"):
        MiniDeadLeaves.fit(prior.sample(50, 0), patch_shape=(3, 3))
    with pytest.raises(ValueError, match="p_edge must be between"):
        MiniDeadLeaves.fit(np.eye(9), patch_shape=(3, 3), p_edge=1.0)
    with pytest.raises(ValueError, match="dtype must be"):
        prior.sample(3, 0, dtype=np.int32)
    with pytest.raises(ValueError, match="patch_shape must be"):
        MiniDeadLeaves((2, 2, 3), **prior.parameters())


@pytest.mark.parametrize(("n", "count"), [(2, 6), (3, 28), (4, 86), (5, 200), (8, 1282)])
def test_all_splits_of_a_square_are_found(n, count):
    """The On-Line Encyclopedia of Integer Sequences has A114043: one more, no split."""
    masks, probabilities = line_masks((n, n))
    assert masks.shape == (count, n * n)
    assert len(np.unique(masks, axis=0)) == count
    assert probabilities.sum() == pytest.approx(1)


def test_probabilities_of_splits_are_the_measure_of_lines():
    """Crofton: lines that separate two sets measure crossed strings less the perimeters."""
    masks, probabilities = line_masks((2, 2), angles=10_000)
    halves = (2 * np.sqrt(2) - 2) / 4
    corner = (2 - np.sqrt(2)) / 4
    expected = np.where(masks.sum(axis=1) == 2, halves, corner)
    np.testing.assert_allclose(probabilities, expected, atol=1e-7)
