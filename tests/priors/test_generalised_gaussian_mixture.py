"""Generalised Gaussian mixtures: density, fit to a planted one, estimates against integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastepll import GaussianMixture
from fastepll.priors import GeneralisedGaussianMixture, load
from fastepll.priors import _generalised_gaussian as one

from .test_gsm import excess

SIGMA = 0.4


def planted(patch_shape=(1, 3), shapes=((0.5, 1.0), (1.5, 2.0))):
    """Two components whose axes and variances differ; the given shapes are repeated."""
    q = int(np.prod(patch_shape)) - 1
    rng = np.random.default_rng(q)
    return GeneralisedGaussianMixture(
        patch_shape,
        weights=[0.4, 0.6],
        vectors=np.linalg.qr(rng.standard_normal((2, q, q)))[0],
        variances=np.stack([np.geomspace(0.05, 4, q), np.geomspace(0.02, 0.5, q)]),
        shapes=np.resize(shapes, (2, q)) if q % 2 else np.tile(shapes, (1, q // 2)),
    )


@pytest.fixture(scope="module")
def prior():
    return planted()


@pytest.mark.parametrize("shape", [0.3, 0.7, 1.0, 1.6, 2.0])
def test_one_axis_is_scipys(shape):
    alpha = 0.7 * np.exp(
        0.5 * (one.log_gamma(np.array(1 / shape)) - one.log_gamma(np.array(3 / shape)))
    )
    prior = GeneralisedGaussianMixture(
        (1, 2), weights=[1.0], vectors=[[[1.0]]], variances=[[0.49]], shapes=[[shape]]
    )
    x = np.linspace(-3, 3, 41)[:, None]
    np.testing.assert_allclose(
        prior.log_prob(x @ prior.basis.T),
        stats.gennorm.logpdf(x[:, 0], shape, scale=alpha),
        atol=1e-8,  # |x| is at least 1e-30
    )
    drawn = prior.sample(4000, 0) @ prior.basis
    assert stats.kstest(drawn[:, 0], stats.gennorm(shape, scale=alpha).cdf).pvalue > 0.01


def test_density_is_normalised(prior):
    """Importance sampling from a Student-t density of three degrees of freedom."""
    wide = stats.multivariate_t(shape=np.eye(2), df=3)
    c = wide.rvs(100_000, random_state=0)
    ratio = np.exp(prior.log_prob(c @ prior.basis.T) - wide.logpdf(c))
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.015
    assert ratio.mean() == pytest.approx(1, abs=4 * error)


def test_shapes_of_two_are_the_gaussian_mixture():
    prior = planted((2, 2), ((2.0,),))
    covariances = (prior.vectors * prior.variances[:, None]) @ prior.vectors.swapaxes(1, 2)
    mixture = GaussianMixture.from_covariances(
        prior.weights, prior.basis @ covariances @ prior.basis.T, prior.patch_shape
    )
    patches = mixture.sample(100, 0)
    np.testing.assert_allclose(prior.log_prob(patches), mixture.log_prob(patches), atol=1e-9)
    for estimator in ("map", "mean"):  # components are weighed in float32
        np.testing.assert_allclose(
            prior.denoise(patches, SIGMA, estimator),
            mixture.denoise(patches, SIGMA, estimator),
            atol=1e-5,
        )


def test_posterior_mean_is_that_of_bayes(prior):
    """Within the errors of eight Gaussians an axis, of tables, and of light tails."""
    clean = prior.sample(15, 0) @ prior.basis
    noisy = clean + SIGMA * np.random.default_rng(1).standard_normal((15, 2))
    x = np.sinh(np.linspace(-8, 8, 601)) * 0.01
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    area = np.outer(np.gradient(x), np.gradient(x)).ravel()
    density = np.exp(prior.log_prob(grid @ prior.basis.T)) * area
    square = ((noisy[:, None] - grid) ** 2).sum(axis=2)
    posterior = density * np.exp(-square / (2 * SIGMA**2))
    expected = posterior @ grid / posterior.sum(axis=1)[:, None]
    found = prior.denoise(noisy @ prior.basis.T, SIGMA, "mean") @ prior.basis
    error = np.linalg.norm(found - expected, axis=1)
    assert np.sqrt(np.mean(error**2)) < 0.01 * SIGMA
    assert error.max() < 0.03 * SIGMA


def test_map_is_the_mode_in_the_likeliest_component(prior):
    """By a search over the plane, of the component that made most of the noisy density."""
    noisy = np.array([[2.5, -1.0], [0.1, 0.05], [-4.0, 3.0]])
    found = prior.denoise(noisy @ prior.basis.T, SIGMA, "map") @ prior.basis
    for y, x in zip(noisy, found, strict=True):
        values = []
        for j in range(2):
            alone = GeneralisedGaussianMixture(
                (1, 3),
                weights=[1.0],
                vectors=prior.vectors[j : j + 1],
                variances=prior.variances[j : j + 1],
                shapes=prior.shapes[j : j + 1],
            )
            mode = alone.denoise([y @ prior.basis.T], SIGMA, "map")[0] @ prior.basis
            near = mode + np.random.default_rng(0).normal(0, 0.05, (500, 2))
            near = np.concatenate([[mode], near, np.random.default_rng(1).normal(0, 3, (2000, 2))])
            energy = alone.log_prob(near @ prior.basis.T) - ((near - y) ** 2).sum(1) / 2 / SIGMA**2
            assert energy.argmax() == 0
            values.append(np.abs(mode - x).max())
        assert min(values) < 1e-9


def test_scale_table():
    """Divergence from the density, and the variance, of every shape."""
    table = one.scale_table()
    t = np.linspace(-30, 12, 3001)
    for i, shape in enumerate(one.SHAPES):
        s = one.SHAPES[i : i + 1]
        log_a = one.log_alpha(np.ones(1), s)
        density = one.log_normaliser(np.ones(1), s) - one.power(np.exp(t / 2), log_a, s)
        mass = np.exp(density + t / 2)
        mass /= mass.sum()
        gaussians = table.at(i, np.exp(t))[0]
        bound = 1e-9 if shape == 2 else 4e-4 if shape >= 0.45 else 2e-3
        assert abs(mass @ (density - gaussians)) < bound
        assert table.probabilities[i] @ table.scales[i] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("shape", [0.3, 0.5, 0.9, 1.0, 1.05, 1.5, 1.95, 2.0])
def test_shrinkage_is_the_minimiser(shape):
    rng = np.random.default_rng(0)
    for y, sigma, variance in zip(
        3 * rng.normal(size=60),
        np.exp(rng.normal(size=60)),
        np.exp(rng.normal(size=60)),
        strict=True,
    ):
        log_a = one.log_alpha(np.array([variance]), np.array([shape]))

        def energy(x, y=y, sigma=sigma, log_a=log_a):
            return (x - y) ** 2 / (2 * sigma**2) + one.power(x, log_a, np.array([shape]))

        found = one.shrink(np.array([y]), sigma, log_a, np.array([shape]))
        grid = np.append(y * np.linspace(0, 1, 2001), 0)
        assert energy(found)[0] <= energy(grid).min() + 1e-12
        assert abs(found[0]) <= abs(y)


def test_planted_mixture_is_found():
    """About 25 parameters: 0.0005 nats; shapes have a standard error of 2 to 5 %, and steps."""
    truth = planted((2, 2), ((0.5, 1.0, 2.0), (2.0, 1.5, 0.8)))
    covariances = (truth.vectors * truth.variances[:, None]) @ truth.vectors.swapaxes(1, 2)
    covariances = truth.basis @ (covariances + 0.3 * covariances.mean(axis=0)) @ truth.basis.T
    start = GaussianMixture.from_covariances([0.5, 0.5], covariances, (2, 2))
    model = GeneralisedGaussianMixture.fit(
        truth.sample(25_000, 0), patch_shape=(2, 2), start=start, iterations=40
    )
    lost, error = excess(truth, model)
    assert lost < 0.01 + 4 * error
    np.testing.assert_allclose(model.weights, truth.weights, atol=0.02)
    np.testing.assert_allclose(model.shapes, truth.shapes, atol=0.15, rtol=0.1)
    np.testing.assert_allclose(model.variances, truth.variances, rtol=0.15)


def test_starts_by_itself():
    pytest.importorskip("torch")
    truth = planted((2, 2), ((1.0,),))
    model = GeneralisedGaussianMixture.fit(
        truth.sample(5000, 0), patch_shape=(2, 2), n_components=2
    )
    lost, error = excess(truth, model)
    assert lost < 0.02 + 4 * error


def test_file_and_back(prior, tmp_path):
    prior.save(tmp_path / "prior.npz")
    again = load(tmp_path / "prior.npz")
    patches = prior.sample(10, 3)
    assert np.array_equal(again.log_prob(patches), prior.log_prob(patches))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(shapes=np.full((2, 2), 2.1)), r"shapes must be in \[0.3, 2\], got 2.1 to 2.1"),
        (dict(variances=np.zeros((2, 2))), "variances must be positive, got 0"),
        (dict(vectors=np.ones((2, 2, 2))), "must have orthonormal columns"),
        (dict(weights=[1.0]), r"eigenvectors must have shape \(1, 2, 2\), got \(2, 2, 2\)"),
    ],
)
def test_mistakes_are_named(prior, change, message):
    with pytest.raises(ValueError, match=message):
        GeneralisedGaussianMixture(prior.patch_shape, **{**prior.parameters(), **change})
