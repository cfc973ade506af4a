"""Student-t mixtures: fit to a planted one, the Gaussian limit, the error of the nodes."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import GaussianMixture
from fastepll.models._density import log_sum
from fastepll.priors import StudentTMixture
from fastepll.priors._inference import elliptical_em
from fastepll.priors.student_t_mixture import InverseGamma, quadrature

from .test_elliptical import planted
from .test_gsm import excess


@pytest.fixture(scope="module")
def truth():
    return planted("student-t-mixture", (2, 3))


@pytest.fixture(scope="module")
def start(truth):
    """A Gaussian mixture of the truth's components, mixed up a little."""
    full = truth.basis @ truth.scatters @ truth.basis.T
    return GaussianMixture.from_covariances(
        [0.5, 0.5], full + 0.3 * full.mean(axis=0), truth.patch_shape
    )


def test_planted_mixture_is_found(truth, start):
    """About 33 parameters: 33 / 2n = 0.0007 nats are lost."""
    model = StudentTMixture.fit(
        truth.sample(25_000, 0), patch_shape=(2, 3), start=start, iterations=60
    )
    lost, error = excess(truth, model)
    assert lost < 0.0007 + 4 * error
    np.testing.assert_allclose(model.weights, truth.weights, atol=0.02)
    np.testing.assert_allclose(model.dof, truth.dof, rtol=0.25)
    for found, true in zip(model.scatters, truth.scatters, strict=True):
        assert np.linalg.norm(found - true) < 0.08 * np.linalg.norm(true)
    assert np.diff(model.metadata["log_likelihood"]).min() > -1e-5


def test_goes_on_from_a_fit(truth):
    patches = truth.sample(2000, 0)
    model = StudentTMixture.fit(patches, patch_shape=(2, 3), start=truth, iterations=2)
    first = np.mean(truth.log_prob(patches))
    assert model.metadata["log_likelihood"][0] == pytest.approx(first, abs=1e-5)
    assert model.log_prob(patches).mean() > first


def test_starts_by_itself():
    pytest.importorskip("torch")
    truth = planted("student-t-mixture", (2, 2))
    model = StudentTMixture.fit(truth.sample(5000, 0), patch_shape=(2, 2), n_components=2)
    lost, error = excess(truth, model)
    assert lost < 0.002 + 4 * error


def test_many_degrees_of_freedom_are_gaussian(truth):
    """log t - log N is (a²/4 - aq/2 + q(q - 2)/4) / ν up to terms of ν⁻², a the quadratic form."""
    dof, q = 1e6, truth.q
    limit = StudentTMixture(
        truth.patch_shape, weights=[1.0], scatters=truth.scatters[:1], dof=[dof]
    )
    c = limit.sample(100, 0) @ limit.basis
    a = np.einsum("ij,ij->i", c @ np.linalg.inv(truth.scatters[0]), c)
    gaussian = -0.5 * (a + np.linalg.slogdet(2 * np.pi * truth.scatters[0])[1])
    first = (a**2 / 4 - a * q / 2 + q * (q - 2) / 4) / dof
    found = limit.log_prob(c @ limit.basis.T)
    np.testing.assert_allclose(found - gaussian, first, atol=3e-8)  # of lgamma at 5e5
    assert abs(found - gaussian).max() < 1e-3


@pytest.mark.parametrize(("dof", "bound"), [(3, 0.06), (5, 0.009), (10, 0.002), (100, 1e-4)])
def test_error_of_the_nodes(dof, bound):
    """Divergence of ten Gaussians from the density of 63 dimensions, by samples."""
    probabilities, scales = quadrature(float(dof), 63, 10)
    rng, law = np.random.default_rng(0), InverseGamma(np.array([float(dof)]), 63)
    a = rng.chisquare(63, 20_000) * law.draw(0, 20_000, rng)
    constant = np.log(probabilities) - 31.5 * np.log(2 * np.pi * scales)
    nodes = log_sum(constant - 0.5 * a[:, None] / scales)
    loss = law.at(0, a)[0] - nodes
    assert -4 * loss.std() / np.sqrt(len(a)) < loss.mean() < bound


def test_leaving_pairs_out_changes_little(truth, start):
    c = (truth.sample(4000, 1) @ truth.basis).astype(np.float32)
    law = InverseGamma(np.full(2, 10.0), truth.q)
    scatters = truth.basis.T @ start.covariances @ truth.basis
    begin = elliptical_em.Components(start.weights, scatters, law)
    near, _ = elliptical_em.fit(c, begin, iterations=10)
    exact, _ = elliptical_em.fit(c, begin, iterations=10, margin=np.inf, drop=0.0)
    np.testing.assert_allclose(near.covariances, exact.covariances, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(near.weights, exact.weights, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(dof=[0.0, 1.0]), "dof must be positive, got 0"),
        (dict(dof=[1.0]), r"dof must have shape \(2,\), got \(1,\)"),
        (dict(weights=[0.5, 0.6]), "weights must sum to 1"),
    ],
)
def test_mistakes_are_named(truth, change, message):
    with pytest.raises(ValueError, match=message):
        StudentTMixture(truth.patch_shape, **{**truth.parameters(), **change})


def test_start_must_have_the_shape(truth, start):
    with pytest.raises(ValueError, match=r"start must have patches of \(3, 2\), got \(2, 3\)"):
        StudentTMixture.fit(truth.sample(100, 0), patch_shape=(3, 2), start=start)
