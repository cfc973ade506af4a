"""Digits that models have drawn: kept beside the results, and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from digits import digits
from gen_measures import SHOWN
from harness import Study, canvas, draw_patches
from numpy.typing import NDArray

CAPTIONS = {
    "samples": "Samples of each model, and test digits.",
    "completions": "The lower half of test digits, drawn given the upper one.",
}
COLUMNS = 4
Sheets = dict[str, NDArray[np.uint8]]


def path_of(study: Study) -> Path:
    """The file: rows of bits, (n, d / 8), by what they are and the model's name."""
    return study.results / f"{study.name}-sheets.npz"


def kept(study: Study) -> Sheets:
    """All that are there."""
    path = path_of(study)
    return dict(np.load(path)) if path.exists() else {}


def keep(study: Study, name: str, drawn: Mapping[str, NDArray[np.float64]]) -> None:
    """Keep the first digits of a model, as "samples" or "completions"."""
    new = {f"{what} {name}": np.packbits(rows[:SHOWN] > 0, axis=1) for what, rows in drawn.items()}
    path_of(study).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path_of(study), **{**kept(study), **new})


def figures(study: Study, names: Sequence[str]) -> list[str]:
    """A figure of samples and one of completions, of those models that have been measured."""
    sheets, parts = kept(study), []
    for what, caption in CAPTIONS.items():
        shown = {"digits": digits()[2][:SHOWN]}
        for name in names:
            if (bits := sheets.get(f"{what} {name}")) is not None:
                shown[name] = np.unpackbits(bits, axis=1, count=shown["digits"].shape[1])
        n = -(-len(shown) // COLUMNS)
        drawn, axes = canvas(n, COLUMNS, size=(9.6, 2.6 * n), squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, (name, rows) in zip(axes.flat, shown.items(), strict=False):
            draw_patches(axis, 2.0 * rows - 1, columns=6, limit=1)
            axis.set_title(name)
        parts.append(study.figure(what, drawn, caption))
    return parts
