"""The Kullback-Leibler divergence, exactly and by samples."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import Independent, JointTable, LowerBound, MarkovChain
from fastepll.generative.divergence import Estimate, kl_divergence, kl_estimate
from fastepll.priors import Gaussian, MiniDeadLeaves

RNG = np.random.default_rng(0)
EVERY = np.stack(np.unravel_index(np.arange(16), (2,) * 4), axis=1)


def test_is_the_sum():
    p, q = RNG.dirichlet(np.ones(12), 2).reshape(2, 3, 4)
    assert kl_divergence(p, q) == pytest.approx((p * np.log(p / q)).sum(), rel=1e-13)
    assert kl_divergence([0.5, 0.5, 0], [0.25, 0.25, 0.5]) == pytest.approx(np.log(2), rel=1e-15)
    assert kl_divergence([1.0, 0.0], [1e-30, 1.0]) == pytest.approx(30 * np.log(10), rel=1e-14)


def test_is_zero_for_equal_tables_alone():
    for p in RNG.dirichlet(np.ones(7), 50):
        assert kl_divergence(p, p) == 0
        for size in (1e-3, 1e-6, 1e-9):
            move = size * min(p[:2])
            expected = move**2 * (1 / p[0] + 1 / p[1]) / 2  # to the second order
            q = p + move * np.array([1, -1, 0, 0, 0, 0, 0])
            assert kl_divergence(p, q) == pytest.approx(expected, rel=0.01)
    p = np.full(4, 0.25)
    q = np.array([np.nextafter(0.25, 1), 0.25, 0.25, 0.25])
    assert kl_divergence(p, q) > 0


def test_is_infinite_where_q_excludes_what_p_has():
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))


def test_is_not_symmetric():
    p, q = [0.5, 0.5], [0.9, 0.1]
    assert kl_divergence(p, q) == pytest.approx(np.log(5 / 3), rel=1e-14)
    assert kl_divergence(q, p) == pytest.approx(0.9 * np.log(1.8) + 0.1 * np.log(0.2), rel=1e-14)


@pytest.mark.parametrize(
    ("p", "q", "told"),
    [
        ([0.5, 0.6], [0.5, 0.5], "p must be at least 0 and sum to 1"),
        ([0.5, 0.5], [1.5, -0.5], "q must be at least 0 and sum to 1"),
        ([0.5, 0.5], [1.0], "p and q must have one shape"),
        ([np.nan, 1.0], [0.5, 0.5], "p must be finite"),
        ([], [], "p must be"),
    ],
)
def test_refuses(p, q, told):
    with pytest.raises(ValueError, match=told):
        kl_divergence(p, q)


def test_estimate_of_tables():
    p = JointTable((4,), levels=2, table=RNG.dirichlet(np.ones(16)))
    q = MarkovChain.fit(p.sample(1000, rng=1), levels=2)
    exact = kl_divergence(p.table, np.exp(q.log_prob(EVERY)))
    mean, error = kl_estimate(p, q, 20_000, rng=2)
    assert abs(mean - exact) < 4 * error
    variance = p.table @ (np.log(p.table) - q.log_prob(EVERY) - exact) ** 2
    assert error == pytest.approx(np.sqrt(variance / 20_000), rel=0.05)
    assert kl_estimate(p, p, 100, rng=0) == (0, 0)


def test_least_divergence_is_greatest_likelihood():
    """Of all models of a family the fitted one is nearest to the frequencies of the data."""
    x = EVERY[RNG.choice(16, 200, p=RNG.dirichlet(np.ones(16)))]
    frequencies = JointTable.fit(x, levels=2, smoothing=0.0).table
    best = MarkovChain.fit(x, levels=2, smoothing=0.0)
    least = kl_divergence(frequencies, np.exp(best.log_prob(EVERY)))
    entropy = -(frequencies[frequencies > 0] * np.log(frequencies[frequencies > 0])).sum()
    assert least == pytest.approx(-best.log_prob(x).mean() - entropy, rel=1e-12)
    for seed in range(20):
        noise = np.random.default_rng(seed).uniform(0.8, 1.2, best.tables.size)
        rows = (best.tables * noise).reshape(-1, 2)
        tables = (rows / rows.sum(1, keepdims=True)).ravel()
        near = MarkovChain((4,), **{**best.parameters(), "tables": tables})
        assert kl_divergence(frequencies, np.exp(near.log_prob(EVERY))) > least


def test_estimate_of_patch_priors():
    """Of the exact mini dead leaves, the Gaussian of its covariance is the nearest Gaussian."""
    rng = np.random.default_rng(0)
    level, contrast = rng.random((2000, 1)), 0.1 * rng.exponential(size=(2000, 1))
    patches = level + contrast * rng.standard_normal((2000, 4))
    leaves = MiniDeadLeaves.fit(patches, patch_shape=(2, 2), n_scales=3, p_edge=0.5)
    x = leaves.sample(50_000, 1)
    near = Gaussian.fit(x, patch_shape=(2, 2))
    wide = Gaussian.fit(1.5 * x, patch_shape=(2, 2))
    first, second = (kl_estimate(leaves, q, 20_000, rng=3) for q in (near, wide))
    assert 0 < 5 * first.error < first.mean < second.mean - 5 * second.error
    # Cross-entropies of a Gaussian with covariances C and 2.25 C: log det / 2 and trace / 2.
    assert second.mean - first.mean == pytest.approx(
        3 * (np.log(2.25) + 1 / 2.25 - 1) / 2, abs=0.05
    )


def test_estimate_of_what_excludes_samples_and_of_bounds():
    p, q = (Independent((1,), levels=2, tables=t) for t in ([0.5, 0.5], [1.0, 0.0]))
    assert kl_estimate(p, q, 100, rng=0) == Estimate(np.inf, 0.0)
    with pytest.raises(ValueError, match="n must be at least 2"):
        kl_estimate(p, q, 1, rng=0)

    class Bounded:
        def log_prob(self, x):
            return LowerBound(np.zeros(len(x)), np.zeros(len(x)), "a test")

    with pytest.raises(TypeError, match="a lower bound of log p"):
        kl_estimate(p, Bounded(), 100, rng=0)
