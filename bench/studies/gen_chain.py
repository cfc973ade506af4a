"""Chain-rule models of the binarised digits: how each is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from digits import SEED, digits

from fastepll.generative import FVSBN, MADE, NADE
from fastepll.train.descent import Descent, Run

SHAPE = (28, 28)
HOW = Descent(iterations=30_000, batch=100, learning_rate=1e-3, average=0.999, every=1000)
Progress = Callable[[Run], None] | None


def fitted(
    kind: Any, how: Descent, checkpoint: Path | None, progress: Progress, **options: Any
) -> Any:
    """Fit to the training digits, choose by the held-out ones, and note of what it is made."""
    train, held_out, _ = digits()
    model = kind.fit(
        train,
        shape=SHAPE,
        how=how,
        held_out=held_out,
        checkpoint=checkpoint,
        progress=progress,
        **options,
    )
    told = {
        "data": f"MNIST, binarised once with seed {SEED}; the first 50 000 of its training set",
        "command": f"{kind.__name__}.fit(…, {options}, {how})",
    }
    return kind(SHAPE, {**model.metadata, **told}, **model.parameters())


def fvsbn(checkpoint: Path | None = None, progress: Progress = None) -> FVSBN:
    """Logistic regressions."""
    how = Descent(iterations=2000, batch=200, learning_rate=1e-2, average=0.999, every=250)
    model: FVSBN = fitted(FVSBN, how, checkpoint, progress)
    return model


def nade(checkpoint: Path | None = None, progress: Progress = None) -> NADE:
    """500 hidden units, as published: 27 minutes on one core."""
    model: NADE = fitted(NADE, HOW, checkpoint, progress, hidden=500)
    return model


def made_1(checkpoint: Path | None = None, progress: Progress = None) -> MADE:
    """One order, one layer of 2000 units: 23 minutes on one core."""
    model: MADE = fitted(MADE, HOW, checkpoint, progress, hidden=(2000,))
    return model


def made_32(checkpoint: Path | None = None, progress: Progress = None) -> MADE:
    """One order, 32 masks, each of a quarter of 8000 units: 20 minutes on two cores."""
    how = replace(HOW, iterations=14_000, batch=200, learning_rate=1.5e-3, every=2000)
    options: dict[str, Any] = {
        "hidden": (8000,),
        "order": range(784),
        "masks": 32,
        "share": 0.25,
        "dropout": 0.35,
    }
    model: MADE = fitted(MADE, how, checkpoint, progress, **options)
    return model


RECIPES: dict[str, Callable[..., Any]] = {
    "fvsbn": fvsbn,
    "nade": nade,
    "made-1": made_1,
    "made-32": made_32,
}
