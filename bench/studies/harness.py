"""A study: its arguments, cells that are kept as they are computed, CSV, figures, page.

Every study is a file here with ``main(argv=None)``: ``python bench/studies/NAME.py`` computes what
is not yet in ``bench/studies/work`` and writes ``docs/studies/NAME.md``, its figures
``docs/studies/NAME-*.png`` and ``bench/results/studies/NAME.csv``. With ``--quick`` it takes a few
patches and small images, and writes to ``work/quick`` alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import measures  # noqa: F401  # with it the modules of bench are found
import numpy as np
from protocol import RESULTS, cpu_name
from recipes import RECIPES

import fastepll
from fastepll import priors
from fastepll.priors import PatchPrior

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs" / "studies"
STYLE = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "savefig.dpi": 110,
}
Row = Mapping[str, Any]
Values = dict[str, float]
T = TypeVar("T")


class Cells:
    """Numbers under keys, each written to a file as soon as it is computed."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() and not fresh else []
        whole = [line for line in lines if line.endswith("}}")]  # the last one may be cut off
        path.write_text("".join(f"{line}\n" for line in whole))
        self.path = path
        self.known = {cell["key"]: cell for cell in map(json.loads, whole)}

    def get(self, key: str, compute: Callable[[], Values]) -> tuple[Values, float]:
        """Values of a cell, computed if they are not there, and their CPU seconds."""
        if key not in self.known:
            start = time.process_time()
            values = {name: float(value) for name, value in compute().items()}
            seconds = round(time.process_time() - start, 3)
            told = {"key": key, "machine": machine(), "seconds": seconds}
            self.known[key] = {**told, "values": values}
            with self.path.open("a") as file:
                file.write(json.dumps(self.known[key]) + "\n")
            print(f"{key}: {values} ({seconds:.1f} s)", flush=True)
        return self.known[key]["values"], self.known[key]["seconds"]


