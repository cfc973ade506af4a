"""Samples of every prior beside natural patches: ``python bench/studies/samples.py``.

Statistics of the samples say what the eye sees: how much contrast varies, how heavy the tails of
differences are, and how much of a patch is one straight edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Study, Values, canvas, draw_patches, table
from leaves import MINI, leaves
from likelihood import LATER, PAPERS
from measures import SHAPE, Patches, patches
from recipes import RECIPES, SHIPPED

from fastepll.priors.line_masks import line_masks

NATURAL, LEAVES = "photographs", "dead-leaves images"
PRIORS = tuple(name for name in (*PAPERS, *LATER, MINI) if name != "pca-gaussian")
STEPS = {
    "log contrast": "deviation of the log of a patch's deviation",
    "tail": "99 % over 50 % quantile of differences of horizontal neighbours; 3.8 for a Gaussian",
    "edge": "mean largest share of a patch's energy that one step edge has",
    "edges": "patches in which that share is above 0.7",
}
SHORT = {SHIPPED: "mixture of 200", MINI: "mini dead leaves"}
SHOWN = 64


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("samples", __doc__, argv)
    n = study.pick(20_000, 200)
    sheets: dict[str, Patches] = {}
    rows: list[dict[str, Any]] = []
    known = [name for name in PRIORS if name in RECIPES]
    for name in (NATURAL, *study.pick(known, ["gaussian", SHIPPED, MINI]), LEAVES):
        drawn = draw(study, name, SHOWN, 1)
        sheets[name] = drawn

        def compute(name: str = name) -> Values:
            return statistics(draw(study, name, n, 0))

        rows.append({"prior": name, **study.cell("statistics", name, n, compute=compute)})
    study.csv(rows)
    write(study, rows, sheets, n)


def draw(study: Study, name: str, n: int, seed: int) -> Patches:
    """Patches (n, 64) without mean."""
    if name == NATURAL:
        whole = patches("train", max(200, n), seed=seed + 2)
        return whole[np.random.default_rng(seed).permutation(len(whole))[:n]]
    if name == LEAVES:
        return leaves(n, seed + 2)
    return np.asarray(study.prior(name).sample(n, seed))


def statistics(rows: Patches) -> Values:
    """Figures of `STEPS`."""
    size = rows.std(axis=1)
    across = np.abs(np.diff(rows.reshape(-1, *SHAPE), axis=2))
    middle, high = np.quantile(across, (0.5, 0.99))
    steps = line_masks(SHAPE)[0]
    steps -= steps.mean(axis=1, keepdims=True)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    share = np.concatenate(
        [((part @ steps.T) ** 2).max(axis=1) for part in np.array_split(rows, len(rows) // 200)]
    ) / (rows**2).sum(axis=1)
    return {
        "log contrast": float(np.log(size).std()),
        "tail": float(high / middle),
        "edge": float(share.mean()),
        "edges": float((share > 0.7).mean()),
    }


def picture(sheets: dict[str, Patches]) -> Any:
    """Samples of all priors, in one gray scale."""
    columns = 4
    lines = -(-len(sheets) // columns)
    drawn, axes = canvas(lines, columns, size=(9.6, 2.5 * lines), squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, (title, rows) in zip(axes.ravel(), sheets.items(), strict=False):
        draw_patches(axis, rows, 8, limit=0.35)
        axis.set_title(SHORT.get(title, title))
    return drawn


def write(study: Study, rows: list[dict[str, Any]], sheets: dict[str, Patches], n: int) -> None:
    """Figure and page."""
    by = {row["prior"]: row for row in rows}
    natural = by[NATURAL]

    def distance(row: dict[str, Any]) -> float:
        """Mean absolute log ratio of the figures to those of photographs."""
        keys = ("log contrast", "tail", "edge")
        return float(np.mean([abs(np.log(row[key] / natural[key])) for key in keys]))

    for row in rows:
        row["distance"] = distance(row)
    near = sorted(by.keys() - {NATURAL, LEAVES}, key=lambda name: by[name]["distance"])

    def figures(row: dict[str, Any]) -> str:
        return (
            f"contrast that varies by {row['log contrast']:.2f} in its log, differences with "
            f"tails of {row['tail']:.1f}, and {100 * row['edges']:.0f} % of patches that are "
            "mostly one edge"
        )

    mixture = by[SHIPPED]
    paper = by["gaussian"]["distance"] > mixture["distance"]
    sentences = (
        f"Photographs have {figures(natural)}; samples of the Gaussian mixture have "
        f"{figures(mixture)}, those of a single Gaussian {figures(by['gaussian'])}. "
        f"By these figures together the nearest to photographs are {', '.join(near[:3])}: the "
        "2012 paper "
        + (
            "found by eye too that samples of the mixture have both varying contrast and edges."
            if paper and SHIPPED in near[:5]
            else "found by eye that samples of the mixture are among the nearest; "
            f"here it is number {1 + near.index(SHIPPED)} of {len(near)}."
        )
    )
    study.page(
        "Samples",
        sentences,
        [
            study.figure(
                "patches",
                picture(sheets),
                f"{SHOWN} samples of each prior beside photographs. One gray scale for all: black "
                "and white are 0.35 from the mean. The mixture is the shipped one.",
            ),
            f"{n} samples each; photographs: dequantised patches of bsds300/train. "
            + "; ".join(f"*{key}*: {text}" for key, text in STEPS.items())
            + ". *distance*: mean absolute log ratio of the first three to those of photographs.",
            table(
                rows,
                {
                    "prior": "",
                    "log contrast": ".2f",
                    "tail": ".1f",
                    "edge": ".2f",
                    "edges": ".2f",
                    "distance": ".2f",
                },
            ),
        ],
    )


if __name__ == "__main__":
    main()
