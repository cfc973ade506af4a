"""Autoregressive priors of patches: how they are trained.

All are trained on bsds300/train, less a few images that choose the parameters kept: patches drawn
anew for each step, dequantised, mirrored and transposed at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from measures import SHAPE, data_dir
from numpy.typing import NDArray

from fastepll import priors
from fastepll.priors import Prior
from fastepll.train.descent import Descent, Run
from fastepll.train.fresh_patches import FreshPatches
from fastepll.train.patches import list_images, split_images, stream_patches

Progress = Callable[[Run], None] | None
HELD_OUT_IMAGES, HELD_OUT = 10, 10_000


@cache
def sources() -> tuple[FreshPatches, NDArray[np.float32]]:
    """What draws patches of most training images, and patches of the others."""
    paths = list_images(data_dir() / "bsds300" / "train")
    train, held_out = split_images(paths, HELD_OUT_IMAGES, seed=0)
    rows = np.concatenate(list(stream_patches(held_out, SHAPE, HELD_OUT, seed=0)))
    return FreshPatches(train, SHAPE), rows


def fitted(kind: str, checkpoint: Path | None, progress: Progress, **options: Any) -> Any:
    """A prior of that kind."""
    draw, held_out = sources()
    prior = getattr(priors, priors.KINDS[kind]).fit(
        draw,
        patch_shape=SHAPE,
        held_out=held_out,
        checkpoint=checkpoint,
        progress=progress,
        **options,
    )
    told = {
        "data": f"bsds300/train less {HELD_OUT_IMAGES} images",
        "options": {name: value for name, value in options.items() if name != "how"},
        "command": "python bench/studies/generative.py --train",
    }
    return type(prior)(SHAPE, {**prior.metadata, **told}, **prior.parameters())


HOW = Descent(
    iterations=40_000, batch=256, learning_rate=4e-3, warmup=100, average=0.999, every=1000, seed=0
)
LONG = replace(HOW, iterations=20_000, batch=512, learning_rate=3e-3, warmup=500, clip=50)
BRIEF = replace(HOW, iterations=12_000)


def rnade(checkpoint: Path | None = None, progress: Progress = None, how: Descent = BRIEF) -> Prior:
    return fitted("rnade", checkpoint, progress, how=how, hidden=256, n_mixture=6)


def rnade_t(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = BRIEF
) -> Prior:
    return fitted(
        "rnade", checkpoint, progress, how=how, hidden=256, n_mixture=4, components="student-t"
    )


def made_mog(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = HOW
) -> Prior:
    return fitted("made-mog", checkpoint, progress, how=how, hidden=512, depth=2, n_mixture=6)


def made_mog_wide(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = LONG
) -> Prior:
    """Six times as many weights, products in bfloat16: 43 minutes on one core."""
    options: dict[str, Any] = {"hidden": 1024, "depth": 4, "n_mixture": 10, "halved": True}
    return fitted("made-mog", checkpoint, progress, how=how, **options)


def maf(checkpoint: Path | None = None, progress: Progress = None, how: Descent = HOW) -> Prior:
    return fitted("maf", checkpoint, progress, how=how, n_layers=6, hidden=256, depth=2)


RECIPES = {
    "rnade": rnade,
    "rnade-t": rnade_t,
    "made-mog": made_mog,
    "made-mog-wide": made_mog_wide,
    "maf": maf,
}
