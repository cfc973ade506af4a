"""Probabilistic PCA: all in closed form, so all to rounding."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fastepll import generative
from fastepll.generative import ProbabilisticPCA
from fastepll.models.gaussians import Gaussians

RNG = np.random.default_rng(0)
MODEL = ProbabilisticPCA(
    (5,),
    {"seed": 1},
    mean=RNG.standard_normal(5),
    factors=RNG.standard_normal((5, 3)),
    variance=0.3,
)
COVARIANCE = MODEL.factors @ MODEL.factors.T + 0.3 * np.eye(5)
X = MODEL.sample(40, rng=1)


def test_log_prob_is_that_of_the_gaussian():
    normal = multivariate_normal(MODEL.mean, COVARIANCE)
    np.testing.assert_allclose(MODEL.log_prob(X), normal.logpdf(X), rtol=1e-12)
    wide = ProbabilisticPCA((2,), mean=[0, 0], factors=RNG.standard_normal((2, 4)), variance=0.5)
    normal = multivariate_normal([0, 0], wide.factors @ wide.factors.T + 0.5 * np.eye(2))
    np.testing.assert_allclose(wide.log_prob(X[:, :2]), normal.logpdf(X[:, :2]), rtol=1e-12)


def test_joint_is_marginal_times_posterior():
    posterior = MODEL.encode(X)
    z = posterior.draw(7, np.random.default_rng(2))
    found = MODEL.log_joint(X, z) - posterior.log_density(z)
    np.testing.assert_allclose(found, np.repeat(MODEL.log_prob(X)[:, None], 7, 1), rtol=1e-12)
    np.testing.assert_array_equal(MODEL.represent(X), posterior.mean)


def test_gradient_of_the_joint():
    z, along = RNG.standard_normal((2, 40, 2, 3))
    value, slope = MODEL.joint_slope(X, z)
    ends = [MODEL.log_joint(X, z + h * along) for h in (1e-5, -1e-5)]
    np.testing.assert_array_equal(MODEL.log_joint(X, z), value)
    np.testing.assert_allclose(
        (ends[0] - ends[1]) / 2e-5, (slope * along).sum(2), rtol=1e-6, atol=1e-6
    )


def test_bound_is_log_p_less_the_divergence_from_the_posterior():
    np.testing.assert_allclose(MODEL.elbo(X).values, MODEL.log_prob(X), rtol=1e-12)
    posterior = MODEL.encode(X)
    root = np.linalg.cholesky(np.cov(RNG.standard_normal((3, 9))))
    other = Gaussians(posterior.mean + RNG.standard_normal((40, 3)), root[None])
    precision = np.linalg.inv(posterior.root[0] @ posterior.root[0].T)
    far = other.mean - posterior.mean
    divergence = 0.5 * (
        np.trace(precision @ root @ root.T)
        - 3
        + np.einsum("ni,ij,nj->n", far, precision, far)
        - np.linalg.slogdet(precision @ root @ root.T)[1]
    )
    assert divergence.min() > 0.1
    bound = MODEL.elbo(X, lambda rows: other)
    np.testing.assert_allclose(bound.values, MODEL.log_prob(X) - divergence, rtol=1e-12)


def test_divergence_from_the_prior_by_its_definition():
    q = Gaussians(np.array([[0.3, -1.0]]), np.array([[[0.5, 0], [0.4, 2.0]]]))
    z = q.draw(200_000, np.random.default_rng(3))
    ratio = q.log_density(z) - Gaussians.standard(1, 2).log_density(z)
    assert q.divergence()[0] == pytest.approx(ratio.mean(), abs=4 * ratio.std() / np.sqrt(200_000))
    assert Gaussians.standard(2, 3).divergence().tolist() == [0, 0]


def test_completion_has_the_conditional_moments():
    known = np.array([True, False, True, True, False])
    x = np.repeat(X[:1], 200_000, axis=0)
    drawn = MODEL.sample_given(x, known, rng=4)
    np.testing.assert_array_equal(drawn[:, known], x[:, known])
    gain = COVARIANCE[~known][:, known] @ np.linalg.inv(COVARIANCE[known][:, known])
    mean = MODEL.mean[~known] + gain @ (X[0] - MODEL.mean)[known]
    covariance = COVARIANCE[~known][:, ~known] - gain @ COVARIANCE[known][:, ~known]
    error = np.sqrt(np.diag(covariance) / 200_000)
    assert (abs(drawn[:, ~known].mean(0) - mean) < 4 * error).all()
    np.testing.assert_allclose(np.cov(drawn[:, ~known].T), covariance, atol=0.01 * covariance.max())


def test_samples_have_the_moments():
    x = MODEL.sample(200_000, rng=5)
    np.testing.assert_allclose(np.cov(x.T), COVARIANCE, atol=0.02 * COVARIANCE.max())
    np.testing.assert_allclose(x.mean(0), MODEL.mean, atol=0.02)


@pytest.mark.parametrize("n", [30, 4])
def test_fit_is_the_maximum(n):
    """More data than values and fewer: eigenvalues as they are, the mean of the rest as noise."""
    x = np.random.default_rng(6).standard_normal((n, 6)) * np.arange(1, 7)
    fitted = ProbabilisticPCA.fit(x, n_latents=2)
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    found = np.linalg.eigvalsh(fitted.factors @ fitted.factors.T)[::-1] + fitted.variance
    np.testing.assert_allclose(found[:2], values[:2], rtol=1e-10)
    np.testing.assert_allclose(found[2:], values[2:].mean(), rtol=1e-10)
    best = fitted.log_prob(x).mean()
    given = fitted.parameters()
    for name in given:
        for sign in (-1, 1):
            moved = given | {name: given[name] * (1 + sign * 0.01) + sign * 1e-3}
            assert ProbabilisticPCA((6,), **moved).log_prob(x).mean() < best
    assert fitted.n_parameters == 6 + 6 * 2 - 1 + 1
    assert fitted.metadata["n_data"] == n


def test_round_trips(tmp_path):
    MODEL.save(tmp_path / "pca.npz")
    for read in (generative.load(tmp_path / "pca.npz"), pickle.loads(pickle.dumps(MODEL))):
        assert isinstance(read, ProbabilisticPCA)
        assert dict(read.metadata) == {"seed": 1}
        np.testing.assert_array_equal(read.log_prob(X), MODEL.log_prob(X))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"variance": 0}, "variance must be a number > 0"),
        ({"variance": np.ones(2)}, "variance must be a number > 0"),
        ({"mean": np.zeros(4)}, r"mean must have shape \(5,\)"),
        ({"factors": np.zeros((4, 3))}, r"factors must have shape \(5, k\)"),
        ({"factors": np.zeros((5, 0))}, r"factors must have shape \(5, k\)"),
        ({"mean": np.full(5, np.nan)}, "mean must be finite"),
    ],
)
def test_refuses_parameters(changes, told):
    with pytest.raises(ValueError, match=told):
        ProbabilisticPCA((5,), **(MODEL.parameters() | changes))


def test_refuses_what_leaves_no_noise():
    with pytest.raises(ValueError, match="of 6 values or more"):
        ProbabilisticPCA.fit(X, n_latents=5)
    flat = X @ np.diag([1, 1, 0, 0, 0])
    with pytest.raises(ValueError, match="less than the rank"):
        ProbabilisticPCA.fit(flat, n_latents=2)
    with pytest.raises(ValueError, match=r"z must have shape \(40, s, 3\)"):
        MODEL.log_joint(X, np.zeros((40, 3)))
