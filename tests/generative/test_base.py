"""What all generative models check, by one that is as small as can be."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import numpy as np
import pytest

from fastepll import generative
from fastepll.generative import GenerativeModel, IntractableError, LowerBound


class Coins(GenerativeModel):
    """Independent coins of one probability."""

    kind: ClassVar[str] = "coins"
    domain: ClassVar = "binary"

    def __init__(self, shape, metadata=None, *, p) -> None:
        super().__init__(shape, metadata)
        self.p = float(p)

    n_parameters = 1

    def parameters(self):
        return {"p": np.array(self.p)}

    def _log_prob(self, x, rng):
        k = x.sum(1)
        return k * np.log(self.p) + (self.d - k) * np.log1p(-self.p)

    def _sample(self, n, rng):
        return (rng.random((n, self.d)) < self.p).astype(float)


COINS = Coins((2, 3), {"seed": 1}, p=0.25)


def test_rows_may_have_the_shape_of_a_datum():
    x = COINS.sample(5, rng=0)
    assert x.shape == (5, 6)
    np.testing.assert_array_equal(COINS.log_prob(x.reshape(5, 2, 3)), COINS.log_prob(x))
    np.testing.assert_array_equal(COINS.log_prob(x == 1), COINS.log_prob(x))
    assert COINS.log_prob(np.zeros((1, 6)))[0] == pytest.approx(6 * np.log(0.75), rel=1e-15)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.full((2, 6), 0.5), "x must hold 0 and 1 alone, got 0.5"),
        (np.full((2, 6), np.nan), "x must be finite"),
        (np.zeros((2, 5)), r"x must have shape \(n, 6\) or \(n, 2, 3\), got \(2, 5\)"),
        (np.zeros(6), r"x must have shape \(n, 6\)"),
    ],
)
def test_refuses_data_of_another_domain(x, told):
    with pytest.raises(ValueError, match=told):
        COINS.log_prob(x)


def test_says_what_it_cannot_tell():
    with pytest.raises(IntractableError, match="Coins cannot complete"):
        COINS.sample_given(np.zeros((1, 6)), np.arange(6) < 3, rng=0)
    with pytest.raises(IntractableError, match="no representation"):
        COINS.represent(np.zeros((1, 6)))
    with pytest.raises(TypeError, match="known must be boolean"):
        COINS.sample_given(np.zeros((1, 6)), np.arange(6), rng=0)
    with pytest.raises(ValueError, match="known must have shape"):
        COINS.sample_given(np.zeros((1, 6)), np.arange(5) < 2, rng=0)


@pytest.mark.parametrize("shape", [(), (0,), (1 << 17,)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="shape must be of 1 to"):
        Coins(shape, p=0.5)


def test_round_trips(tmp_path, monkeypatch):
    monkeypatch.setitem(generative.KINDS, "coins", "coins:Coins")
    monkeypatch.setattr(generative, "__getattr__", {"Coins": Coins}.__getitem__)
    COINS.save(tmp_path / "coins.npz")
    for read in (
        generative.load(tmp_path / "coins.npz"),
        pickle.loads(pickle.dumps(COINS)),
        copy.copy(COINS),
    ):
        assert (read.shape, read.p, dict(read.metadata)) == ((2, 3), 0.25, {"seed": 1})
    monkeypatch.delitem(generative.KINDS, "coins")
    with pytest.raises(ValueError, match=r"coins\.npz.*its kind must be one of"):
        generative.load(tmp_path / "coins.npz")


def test_a_bound_is_not_taken_for_an_exact_value():
    bound = LowerBound(np.array([-2.0, -4.0]), np.array([0.3, 0.4]), "a test")
    assert (bound.mean, bound.mean_error, len(bound)) == (-3.0, 0.25, 2)
    assert repr(bound) == "LowerBound(-3.00 ± 0.25 nats, a test)"
    for use in (np.asarray, np.sum, lambda b: np.zeros(2) + b):
        with pytest.raises(TypeError, match=r"a lower bound of log p \(a test\)"):
            use(bound)
