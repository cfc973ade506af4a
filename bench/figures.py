"""Picture of quality against time from results/pareto.json: ``python bench/figures.py``.

Writes docs/pareto.svg. PSNR is relative to exact EPLL on the same images, so that a slow peer which
saw fewer of them is comparable.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from protocol import RESULTS

mpl.use("Agg")
from matplotlib import pyplot as plt

OURS, THEIRS = "#c1272d", "#404040"
QUALITIES = ("exact", "learned", "high", "balanced", "fast", "preview")
PLACES = [(8, 0), (-8, 0), (0, 9), (0, -9), (7, 8), (7, -8), (-7, 8), (-7, -8), (0, 20), (0, -20)]


def label(axis: Any, texts: list[tuple[str, float, float, str]]) -> None:
    """Name each point where the name hides neither the line, another point nor another name."""
    figure = axis.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    points = axis.transData.transform([(x, y) for _, x, y, _ in texts])
    corners = axis.transData.transform(axis.lines[0].get_xydata())
    line = [a + t * (b - a) for a, b in pairwise(corners) for t in np.linspace(0.03, 0.97, 60)]
    frame = axis.get_window_extent(renderer)
    taken: list[Any] = []
    for number, (name, x, y, color) in enumerate(texts):
        others = [p for i, p in enumerate(points) if i != number]
        for dx, dy in PLACES:
            text = axis.annotate(
                name,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                color=color,
                ha="left" if dx > 0 else "right" if dx < 0 else "center",
                va="bottom" if dy > 0 else "top" if dy < 0 else "center",
                fontsize=9,
                fontweight="bold" if color == OURS else "normal",
            )
            box = text.get_window_extent(renderer)
            clash = any(box.overlaps(other) for other in taken)
            clash |= any(box.padded(4).contains(*point) for point in others)
            clash |= any(box.contains(*point) for point in line)
            if not clash and all(frame.contains(*corner) for corner in box.corners()):
                taken.append(box)
                break
            text.remove()
        else:
            print(f"no room for the name of {name}")


def scatter(rows: list[dict[str, Any]], path: Path, floor: float) -> None:
    """Time on a logarithmic axis, PSNR beyond exact EPLL on the other."""
    figure, axis = plt.subplots(figsize=(8, 4.6), layout="constrained")
    gains = {row["method"]: row["psnr"] - row["psnr of exact"] for row in rows}
    times = {row["method"]: 1e3 * row["seconds"] for row in rows}
    for name in [name for name, gain in gains.items() if gain < floor]:
        print(f"below the picture: {name}, {gains.pop(name):.2f} dB")
    ours = sorted((name for name in gains if name in QUALITIES), key=times.__getitem__)
    theirs = [name for name in gains if name.partition(",")[0] not in QUALITIES]
    for names, style in ((ours, "o-"), (theirs, "s")):
        color = OURS if names is ours else THEIRS
        x, y = [times[name] for name in names], [gains[name] for name in names]
        axis.plot(x, y, style, color=color, markersize=6, linewidth=1.5)
    axis.set_xscale("log")
    axis.margins(x=0.12, y=0.12)
    axis.grid(alpha=0.25)
    axis.xaxis.set_major_formatter(lambda t, _: f"{t / 1000:g} s" if t >= 1000 else f"{t:g} ms")
    row = rows[0]
    axis.set_xlabel(f"time for a 481×321 image, {row['threads']} threads")
    axis.set_ylabel(f"PSNR relative to exact EPLL, dB (sigma {row['sigma']:g})")
    axis.legend(axis.lines[:1], ["fastepll"], loc="lower right")
    label(
        axis,
        [
            (name, times[name], gains[name], OURS if name in ours else THEIRS)
            for name in [*ours, *theirs]
        ],
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=130)
    print(f"wrote {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--result", type=Path, default=RESULTS / "pareto.json")
    parser.add_argument("--sigma", type=float, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--floor", type=float, default=-3, help="dB below which peers are left out")
    default = Path(__file__).parents[1] / "docs" / "pareto.svg"
    parser.add_argument("--output", type=Path, default=default)
    args = parser.parse_args()
    mpl.rcParams["svg.hashsalt"] = "pareto"  # the same file from the same figures
    rows = [
        row
        for row in json.loads(args.result.read_text())["rows"]
        if row["sigma"] == args.sigma and row["threads"] == args.threads
    ]
    scatter(rows, args.output, args.floor)


if __name__ == "__main__":
    main()
