"""How each prior of the studies is trained: on bsds300/train, with these options and seed 0."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from measures import SHAPE, kept_patches, patches

from fastepll import priors
from fastepll.models import load_model
from fastepll.priors import PatchPrior

SHIPPED = "mixture"  # its name in studies
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 400)


@dataclass(frozen=True)
class Recipe:
    """A prior's kind, training patches (dequantised, mirrored at random) and options of its fit.

    ``kind`` is one of `fastepll.priors.KINDS`, "gaussian-mixture" for
    `fastepll.train.fit_mixture`, or the name of a shipped model, which an option ``start`` names
    too. ``quick`` replaces options in ``--quick`` runs, which take 4000 patches.
    """

    kind: str
    n: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """A few digits that change with the recipe."""
        return hashlib.sha256(repr((self.kind, self.n, self.options)).encode()).hexdigest()[:6]

    @property
    def shipped(self) -> bool:
        """Whether there is nothing to train."""
        return self.n == 0

    def train(self, *, quick: bool = False) -> PatchPrior:
        """Fit it."""
        if self.shipped:
            return load_model(self.kind)
        if self.kind == "gaussian-mixture":
            from fastepll.train import fit_mixture as fit
        else:
            fit = getattr(priors, priors.KINDS[self.kind]).fit
        options = self.options | (self.quick if quick else {})
        if options.get("start"):
            options["start"] = load_model(options["start"])
        if quick:
            rows = kept_patches("train", 4000, True, 0)
        else:
            rows = patches("train", self.n, flips=True)
        prior: PatchPrior = fit(rows, patch_shape=SHAPE, seed=0, **options)
        return prior

    def __str__(self) -> str:
        """For pages."""
        if self.shipped:
            return f"`{self.kind}` as shipped"
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{self.kind}, {self.n} patches{options}"


RECIPES = {
    SHIPPED: Recipe("gray-8x8-200"),
    "gaussian": Recipe("gaussian", 1_000_000),
    "independent-pixels": Recipe("independent-pixels", 200_000),
    **{
        f"pca-{form}": Recipe("pca", 200_000, {"marginals": form})
        for form in ("gaussian", "laplace", "scale-mixture")
    },
    "ica": Recipe("ica", 200_000, {}, {"steps": 5, "batch": 1000}),
    "sparse-coding": Recipe("sparse-coding", 20_000, {}, {"n_epochs": 1}),
    "karklin-lewicki": Recipe("karklin-lewicki", 30_000, {}, {"n_epochs": 1}),
    "gsm": Recipe("gsm", 200_000),
    "gsm-mixture": Recipe(
        "gsm-mixture", 400_000, {"iterations": 30}, {"n_covariances": 3, "iterations": 3}
    ),
    "student-t-mixture": Recipe(
        "student-t-mixture",
        2_000_000,
        {"start": "gray-8x8-200", "iterations": 20},
        {"start": None, "n_components": 4, "iterations": 2},
    ),
    "generalised-gaussian-mixture": Recipe(
        "generalised-gaussian-mixture",
        1_500_000,
        {"start": "gray-8x8-200", "iterations": 4},
        {"start": None, "n_components": 4, "iterations": 2},
    ),
    "gsm-200": Recipe("gsm", 200_000, {"n_scales": 200}, {"n_scales": 20}),
    **{
        f"mixture-{k}": Recipe(
            "gaussian-mixture",
            1_000_000,
            {
                "n_components": k,
                "warm_steps": 40,
                "batch": 40_000,
                "iterations": 8,
                "min_weight": min(1e-3, 0.2 / k),
            },
            {"n_components": min(k, 8), "warm_steps": 5, "batch": 1000, "iterations": 2},
        )
        for k in COUNTS
    },
}
