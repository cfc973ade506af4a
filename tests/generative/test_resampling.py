"""Importance resampling draws as the exact completion does, nearly."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import BayesianNetwork, JointTable, MarkovChain, resample_given, resampling
from fastepll.generative.autoregressive.base import Autoregressive

EVERY = np.stack(np.unravel_index(np.arange(16), (2,) * 4), axis=1)
KNOWN = np.array([False, False, True, True])
X = np.array([0, 0, 1, 0])
N = 4000


def network():
    rng = np.random.default_rng(0)
    tables = [rng.dirichlet(np.ones(2), size=(2,) * i) for i in range(4)]
    return BayesianNetwork.from_tables([[], [0], [0, 1], [0, 1, 2]], tables)


def error_of(model, n_proposals):
    """Greatest error of the probabilities of completions."""
    p = np.exp(model.log_prob(EVERY)) * (EVERY[:, KNOWN] == X[KNOWN]).all(1)
    drawn = resample_given(model, np.tile(X, (N, 1)), KNOWN, rng=1, n_proposals=n_proposals)
    assert (drawn[:, KNOWN] == X[KNOWN]).all()
    counts = np.bincount(drawn.astype(int) @ [8, 4, 2, 1], minlength=16)
    return np.abs(counts / N - p / p.sum()).max()


NOISE = 4 * 0.5 / np.sqrt(N)


@pytest.mark.parametrize("together", [1 << 21, 30 * N * 4])
def test_is_exact_in_the_limit(monkeypatch, together):
    monkeypatch.setattr(resampling, "TOGETHER", together)  # in one block, and in blocks of thirty
    assert error_of(network(), 1) > 4 * NOISE
    assert error_of(network(), 100) < NOISE


def test_exact_models_need_one_proposal():
    p = np.exp(network().log_prob(EVERY))
    assert error_of(JointTable((4,), levels=2, table=p), 1) < NOISE


def test_autoregressive_models():
    torch = pytest.importorskip("torch")

    class Linear(Autoregressive):
        """Logistic regression on those before, in the order 2, 0, 3, 1."""

        kind = "linear"
        order = np.array([2, 0, 3, 1])

        def build(self):
            return torch.nn.Linear(4, 4)

        def logits(self, module, x):
            before = torch.zeros(4, 4, dtype=x.dtype)
            for k, i in enumerate(self.order):
                before[i, self.order[:k]] = 1
            return torch.nn.functional.linear(x, module.weight * before, module.bias)

    rng = np.random.default_rng(2)
    model = Linear((4,), weight=3 * rng.standard_normal((4, 4)), bias=rng.standard_normal(4))
    assert np.exp(model.log_prob(EVERY)).sum() == pytest.approx(1, abs=1e-12)
    assert error_of(model, 1) > 3 * NOISE
    assert error_of(model, 100) < NOISE
    with pytest.raises(NotImplementedError, match=r"resample_given"):
        model.sample_given(X[None], KNOWN, rng=0)
    table = model.conditional(np.array([[0.0, 0, 1, 0]]), 0)
    assert table[0, 1] == pytest.approx(
        1 / (1 + np.exp(-model.parameters()["bias"][0] - model.parameters()["weight"][0, 2])),
        rel=1e-6,
    )


def test_refuses():
    chain = MarkovChain.fit([[0, 0], [1, 1]], smoothing=0.0)
    with pytest.raises(ValueError, match=r"no proposal for x\[0\].*n_proposals"):
        resample_given(chain, [[0, 1]], [True, True], rng=0)
    with pytest.raises(ValueError, match="n_proposals must be at least 1"):
        resample_given(chain, [[0, 1]], [True, True], rng=0, n_proposals=0)
