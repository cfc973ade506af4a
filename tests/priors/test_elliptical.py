"""What Gaussian scale mixtures, mixtures of them and Student-t mixtures share."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.priors import GaussianScaleMixture, GSMMixture, Prior, StudentTMixture, load

NAMES = ("gsm", "gsm-mixture", "student-t-mixture")


def planted(name: str, patch_shape: tuple[int, ...] = (1, 3)) -> Prior:
    """A prior of that kind with two unlike components (the first has one)."""
    q = int(np.prod(patch_shape)) - 1
    rng = np.random.default_rng(q)
    turns = np.linalg.qr(rng.standard_normal((2, q, q)))[0]
    roots = turns * np.exp(rng.uniform(-1.5, 0.5, (2, 1, q)))
    covariances = roots @ roots.swapaxes(1, 2)
    if name == "gsm":
        return GaussianScaleMixture(
            patch_shape, weights=[0.3, 0.5, 0.2], scales=[0.1, 1, 6], covariance=covariances[0]
        )
    if name == "gsm-mixture":
        weights = [[0.1, 0.3, 0.0], [0.2, 0.2, 0.2]]
        return GSMMixture(patch_shape, weights=weights, scales=[0.1, 1, 6], covariances=covariances)
    return StudentTMixture(patch_shape, weights=[0.3, 0.7], scatters=covariances, dof=[4.0, 20.0])


@pytest.fixture(params=NAMES)
def prior(request):
    return planted(request.param)


def plane(scale: float, n: int = 400):
    """Nodes (n², 2) that reach over the whole plane, and their weights, by Gauss and Legendre."""
    t, w = np.polynomial.legendre.leggauss(n)
    x, dx = scale * t / (1 - t * t), scale * w * (1 + t * t) / (1 - t * t) ** 2
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid, np.outer(dx, dx).ravel()


def test_density_is_normalised(prior):
    grid, area = plane(1.0)
    assert np.exp(prior.log_prob(grid @ prior.basis.T)) @ area == pytest.approx(1, abs=1e-5)


def test_posterior_mean_is_that_of_bayes(prior):
    """Exact for finite scales; for Student-t within the error of its ten nodes."""
    noisy = np.array([[0.3, -0.2], [1.5, 0.4], [-3.0, 2.0], [0.01, 0.02]])
    grid, area = plane(0.5)
    density = np.exp(prior.log_prob(grid @ prior.basis.T)) * area
    square = ((noisy[:, None] - grid) ** 2).sum(axis=2)
    posterior = density * np.exp(-square / (2 * 0.25))
    expected = posterior @ grid / posterior.sum(axis=1)[:, None]
    found = prior.denoise(noisy @ prior.basis.T, 0.5, "mean") @ prior.basis
    exact = prior.kind != "student-t-mixture"
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0 if exact else 0.03)


def test_score_is_the_gradient(prior):
    c = prior.sample(20, 0)
    step = 1e-5 * prior.basis.T
    rise = [(prior.log_prob(c + s) - prior.log_prob(c - s)) / 2e-5 for s in step]
    np.testing.assert_allclose(prior.score(c) @ prior.basis, np.stack(rise, axis=1), rtol=1e-5)


def test_samples_follow_the_density(prior):
    """The mean of p/q over samples of p' = q is 1, where p is another density."""
    samples = prior.sample(40_000, 1)
    assert abs(samples.sum(axis=1)).max() < 1e-12
    other = 0.25 * np.eye(2)
    c = samples @ prior.basis
    ratio = np.exp(-0.5 * (c @ np.linalg.inv(other) * c).sum(axis=1) - prior.log_prob(samples))
    ratio /= 2 * np.pi * np.sqrt(np.linalg.det(other))
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))
    assert ratio.std() < 2  # else the line above says little


def test_mixture_is_the_same_prior(prior):
    patches = prior.sample(200, 2)
    exact = prior.kind != "student-t-mixture"
    np.testing.assert_allclose(
        prior.mixture.log_prob(patches), prior.log_prob(patches), atol=1e-9 if exact else 0.15
    )
    for estimator in ("map", "mean"):
        np.testing.assert_allclose(
            prior.mixture.denoise(patches, 0.3, estimator),
            prior.denoise(patches, 0.3, estimator),
            atol=1e-7,
        )


def test_file_and_back(prior, tmp_path):
    prior.save(tmp_path / "prior.npz")
    again = load(tmp_path / "prior.npz")
    assert type(again) is type(prior)
    patches = prior.sample(10, 3)
    assert np.array_equal(again.log_prob(patches), prior.log_prob(patches))


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (GaussianScaleMixture, dict(weights=[0.5, 0.4]), "weights must sum to 1, got 0.9"),
        (GaussianScaleMixture, dict(scales=[1.0]), r"weights must have shape \(1,\), got \(2,\)"),
        (GaussianScaleMixture, dict(scales=[0.0, 1.0]), "scales must be one or more positive"),
        (GaussianScaleMixture, dict(covariance=np.eye(3)), r"covariance must have shape \(2, 2\)"),
        (GaussianScaleMixture, dict(covariance=-np.eye(2)), "must be positive definite"),
        (GaussianScaleMixture, dict(covariance=[[1, 0], [0.5, 1]]), "must be symmetric"),
    ],
)
def test_mistakes_are_named(make, change, message):
    good = dict(weights=[0.5, 0.5], scales=[1.0, 2.0], covariance=np.eye(2))
    with pytest.raises(ValueError, match=message):
        make((1, 3), **{**good, **change})
