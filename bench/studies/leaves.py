"""Priors that are trained on dead leaves, and the patches they are trained on.

Importing this adds "mini" to `recipes.RECIPES`, the mini dead-leaves model that is learnt on
bsds300/train; `trained` adds "KIND of SOURCE", SOURCE "mini" (its samples) or "leaves" (classic
dead-leaves images).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from harness import Study
from measures import SHAPE, Patches
from protocol import data_dir
from recipes import RECIPES, Recipe

from fastepll import priors
from fastepll.priors import PatchPrior
from fastepll.priors.dead_leaves import dead_leaves, dead_leaves_patches
from fastepll.train.patches import list_images, read_gray, stream_patches

MINI, LEAVES = "mini", "leaves"
IMAGES: dict[str, Any] = {"r_min": 2.0, "r_max": 128.0, "supersample": 2}
"""Options of the classic dead-leaves images; their grays are those of bsds300/train."""
KINDS = {
    "Gaussian": Recipe("gaussian", 200_000),
    "PCA": Recipe("pca", 200_000),
    "ICA": Recipe("ica", 100_000, {"steps": 200}, {"steps": 5, "batch": 500}),
    "GSM": Recipe("gsm", 200_000, {"iterations": 30}, {"iterations": 3}),
    "mixture of GSMs": Recipe(
        "gsm-mixture", 100_000, {"n_covariances": 20, "iterations": 25}, {"iterations": 2}
    ),
    "Gaussian mixture": Recipe(
        "gaussian-mixture",
        200_000,
        {"n_components": 200, "warm_steps": 40, "batch": 20_000, "iterations": 10},
        {"n_components": 8, "warm_steps": 5, "batch": 1000, "iterations": 2},
    ),
    "Student-t mixture": Recipe("student-t-mixture", 200_000, {"iterations": 8}, {"iterations": 1}),
}


@dataclass(frozen=True)
class LeavesRecipe(Recipe):
    """A recipe with patches of its own."""

    source: str = ""
    rows: Callable[[int], Patches] = np.empty
    start: PatchPrior | None = None

    @property
    def tag(self) -> str:
        """A few digits that change with the recipe."""
        text = repr((super().tag, self.source, self.source == LEAVES and IMAGES))
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def train(self, *, quick: bool = False) -> PatchPrior:
        """Fit it."""
        options = self.options | (self.quick if quick else {})
        if self.start is not None:
            options["start"] = self.start
        if self.kind == "gaussian-mixture":
            from fastepll.train import fit_mixture as fit
        else:
            fit = getattr(priors, priors.KINDS[self.kind]).fit
        rows = self.rows(4000 if quick else self.n)
        prior: PatchPrior = fit(rows, patch_shape=SHAPE, seed=0, **options)
        return prior


def photographs(n: int) -> Patches:
    """Patches (n, 64) of bsds300/train with their means."""
    paths = list_images(data_dir() / "bsds300" / "train")
    blocks = stream_patches(paths, SHAPE, n, seed=0, remove_mean=False)
    return np.concatenate(list(blocks)).astype(np.float64)


@lru_cache(maxsize=1)
def leaves(n: int, seed: int = 0) -> Patches:
    """Patches (n, 64) of classic dead-leaves images."""
    return dead_leaves_patches(n, SHAPE, rng=seed, levels=grays(), **IMAGES)


@cache
def grays() -> Patches:
    """Gray levels of training photographs, in [0, 1]."""
    paths = list_images(data_dir() / "bsds300" / "train")[::10]
    return np.concatenate([read_gray(path)[::16, ::16].ravel() for path in paths]) / 255


def leaves_image(seed: int, size: int) -> Patches:
    """A classic dead-leaves image."""
    return dead_leaves((size, size), rng=seed, levels=grays(), **IMAGES)


RECIPES[MINI] = LeavesRecipe(
    "mini-dead-leaves",
    50_000,
    quick={"p_edge": 0.5, "iterations": 10},
    source="photographs",
    rows=photographs,
)


def trained(study: Study, name: str, source: str) -> tuple[str, PatchPrior]:
    """Prior of `KINDS` trained on a source, and its name."""
    key = f"{name} of {source}"
    rows = leaves if source == LEAVES else partial(study.prior(MINI).sample, rng=0)
    start = trained(study, "Gaussian mixture", source)[1] if name.startswith("Student") else None
    RECIPES[key] = LeavesRecipe(**vars(KINDS[name]), source=source, rows=rows, start=start)
    return key, study.prior(key)