class Study:
    """One run of a study.

    Parameters
    ----------
    name : str
        Name of its file, and of all that it writes.
    argv : sequence of str, optional
        Arguments; None: those of the process.
    options : callable, optional
        Adds arguments of its own to the parser.

    Attributes
    ----------
    arguments : argparse.Namespace
        All of them.
    quick : bool
        Whether this is a trial; see `pick`.
    """

    def __init__(
        self,
        name: str,
        doc: str | None,
        argv: Sequence[str] | None = None,
        *,
        options: Callable[[argparse.ArgumentParser], None] | None = None,
    ) -> None:
        parser = argparse.ArgumentParser(name, description=(doc or "").partition("``")[0])
        add = parser.add_argument
        add("--quick", action="store_true", help="a trial of seconds; writes nothing committed")
        add("--fresh", action="store_true", help="compute every cell anew (not the priors)")
        add("--work", type=Path, default=HERE / "work", help="folder of cells and trained priors")
        if options is not None:
            options(parser)
        self.arguments = arguments = parser.parse_args(argv)
        self.name, self.quick = name, arguments.quick
        self.work = arguments.work / "quick" if self.quick else arguments.work
        self.pages = self.work if self.quick else PAGES
        self.results = self.work if self.quick else RESULTS / "studies"
        self.seconds = self.training = 0.0
        self.cells = Cells(self.work / f"{name}.jsonl", fresh=arguments.fresh)
        self.trained = Cells(self.work / "priors.jsonl")
        self.priors: dict[str, PatchPrior] = {}

    def pick(self, full: T, quick: T) -> T:
        """The first, or the second in a ``--quick`` run."""
        return quick if self.quick else full

    def cell(self, *key: object, compute: Callable[[], Values]) -> Values:
        """Values of the cell of this key, where names of priors stand for their recipes too.

        The key must hold whatever the values depend on.
        """
        values, seconds = self.cells.get(self.key(*key), compute)
        self.seconds += seconds
        return values

    def known(self, *key: object) -> Values | None:
        """Values of the cell of this key, if it was computed."""
        cell = self.cells.known.get(self.key(*key))
        return None if cell is None else cell["values"]

    @staticmethod
    def key(*parts: object) -> str:
        """Of a cell, as it is written."""
        return " ".join(
            f"{part}@{RECIPES[part].tag}" if part in RECIPES else str(part) for part in parts
        )

    def prior(self, name: str) -> PatchPrior:
        """A prior of `recipes`, trained now if it was not before."""
        if name in self.priors:
            return self.priors[name]
        recipe = RECIPES[name]
        if recipe.shipped:
            self.priors[name] = recipe.train()
            return self.priors[name]
        path = self.work / "priors" / f"{name}@{recipe.tag}.npz"
        path.parent.mkdir(exist_ok=True)

        def train() -> Values:
            recipe.train(quick=self.quick).save(path, overwrite=True)
            return {}

        if not path.exists():
            self.trained.known.pop(path.stem, None)
            self.trained.get(path.stem, train)
        self.training += self.trained.known.get(path.stem, {"seconds": 0.0})["seconds"]
        self.priors[name] = priors.load(path)
        return self.priors[name]

    def csv(self, rows: Sequence[Row]) -> None:
        """Write rows, which may differ in their columns."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"{self.name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
                for row in rows
            )
        print(f"wrote {path}")

    def figure(self, tag: str, drawn: Any, caption: str) -> str:
        """Write a figure of `canvas` as PNG; its Markdown."""
        self.pages.mkdir(parents=True, exist_ok=True)
        path = self.pages / f"{self.name}-{tag}.png"
        drawn.savefig(path, metadata={"Software": None})
        plt.close(drawn)
        print(f"wrote {path}")
        return shown(path, caption)

    def page(self, title: str, sentences: str, parts: Iterable[str]) -> None:
        """Write the page: what it shows, the command, the machine, tables and figures."""
        command = f"python bench/studies/{self.name}.py" + (" --quick" if self.quick else "")
        config = fastepll.show_config("dict")
        cells = self.cells.known.values()
        machines = ", ".join(sorted({cell.get("machine", "not noted") for cell in cells}))
        made = (
            f"{machines}, {config['threads']['in use']} thread(s); "
            f"{minutes(self.seconds)} of CPU time for the figures"
            + (f", {minutes(self.training)} for training" if self.training else "")
            + f"; NumPy {np.__version__}"
        )
        csv_path = f"../../bench/results/studies/{self.name}.csv"
        text = [
            f"# {title}",
            sentences,
            f"Command: `{command}`. Figures: [{self.name}.csv]({csv_path}). Machine: {made}.",
            *parts,
        ]
        self.pages.mkdir(parents=True, exist_ok=True)
        path = self.pages / f"{self.name}.md"
        path.write_text("\n\n".join(text) + "\n")
        print(f"wrote {path}")


@cache
def machine() -> str:
    """Processor, and the instructions that the core takes of it."""
    return f"{cpu_name()} ({fastepll.show_config('dict')['simd']['in use']})"


def minutes(seconds: float) -> str:
    """A duration in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def table(rows: Iterable[Row], columns: Mapping[str, str]) -> str:
    """Markdown of the rows; columns maps their keys to a format, as ``".2f"`` or ``""``."""
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in rows:
        texts = (
            "" if row.get(key) is None else format(row[key], form) for key, form in columns.items()
        )
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join(lines)


def shown(path: Path, caption: str) -> str:
    """The Markdown of a figure that there is."""
    return f"![{caption.partition('.')[0]}]({path.name})\n\n*{caption}*"


def canvas(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (7.0, 3.6), **options: Any
) -> tuple[Any, Any]:
    """Figure and axes of matplotlib in the style of the studies."""
    mpl.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)


def draw_patches(axis: Any, rows: np.ndarray, columns: int, *, limit: float | None = None) -> None:
    """Square patches (n, d) on a grid, each scaled to its range, or all to ±limit; 0 is gray."""
    side, gap = math.isqrt(rows.shape[1]), 1
    n = -(-len(rows) // columns)
    sheet = np.ones(((side + gap) * n - gap, (side + gap) * columns - gap))
    for i, row in enumerate(rows):
        top, left = ((side + gap) * place for place in divmod(i, columns))
        scaled = 0.5 + 0.5 * row.reshape(side, side) / (limit or np.abs(row).max())
        sheet[top : top + side, left : left + side] = scaled
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_axis_off()
