"""EM for zero-mean mixtures: against scikit-learn, a planted mixture, and its approximations."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastepll.train.em import (  # noqa: E402
    Mixture,
    Statistics,
    candidates,
    factorise,
    maximise,
    reseed,
    statistics,
)

FLOOR = 1e-6


def planted(k, d, n, seed):
    """Weights, covariances and a float32 sample of a mixture whose components differ in shape."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(k, 4.0))
    turns = np.linalg.qr(rng.standard_normal((k, d, d))).Q
    roots = turns * np.exp(rng.uniform(-1.5, 1.5, (k, 1, d)))  # condition number below e^6
    labels = rng.choice(k, n, p=weights)
    z = np.einsum("nij,nj->ni", roots[labels], rng.standard_normal((n, d)))
    return weights, roots @ roots.swapaxes(1, 2), z.astype(np.float32)


def em(z, mixture, steps, margin=math.inf, drop=0.0):
    """Plain EM iterations; returns the mixture and the log-likelihood before each."""
    z, logs = torch.from_numpy(z), []
    for _ in range(steps):
        factors = factorise(mixture)
        stats = statistics(z, factors, candidates(z, factors, margin, 512), drop)
        logs.append(stats.log_likelihood / stats.n)
        mixture = maximise(stats, FLOOR)
    return mixture, logs


def start(z, k, seed):
    """Unequal starting mixture from random groups of vectors."""
    order = np.random.default_rng(seed).permutation(len(z)).reshape(k, -1)
    cov = np.stack([z[g].T.astype(float) @ z[g] / len(g) for g in order])
    cov *= np.exp(np.linspace(-1, 1, k))[:, None, None]
    return Mixture(torch.full((k,), 1 / k, dtype=torch.float64), torch.from_numpy(cov))


def test_agrees_with_scikit_learn():
    """With z and -z in the data, the means that scikit-learn estimates stay zero."""
    mixture = pytest.importorskip("sklearn.mixture")
    _, _, half = planted(4, 6, 1500, 0)
    z, first = np.concatenate([half, -half]), start(half, 4, 1)
    ours, logs = em(z, first, 8)
    peer = mixture.GaussianMixture(
        4,
        max_iter=8,
        tol=0.0,
        reg_covar=FLOOR,
        weights_init=first.weights.numpy(),
        means_init=np.zeros((4, 6)),
        precisions_init=np.linalg.inv(first.covariances.numpy()),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(z.astype(float))
    assert abs(peer.means_).max() < 1e-6
    np.testing.assert_allclose(ours.weights.numpy(), peer.weights_, rtol=1e-4)
    scale = abs(peer.covariances_).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        ours.covariances.numpy() / scale, peer.covariances_ / scale, atol=1e-4
    )
    assert np.ptp(ours.weights.numpy()) > 0.05
    assert all(b > a - 1e-4 for a, b in pairwise(logs))


def test_truncation_vanishes_with_its_margin():
    _, _, z = planted(6, 8, 3000, 2)
    first = start(z, 6, 3)
    exact, _ = em(z, first, 5)
    errors = []
    for margin, drop in ((2.0, 1e-2), (12.0, 1e-4), (30.0, 0.0)):
        near, _ = em(z, first, 5, margin, drop)
        errors.append(float((near.weights - exact.weights).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 1e-4
    assert errors[2] < 1e-6


def test_planted_mixture_is_recovered():
    weights, cov, z = planted(3, 5, 20000, 4)
    best = max(
        (em(z, start(z[:19998], 3, s), 60, 12.0, 1e-4) for s in range(3)),
        key=lambda run: run[1][-1],
    )
    found = best[0]
    order = [
        int(np.argmin([np.linalg.norm(c - f) for f in found.covariances.numpy()])) for c in cov
    ]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found.weights.numpy()[order], weights, atol=0.02)
    for true, index in zip(cov, order, strict=True):
        assert np.linalg.norm(found.covariances[index].numpy() - true) < 0.1 * np.linalg.norm(true)


def test_scores_are_exact_and_counts_sum_to_the_vectors():
    weights, cov, z = planted(5, 7, 400, 5)
    mixture = Mixture(torch.from_numpy(weights), torch.from_numpy(cov))
    factors = factorise(mixture)
    zt = torch.from_numpy(z)
    stats = statistics(zt, factors, candidates(zt, factors, math.inf, 64))
    sign, logdet = np.linalg.slogdet(2 * np.pi * cov)
    quad = np.einsum("ni,kij,nj->nk", z, np.linalg.inv(cov), z, dtype=float)
    expected = np.logaddexp.reduce(np.log(weights) - 0.5 * (logdet + quad), axis=1).sum()
    assert (sign > 0).all()
    assert stats.log_likelihood == pytest.approx(expected, abs=1e-3 * 400 / 10)
    assert float(stats.counts.sum()) == pytest.approx(400, abs=1e-3)


def test_dead_component_is_reseeded_from_the_heaviest():
    weights = torch.tensor([0.7, 0.3 - 1e-9, 1e-9], dtype=torch.float64)
    cov = torch.stack([torch.eye(4, dtype=torch.float64) * s for s in (1.0, 4.0, 9.0)])
    mixture = Mixture(weights, cov)
    assert reseed(mixture, 0.01, torch.Generator().manual_seed(0)) == 1
    np.testing.assert_allclose(mixture.weights.numpy(), [0.35, 0.3, 0.35], atol=1e-6)
    values = torch.linalg.eigvalsh(mixture.covariances[2])
    assert 0.1 < float(values.min()) < float(values.max()) < 8.0
    assert reseed(mixture, 0.01, torch.Generator().manual_seed(0)) == 0


def test_empty_component_survives_an_iteration():
    stats = Statistics.zeros(2, 3, torch.device("cpu"))
    stats.counts[0], stats.scatter[0] = 10.0, 20 * torch.eye(3, dtype=torch.float64)
    mixture = maximise(stats, 0.5)
    assert torch.isfinite(factorise(mixture).white).all()
    np.testing.assert_allclose(mixture.covariances[0].numpy(), 2.5 * np.eye(3))
    np.testing.assert_allclose(mixture.covariances[1].numpy(), 0.5 * np.eye(3))


def test_covariances_that_are_no_numbers_are_refused():
    cov = torch.full((1, 3, 3), math.nan, dtype=torch.float64)
    with pytest.raises(ValueError, match="positive definite"):
        factorise(Mixture(torch.ones(1, dtype=torch.float64), cov))
