"""MADE's masks: what they let through, the mean over them, completion in an order made for it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fastepll.generative import MADE
from fastepll.train.descent import Descent

torch = pytest.importorskip("torch")
D, M = 7, 3
ALL = (np.arange(2**D)[:, None] >> np.arange(D)) & 1
RNG = np.random.default_rng(0)
ORDERS = np.stack([RNG.permutation(D) for _ in range(M)])
SIZES = (D, 20, 15, D)
ARRAYS = {f"W{i}": RNG.standard_normal((b, a)) for i, (a, b) in enumerate(pairwise(SIZES))}
ARRAYS |= {f"b{i}": RNG.standard_normal(b) for i, b in enumerate(SIZES[1:])}
MODEL = MADE((D,), orders=ORDERS, seed=5, **ARRAYS)


SHARED = MADE((D,), orders=ORDERS, seed=5, share=0.6, **ARRAYS)
both = pytest.mark.parametrize("model", [MODEL, SHARED], ids=["all units", "a share"])


@both
@pytest.mark.parametrize("k", range(M))
def test_output_depends_on_nothing_at_or_after(model, k):
    x = torch.from_numpy(RNG.standard_normal(D))
    jacobian = torch.autograd.functional.jacobian(
        lambda one: model.logits(model.network, one[None], k)[0], x
    ).numpy()
    place = np.argsort(ORDERS[k])
    before = place < place[:, None]
    assert (jacobian[~before] == 0).all()
    assert (jacobian[before] != 0).mean() > 0.75


@both
def test_is_the_mean_over_its_masks(model):
    share = model.parameters()["share"]
    p = [
        np.exp(MADE((D,), orders=ORDERS[:1], seed=5, share=share, **ARRAYS).log_prob(ALL)),
        *(
            np.exp(-model.loss_under(model.network, torch.from_numpy(ALL).double(), k).numpy())
            for k in (1, 2)
        ),
    ]
    assert min(np.abs(p[i] - p[i - 1]).max() for i in range(M)) > 0.01
    np.testing.assert_allclose(np.exp(model.log_prob(ALL)), np.mean(p, axis=0), rtol=1e-12)
    assert np.exp(model.log_prob(ALL)).sum() == pytest.approx(1, abs=1e-12)


def test_a_share_of_the_units_is_that_of_a_smaller_network():
    """The units that a mask lets through, alone; which degrees they have does not depend on it."""
    for k in range(M):
        first, second = SHARED.units(k)
        assert (len(first), len(second)) == (12, 9)
        small = {"W0": ARRAYS["W0"][first], "b0": ARRAYS["b0"][first]}
        small |= {"W1": ARRAYS["W1"][np.ix_(second, first)], "b1": ARRAYS["b1"][second]}
        small |= {"W2": ARRAYS["W2"][:, second], "b2": ARRAYS["b2"]}
        h = ALL.astype(float)
        for i, mask in enumerate(SHARED.masks(k)):
            W, b = (np.float32(small[f"{name}{i}"]).astype(float) for name in "Wb")
            h = h @ (W * mask.numpy()).T + b
            h = np.maximum(h, 0) if i < 2 else h
        found = SHARED.logits(SHARED.network, torch.from_numpy(ALL).double(), k)
        np.testing.assert_allclose(found.numpy(), h, atol=1e-12)
    same = MADE((D,), orders=ORDERS[:1].repeat(2, axis=0), seed=5, share=0.6, **ARRAYS)
    common = [np.isin(a, b) for a, b in zip(same.units(0), same.units(1), strict=True)]
    back = [np.isin(b, a) for a, b in zip(same.units(0), same.units(1), strict=True)]
    assert 0 < common[0].sum() < 12
    one, other = (same.masks(k)[0].numpy() for k in (0, 1))
    np.testing.assert_array_equal(one[common[0]], other[back[0]])


def test_weights_that_no_mask_lets_through_are_not_counted():
    used = [np.zeros(ARRAYS[f"W{i}"].shape, bool) for i in range(3)]
    for k in range(M):
        ends = [np.arange(D), *SHARED.units(k), np.arange(D)]
        for i, mask in enumerate(SHARED.masks(k)):
            for row, unit in enumerate(ends[i + 1]):
                used[i][unit, ends[i][mask[row].numpy()]] = True
    assert SHARED.n_parameters == sum(one.sum() for one in used) + sum(SIZES[1:])
    assert SHARED.n_parameters < MODEL.n_parameters


@pytest.mark.parametrize("share", [0, -0.5, 1.5, np.nan, [0.5, 0.5]])
def test_share_is_checked(share):
    with pytest.raises(ValueError, match="share must be above 0 to 1"):
        MADE((D,), orders=ORDERS, seed=5, share=share, **ARRAYS)


def test_dropout_is_of_the_training_alone():
    """Nothing is left out where held-out rows are looked at: their loss is the model's own."""
    x = RNG.integers(2, size=(200, 6))
    how = Descent(iterations=20, batch=50, learning_rate=0.01, every=20)
    options = {"hidden": (30,), "masks": 4, "share": 0.5, "how": how, "held_out": x}
    runs = []
    models = [
        MADE.fit(x, dropout=part, progress=runs.append, **options) for part in (0.0, 0.0, 0.5)
    ]
    weights = [model.parameters()["W0"] for model in models]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-3
    assert runs[-1].history[-1][2] == pytest.approx(-models[2].log_prob(x).mean(), rel=1e-5)
    with pytest.raises(ValueError, match="dropout must be in"):
        MADE.fit(x, dropout=1.0, **options)


