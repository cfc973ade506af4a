"""The loop that trains networks: exact resumption, the choice of parameters, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.train.descend import descend
from fastepll.train.descent import Descent, Run

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
ROWS = torch.from_numpy(RNG.standard_normal((64, 3)) + 2).float()
HOW = Descent(iterations=40, batch=16, learning_rate=0.1, every=10, average=0.9, seed=3)


class Mean(torch.nn.Module):
    """A Gaussian of unit variance."""

    def __init__(self) -> None:
        super().__init__()
        self.m = torch.nn.Parameter(torch.zeros(3))


def squares(module):
    """Half of squared distances, to rows with a little noise of their own."""

    def loss(rows, generator):
        noise = 0.1 * torch.randn(rows.shape, generator=generator)
        return (rows + noise - module.m).square().sum(1) / 2

    return loss


def run(how=HOW, **options) -> Run:
    module = Mean()
    return descend(module, ROWS, squares(module), how, **options)


def test_reaches_the_mean():
    done = run(Descent(iterations=400, batch=64, learning_rate=0.1, every=100))
    np.testing.assert_allclose(done.module.m.detach(), ROWS.mean(0), atol=0.02)
    assert [row[0] for row in done.history] == [100, 200, 300, 400]
    assert done.history[-1][1] == pytest.approx(float(ROWS.var(0, correction=0).sum()) / 2, abs=0.1)


class Stopped(Exception):
    """What interrupts a run."""


@pytest.mark.parametrize("data", [ROWS, lambda rng, n: ROWS[torch.from_numpy(rng.choice(64, n))]])
def test_goes_on_bit_for_bit(tmp_path, data):
    def after(k):
        def progress(now):
            if now.i == k:
                raise Stopped

        return progress

    def once(**options):
        module = Mean()
        return descend(module, data, squares(module), HOW, held_out=ROWS[:8], **options)

    whole, path = once(), tmp_path / "run.npz"
    for k in (7, 23):
        with pytest.raises(Stopped):
            once(checkpoint=path, checkpoint_seconds=0, progress=after(k))
    rest = once(checkpoint=path)
    assert rest.history == whole.history
    assert torch.equal(rest.module.m, whole.module.m)
    assert once(checkpoint=path).history == whole.history  # nothing is left to do


def test_tells_each_step_before_it_is_made(tmp_path):
    def at(seen, iterations):
        how = Descent(iterations=iterations, batch=16, learning_rate=0.1)
        run(how, before=seen.append, checkpoint=tmp_path / f"{iterations}.npz")
        return seen

    assert at([], 3) == [0, 1, 2]
    assert at([], 3) == []  # gone on from its end


def test_keeps_the_best_parameters():
    where = torch.full((1, 3), 0.5)
    done = run(Descent(iterations=60, batch=64, learning_rate=0.1, every=1), held_out=where)
    best = min(done.history, key=lambda row: row[2])
    assert 1 < best[0] < 20
    np.testing.assert_allclose(done.module.m.detach(), 0.5, atol=0.12)


def test_refuses_checkpoints_of_others(tmp_path):
    path = tmp_path / "run.npz"
    run(checkpoint=path)
    with pytest.raises(ValueError, match=r"run\.npz.*its batch is 16.*not 8"):
        run(Descent(iterations=40, batch=8), checkpoint=path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match=r"run\.npz"):
        run(checkpoint=path)


def test_refuses_nonsense():
    nan = float("nan")
    for options in (
        {"iterations": 0},
        {"warmup": -1},
        {"learning_rate": -1.0},
        {"average": 1.0},
        {"clip": nan},
        {"weight_decay": nan},
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            Descent(**options)
    module = Mean()
    with pytest.raises(FloatingPointError, match="step 0"):
        descend(module, ROWS, lambda rows, g: module.m.sum() * torch.nan, HOW)
