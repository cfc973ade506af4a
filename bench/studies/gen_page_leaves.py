"""How far every prior is from a model of patches that is known: mini dead leaves."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from harness import Row, Study, Values, canvas, table
from leaves import EVERY, MINI, add_recipe
from measures import Patches
from recipes import RECIPES

QUICK = ("Gaussian", "GSM", "MADE of mixtures")
COLUMNS = {"prior": "", "divergence": ".2f", "error": ".2f", "steps": "", "training": ".0f"}


def measure(study: Study) -> None:
    """Train every prior on samples of the model, and estimate its divergence."""
    n = study.pick(10_000, 100)

    @cache
    def truth() -> tuple[Patches, Patches]:
        mini: Any = study.prior(MINI)
        x = mini.sample(n, 1)  # training has seed 0
        return x, mini.log_prob(x)

    def divergence(key: str) -> Values:
        x, exact = truth()
        prior = study.prior(key)
        path = f"{key}@{RECIPES[key].tag}"
        gap = exact - prior.log_prob(x)
        return {
            "divergence": gap.mean(),
            "error": gap.std(ddof=1) / np.sqrt(n),
            "training": study.trained.known.get(path, {"seconds": np.nan})["seconds"],
        }

    for name in study.pick(tuple(EVERY), QUICK):
        key = add_recipe(study, name, MINI)
        study.cell("divergence", key, n, compute=lambda key=key: divergence(key))


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    n = study.pick(10_000, 100)
    rows: list[dict[str, Any]] = []
    for name, recipe in EVERY.items():
        found = study.known("divergence", add_recipe(study, name, MINI), n)
        if found:
            how = recipe.options.get("how")
            rows.append({"prior": name, **found, "steps": how.iterations if how else None})
    if not rows:
        return [], []
    rows.sort(key=lambda row: row["divergence"])
    near = [f"{r['prior']} ({r['divergence']:.2f} ± {r['error']:.2f})" for r in rows[:3]]
    base = next(row["divergence"] for row in rows if row["prior"] == "Gaussian")
    fewest, most = (f(EVERY[row["prior"]].n for row in rows) for f in (min, max))
    text = (
        "The mini dead-leaves model (see [dead leaves](dead_leaves.md)) is a mixture of Gaussians "
        "whose density is summed exactly: D(p‖q) = E log p − E log q is what a prior q lacks of "
        "it, in nats per 8×8 patch, over samples that no prior was trained on. Every prior of the "
        f"laboratory with an exact density was trained on {fewest} to {most} samples; *steps*: of "
        "gradient descent, so few that networks are not what they could be; *training*: "
        f"CPU seconds. The nearest are: {', '.join(near)}; a single Gaussian is {base:.1f} away."
    )
    return [{"table": "mini dead leaves", **row} for row in rows], [
        "## Divergence from a known model of patches",
        text,
        study.figure(
            "leaves",
            draw(rows),
            f"D(mini dead leaves‖prior) and two standard errors, {n} samples.",
        ),
        table(rows, COLUMNS),
    ]


def draw(rows: list[dict[str, Any]]) -> Any:
    """A point with its error per prior, the nearest on top."""
    drawn, axis = canvas(size=(7.0, 0.28 * len(rows) + 0.8))
    for color, some, label in (
        ("C0", [row for row in rows if not row["steps"]], "fitted"),
        ("C1", [row for row in rows if row["steps"]], "network, trained briefly"),
    ):
        places = [rows.index(row) for row in some]
        axis.errorbar(
            [row["divergence"] for row in some],
            places,
            xerr=[2 * row["error"] for row in some],
            fmt="o",
            capsize=3,
            color=color,
            label=label,
        )
    axis.set_yticks(range(len(rows)), [row["prior"] for row in rows])
    axis.invert_yaxis()
    axis.set_xscale("log")
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500) if in_range(tick, rows)]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("divergence (nats per patch)")
    axis.legend(loc="upper right")
    return drawn


def in_range(tick: float, rows: list[dict[str, Any]]) -> bool:
    """Whether a tick is near the values."""
    values = [row["divergence"] for row in rows]
    return 0.8 * min(values) <= tick <= 1.2 * max(values)