def test_masks_follow_from_the_seed():
    again = MADE((D,), orders=ORDERS, seed=5.0, **ARRAYS).masks(1)
    other = MADE((D,), orders=ORDERS, seed=6, **ARRAYS).masks(1)
    assert all(torch.equal(a, b) for a, b in zip(MODEL.masks(1), again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(MODEL.masks(1), other, strict=True))


def test_completes_what_is_known_anywhere():
    """Frequencies against the mean of conditionals of the networks in orders known-first."""
    known = np.isin(np.arange(D), [1, 4, 5])
    datum, n = ALL[0b0110010], 20_000
    found = MODEL.sample_given(np.repeat(datum[None], n, axis=0), known, rng=0)
    assert (found[:, known] == datum[known]).all()
    fits = (ALL[:, known] == datum[known]).all(1)
    wanted = np.zeros(2**D)
    for k, order in enumerate(ORDERS):
        first = known[order]
        known_first = np.concatenate([order[first], order[~first]])
        rows = torch.from_numpy(ALL).double()
        logits = MODEL.logits(MODEL.network, rows, k, known_first).numpy()
        each = 1 / (1 + np.exp(np.where(ALL == 1, -logits, logits)))
        p = each.prod(1) * fits
        assert p[fits].sum() == pytest.approx(each[fits][0][known].prod(), rel=1e-12)
        wanted += p / p.sum() / M
    often = np.bincount(found.astype(int) @ (1 << np.arange(D)), minlength=2**D)
    error = (often - n * wanted)[fits] / np.sqrt(n * wanted[fits])
    assert np.abs(error).max() < 4


def test_represents_by_the_mean_hidden_layer():
    def layer(k):
        h = ALL.astype(float)
        for i, mask in enumerate(MODEL.masks(k)[:2]):
            W, b = (np.float32(ARRAYS[f"{name}{i}"]).astype(float) for name in "Wb")
            h = np.maximum(h @ (W * mask.numpy()).T + b, 0)
        return h

    wanted = np.mean([layer(k) for k in range(M)], axis=0)
    np.testing.assert_allclose(MODEL.represent(ALL), wanted, atol=1e-13)


def test_fits_orders_of_all_forms():
    how = Descent(iterations=2, batch=4)
    x = RNG.integers(2, size=(20, 2, 3))
    drawn = MADE.fit(x, hidden=(4,), masks=3, how=how)
    assert drawn.shape == (2, 3)
    assert len(np.unique(drawn.orders, axis=0)) == 3
    same = MADE.fit(x, hidden=(4,), masks=3, order=np.arange(6)[::-1], how=how)
    np.testing.assert_array_equal(same.orders, [np.arange(6)[::-1]] * 3)
    with pytest.raises(ValueError, match="order must"):
        MADE.fit(x, hidden=(4,), order=np.zeros(6, int), how=how)


def test_goes_on_with_the_masks_it_would_have_had(tmp_path):
    def stop(run):
        if run.i == 5:
            raise InterruptedError

    x, path = RNG.integers(2, size=(40, 4)), tmp_path / "run.npz"
    options = {"hidden": (6,), "masks": 4, "how": Descent(iterations=12, batch=8)}
    whole = MADE.fit(x, **options)
    with pytest.raises(InterruptedError):
        MADE.fit(x, checkpoint=path, progress=stop, **options)
    MADE.fit(x, checkpoint=path, **options)
    rest = MADE.fit(x, checkpoint=path, **options)
    np.testing.assert_array_equal(rest.parameters()["W0"], whole.parameters()["W0"])
