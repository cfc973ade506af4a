"""Priors that are trained on dead leaves, and the patches they are trained on.

Importing this adds "mini" to `recipes.RECIPES`, the mini dead-leaves model that is learnt on
bsds300/train; `trained` adds "KIND of SOURCE", SOURCE "mini" (its samples) or "leaves" (classic
dead-leaves images).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
from harness import Study
from measures import SHAPE, Patches
from protocol import data_dir
from recipes import RECIPES, Recipe

from fastepll import priors
from fastepll.priors import PatchPrior
from fastepll.priors.dead_leaves import dead_leaves, dead_leaves_patches
from fastepll.train.descent import Descent
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
"""Those of the study of dead leaves."""
STARTED = ("student-t-mixture", "generalised-gaussian-mixture")  # from the Gaussian mixture


def network(kind: str, how: Descent, **options: Any) -> Recipe:
    """A network, trained briefly."""
    trial = replace(how, iterations=20, warmup=5)
    return Recipe(kind, 200_000, {"how": how, **options}, {"how": trial})


STEPS = Descent(iterations=2000, batch=256, learning_rate=4e-3, warmup=100, average=0.999, clip=50)
EVERY = KINDS | {
    "independent pixels": Recipe("independent-pixels", 200_000),
    "PCA, Laplace": Recipe("pca", 200_000, {"marginals": "laplace"}),
    "generalised Gaussian mixture": Recipe(
        "generalised-gaussian-mixture", 200_000, {"iterations": 4}, {"iterations": 1}
    ),
    "MADE of mixtures": network("made-mog", STEPS),
    "RNADE": network("rnade", replace(STEPS, iterations=1500)),
    "masked autoregressive flow": network("maf", replace(STEPS, iterations=3000)),
    "causal network": network("causal-network", replace(STEPS, iterations=300)),
    "conditional scale mixture": network(
        "conditional-scale-mixture",
        replace(STEPS, iterations=400, batch=500, learning_rate=1e-2),
    ),
}
"""All whose density is computed exactly."""


@dataclass(frozen=True)
class LeavesRecipe(Recipe):
    """A recipe with patches of its own."""

    source: str = ""
    rows: Callable[[int], Patches] = np.empty
    start: Callable[[], PatchPrior] | None = None

    @property
    def tag(self) -> str:
        """A few digits that change with the recipe."""
        text = repr((super().tag, self.source, self.source == LEAVES and IMAGES))
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def train(self, *, quick: bool = False) -> PatchPrior:
        """Fit it."""
        options = self.options | (self.quick if quick else {})
        if self.start is not None:
            options["start"] = self.start()
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
    """Prior of `EVERY` trained on a source, and its name."""
    key = add_recipe(study, name, source)
    return key, study.prior(key)


def add_recipe(study: Study, name: str, source: str) -> str:
    """The name of a prior of `EVERY` on a source, now among the recipes; nothing is trained yet."""
    key, recipe = f"{name} of {source}", EVERY[name]

    def samples(n: int) -> Patches:
        mini: Any = study.prior(MINI)
        drawn: Patches = mini.sample(n, rng=0)
        return drawn

    def start() -> PatchPrior:
        return trained(study, "Gaussian mixture", source)[1]

    RECIPES[key] = LeavesRecipe(
        **vars(recipe),
        source=source,
        rows=leaves if source == LEAVES else samples,
        start=start if recipe.kind in STARTED else None,
    )
    return key
