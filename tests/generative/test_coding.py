"""The arithmetic coder: lossless, as short as the model says, and safe on any bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastepll.generative import (
    BayesianNetwork,
    Independent,
    JointTable,
    MarkovChain,
    NaiveBayes,
)
from fastepll.generative.coding import TOTAL, _edges, decode, encode
from fastepll.generative.divergence import kl_divergence

RNG = np.random.default_rng(0)
LEVELS = (2, 5, 3)
EVERY = np.stack(np.unravel_index(np.arange(30), LEVELS), axis=1)
TABLE = RNG.dirichlet(np.full(30, 0.2))
TRUTH = JointTable((3,), levels=LEVELS, table=TABLE)
X = TRUTH.sample(3000, rng=1)
WRONG = Independent.fit(X, levels=LEVELS)
MODELS = [
    TRUTH,
    WRONG,
    MarkovChain.fit(X, levels=LEVELS, order=[2, 0, 1]),
    BayesianNetwork.fit(X, [[1, 2], [], [1]], levels=LEVELS),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
@pytest.mark.parametrize("n", [0, 1, 2, 3000])
def test_is_lossless_and_as_short_as_the_model_says(model, n):
    code = encode(model, X[:n])
    np.testing.assert_array_equal(decode(model, code, n), X[:n])
    bits = -model.log_prob(X[:n]).sum() / np.log(2)
    rounding = 3 * n * np.log2(1 + 5 / TOTAL / 1e-4)  # of probabilities of 1e-4
    assert bits - rounding - 8 < 8 * len(code) < bits + rounding + 10


def test_images_and_mixtures():
    x = (RNG.random((50, 4)) < 0.3).astype(float)
    model = NaiveBayes.fit(x.reshape(50, 2, 2), np.arange(50) % 2)
    np.testing.assert_array_equal(decode(model, encode(model, x.reshape(50, 2, 2)), 50), x)


def test_extra_bits_are_the_divergence():
    """Of the data's own frequencies from the wrong model, against a model that has them."""
    right = JointTable.fit(X, levels=LEVELS, smoothing=0.0)
    extra = 8 * (len(encode(WRONG, X)) - len(encode(right, X))) / len(X)
    expected = kl_divergence(right.table, np.exp(WRONG.log_prob(EVERY))) / np.log(2)
    assert expected > 0.5
    assert extra == pytest.approx(expected, abs=20 / len(X))


def test_what_the_model_excludes_is_coded_all_the_same():
    never = Independent((1,), levels=3, tables=[1.0, 0.0, 0.0])
    x = np.array([[0], [2], [0], [1]])
    np.testing.assert_array_equal(decode(never, encode(never, x), 4), x)
    assert 48 <= 8 * len(encode(never, x)) <= 56  # 24 bits each of the two
    assert len(encode(never, np.zeros((10_000, 1)))) == 1


def test_parts_of_values():
    p = np.array([[0.5, 0.5, 0.0], [1e-30, 1.0, 1e-30], [0.0, 0.0, 1.0]])
    edges = _edges(p)
    assert (np.diff(edges) >= 1).all()
    assert (edges[:, 0] == 0).all()
    assert (edges[:, -1] == TOTAL).all()
    np.testing.assert_allclose(np.diff(edges) / TOTAL, p, atol=4 / TOTAL)


@settings(max_examples=50)
@given(st.binary(max_size=64), st.integers(0, 20))
def test_any_bytes_are_data_or_an_error(code, n):
    for model in MODELS[:3]:
        try:
            rows = decode(model, code, n)
        except ValueError:
            continue
        assert rows.shape == (n, 3)
        assert ((rows >= 0) & (rows < LEVELS)).all()
        np.testing.assert_array_equal(decode(model, encode(model, rows), n), rows)


def test_damage_is_an_error_or_other_data():
    code = encode(TRUTH, X[:100])
    with pytest.raises(ValueError, match=f"code must have .* bytes.*got {len(code) + 1}"):
        decode(TRUTH, code + b"\0", 100)
    with pytest.raises(ValueError, match="bytes for these data"):
        decode(TRUTH, b"", 100)
    for k in range(len(code)):
        damaged = bytearray(code)
        damaged[k] ^= 0x55
        try:
            assert decode(TRUTH, damaged, 100).shape == (100, 3)
        except ValueError:
            continue


def test_refuses():
    class Other:
        pass

    with pytest.raises(TypeError, match="Other has no exact conditionals"):
        encode(Other(), X)
    with pytest.raises(TypeError, match="code must be bytes, got str"):
        decode(TRUTH, "abc", 1)
    with pytest.raises(ValueError, match="n must not be negative"):
        decode(TRUTH, b"", -1)
    with pytest.raises(ValueError, match=r"x\[0, 0\] must be an integer from 0 to 1"):
        encode(TRUTH, [[7, 0, 0]])


def test_autoregressive_models():
    torch = pytest.importorskip("torch")
    from fastepll.generative.autoregressive.base import Autoregressive

    class Linear(Autoregressive):
        """Logistic regression on those before."""

        kind = "linear"

        def build(self):
            return torch.nn.Linear(6, 6)

        def logits(self, module, x):
            return torch.nn.functional.linear(x, module.weight.tril(-1), module.bias)

    model = Linear((6,), weight=2 * RNG.standard_normal((6, 6)), bias=RNG.standard_normal(6))
    x = model.sample(500, rng=0)
    code = encode(model, x)
    np.testing.assert_array_equal(decode(model, code, 500), x)
    assert 8 * len(code) == pytest.approx(-model.log_prob(x).sum() / np.log(2), abs=12)
