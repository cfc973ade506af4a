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


@pytest.mark.parametrize("k", range(M))
def test_output_depends_on_nothing_at_or_after(k):
    x = torch.from_numpy(RNG.standard_normal(D))
    masks = MODEL.masks(k)
    jacobian = torch.autograd.functional.jacobian(
        lambda one: MODEL.logits(MODEL.network, one[None], masks)[0], x
    ).numpy()
    place = np.argsort(ORDERS[k])
    before = place < place[:, None]
    assert (jacobian[~before] == 0).all()
    assert (jacobian[before] != 0).mean() > 0.8


def test_is_the_mean_over_its_masks():
    p = [
        np.exp(MADE((D,), orders=ORDERS[:1], seed=5, **ARRAYS).log_prob(ALL)),
        *(
            np.exp(-MODEL.loss_under(MODEL.network, torch.from_numpy(ALL).double(), k).numpy())
            for k in (1, 2)
        ),
    ]
    assert min(np.abs(p[i] - p[i - 1]).max() for i in range(M)) > 0.01
    np.testing.assert_allclose(np.exp(MODEL.log_prob(ALL)), np.mean(p, axis=0), rtol=1e-12)


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
        masks = MODEL.masks(k, np.concatenate([order[first], order[~first]]))
        logits = MODEL.logits(MODEL.network, torch.from_numpy(ALL).double(), masks).numpy()
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
