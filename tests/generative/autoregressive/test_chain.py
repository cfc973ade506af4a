"""What FVSBN, NADE and MADE share, by enumeration of all data of a few variables."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import generative
from fastepll.generative import IntractableError
from fastepll.train.descent import Descent

torch = pytest.importorskip("torch")
N = 8
ALL = (np.arange(2**N)[:, None] >> np.arange(N)) & 1
RNG = np.random.default_rng(0)
ORDER = RNG.permutation(N)
H = 5


def fvsbn(order=ORDER, **arrays):
    return generative.FVSBN((N,), order=order, **{"W": normal(N, N), "b": normal(N)} | arrays)


def nade(order=ORDER, **arrays):
    given = {"W": normal(N, H), "V": normal(N, H), "b": normal(N), "c": normal(H)}
    return generative.NADE((N,), order=order, **given | arrays)


def made(order=ORDER, sizes=(7, 6), **arrays):
    given = {"orders": np.reshape(order, (-1, N)), "seed": 0, "direct": normal(N, N)}
    for i, (a, b) in enumerate(zip((N, *sizes), (*sizes, N), strict=True)):
        given |= {f"W{i}": normal(b, a), f"b{i}": normal(b)}
    return generative.MADE((N,), **given | arrays)


def normal(*shape):
    return np.random.default_rng(shape).normal(0, 1.5, shape)


MODELS = {
    "fvsbn": fvsbn(),
    "nade": nade(),
    "made": made(),
    "made-5": made([RNG.permutation(N) for _ in range(5)], (9,)),
}
each = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@each
def test_sums_to_one(model):
    p = np.exp(model.log_prob(ALL))
    assert p.sum() == pytest.approx(1, abs=1e-10)
    assert p.max() < 0.9


@pytest.mark.parametrize("model", list(MODELS.values())[:3], ids=list(MODELS)[:3])
def test_sees_nothing_at_or_after(model):
    logits = model.logits(model.network, torch.from_numpy(ALL.astype(float))).numpy()
    place = np.argsort(ORDER)
    for j in range(N):
        change = np.abs(logits[np.arange(2**N) ^ (1 << j)] - logits).max(0)
        assert change[place <= place[j]].max() < 1e-13
        assert change[place > place[j]].min(initial=1) > 0.01


@each
def test_samples_as_often_as_probable(model):
    n = 20_000
    x = model.sample(n, rng=0)
    p = np.exp(model.log_prob(ALL))
    found = np.bincount((x @ (1 << np.arange(N))).astype(int), minlength=2**N)
    likely = n * p >= 5
    chi2 = np.sum((found - n * p)[likely] ** 2 / (n * p)[likely])
    assert abs(chi2 - likely.sum()) < 4 * np.sqrt(2 * likely.sum())
    assert found[~likely].sum() == pytest.approx(n * p[~likely].sum(), rel=0.2)


@pytest.mark.parametrize("name", ["fvsbn", "nade", "made"])
def test_samples_as_the_whole_network_would(name):
    model = MODELS[name]
    begin, known = 3, np.isin(np.arange(N), ORDER[:3])
    x = RNG.integers(2, size=(50, N))
    uniform, rows = np.random.default_rng(7).random((50, N)), np.where(known, x, 0.0)
    for i in ORDER[begin:]:
        logits = model.logits(model.network, torch.from_numpy(rows)).numpy()
        rows[:, i] = uniform[:, i] < 1 / (1 + np.exp(-logits[:, i]))
    np.testing.assert_array_equal(model.sample_given(x, known, rng=7), rows)
    with pytest.raises(IntractableError, match=r"only what comes last.*resample_given"):
        model.sample_given(x, ~known, rng=7)


SIX = (np.arange(64)[:, None] >> np.arange(6)) & 1


def bayesian_network(x):
    """Probability of data (n, 6): coins, a noisy copy, a noisy disjunction, an exclusive or."""
    one = np.full(x.shape, 0.5)
    one[:, 0] = 0.3
    one[:, 1] = np.where(x[:, 0] == 1, 0.9, 0.2)
    one[:, 3] = 1 - 0.9 * np.prod(1 - 0.8 * x[:, 1:3], axis=1)
    one[:, 4] = np.where(x[:, 1] == x[:, 2], 0.1, 0.9)
    one[:, 5] = np.where(x[:, 3] == 1, 0.6, 0.1)
    return np.where(x == 1, one, 1 - one).prod(1)


@pytest.mark.parametrize(
    ("kind", "options", "least", "most"),
    [
        ("FVSBN", {}, 0.3, 0.32),  # no exclusive or
        ("NADE", {"hidden": 12}, 0, 0.02),
        ("MADE", {"hidden": (24,)}, 0, 0.02),
        ("MADE", {"hidden": (48,), "masks": 4}, 0, 0.08),
    ],
    ids=["fvsbn", "nade", "made", "made-4"],
)
def test_learns_a_bayesian_network(kind, options, least, most):
    p = bayesian_network(SIX)
    x = SIX[np.random.default_rng(1).choice(64, 10_000, p=p)]
    how = Descent(iterations=200, batch=200, learning_rate=0.1, average=0.95)
    model = getattr(generative, kind).fit(x, how=how, **options)
    above_entropy = np.sum(p * (np.log(p) - model.log_prob(SIX)))
    assert least <= above_entropy < most


@each
def test_comes_back_from_its_file(model, tmp_path):
    model.save(tmp_path / "model.npz")
    read = generative.load(tmp_path / "model.npz")
    assert (type(read), read.n_parameters) == (type(model), model.n_parameters)
    np.testing.assert_array_equal(read.log_prob(ALL), model.log_prob(ALL))


def test_counts_its_parameters():
    assert MODELS["fvsbn"].n_parameters == N + N * (N - 1) // 2
    assert MODELS["nade"].n_parameters == N + H + 2 * N * H
    first, second, last, direct = (int(mask.sum()) for mask in MODELS["made"].masks(0))
    assert direct == N * (N - 1) // 2
    assert MODELS["made"].n_parameters == 7 + 6 + N + first + second + last + direct


@pytest.mark.parametrize("make", [fvsbn, nade, made])
@pytest.mark.parametrize("order", [np.zeros(N), np.arange(N) + 1, np.arange(N) + 0.5])
def test_refuses_orders(make, order):
    with pytest.raises((TypeError, ValueError), match="order must"):
        make(order)


@pytest.mark.parametrize(
    ("make", "arrays", "told"),
    [
        (fvsbn, {"W": np.zeros((N, 3))}, r"W must have shape \(8, 8\), got \(8, 3\)"),
        (fvsbn, {"U": np.zeros(N)}, "arrays must be"),
        (nade, {"W": np.zeros((H, N))}, r"W must have shape \(8, h\), got \(5, 8\)"),
        (nade, {"V": np.zeros((N, H + 1))}, "V must hold numbers"),
        (nade, {"b": np.full(N, np.nan)}, "b must be finite"),
        (made, {"orders": np.arange(N)}, r"orders must have shape \(m, 8\), got \(8,\)"),
        (made, {"orders": np.zeros((0, N))}, "orders must be at least one"),
        (made, {"seed": 0.5}, "seed must be an integer"),
        (made, {"seed": [1, 2]}, "seed must be an integer"),
        (made, {"W1": np.zeros((6, 4))}, r"W1 must have shape \(outputs, 7\), got \(6, 4\)"),
        (made, {"W2": np.zeros((0, 6))}, r"W2 must have shape \(outputs, 6\), got \(0, 6\)"),
        (made, {"W2": np.zeros((5, 6))}, "must lead from 8 values to 8"),
        (made, {"direct": np.zeros(N)}, r"direct must have shape \(8, 8\)"),
    ],
)
def test_refuses_arrays(make, arrays, told):
    with pytest.raises(ValueError, match=told):
        make(**arrays)


def test_refuses_data_and_sizes():
    with pytest.raises(ValueError, match="x must hold 0 and 1 alone"):
        generative.NADE.fit(np.full((4, 3), 0.5))
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\)"):
        generative.FVSBN.fit(np.zeros(3))
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        generative.NADE.fit(np.zeros((4, 3)), hidden=0)
    for options in ({"hidden": ()}, {"hidden": (0,)}, {"masks": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            generative.MADE.fit(np.zeros((4, 3)), **options)
    with pytest.raises(IntractableError, match="FVSBN has no representation"):
        MODELS["fvsbn"].represent(ALL)
