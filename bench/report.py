"""Write the tables of README.md from bench/results: ``python bench/report.py [--check]``.

A table stands between ``<!-- NAME -->`` and ``<!-- end NAME -->``; nothing else is touched.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def result(name: str) -> dict[str, Any]:
    """Figures of one benchmark."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return figures


def table(header: list[str], rows: list[list[object]]) -> str:
    """Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def restoration() -> str:
    """Quality on bsd68."""
    figures = result("restoration")
    rows = [
        [
            row["sigma"],
            f"{row['noisy psnr']:.2f}",
            f"**{row['psnr']:.2f}**",
            f"{row['published psnr']:.2f}",
            f"{row['ssim']:.3f}",
            f"{row['median seconds']:.2f} s",
        ]
        for row in figures["rows"]
    ]
    header = ["sigma", "noisy dB", "fastepll dB", "EPLL as published", "SSIM", "time per image"]
    machine = figures["machine"]
    return (
        table(header, rows)
        + f"\n\nMean over the 68 images, median time; {figures['threads']} threads, "
        + f"{machine['cpu']}, {machine['level']}. Command: `python bench/restoration.py`."
    )


def speed() -> str:
    """Time of the exact method and what bounds it."""
    figures = result("speed")
    rows: list[list[object]] = []
    for roof, run in zip(figures["roofline"], figures["denoising"], strict=True):
        rows.append(
            [
                roof["threads"],
                f"{run['native seconds']:.2f} s",
                f"{run['numba seconds']:.2f} s",
                f"{roof['selection GF/s']:.0f}",
                f"{roof['matrix product GF/s']:.0f}",
                f"{100 * roof['fraction']:.0f} %",
                f"{roof['bounded speed-up']:.1f}×",
            ]
        )
    header = [
        "threads",
        "native",
        "numba",
        "selection GF/s",
        "NumPy matrix product GF/s",
        "fraction",
        "gained by giving up early",
    ]
    height, width = figures["image"]
    machine = figures["machine"]
    memory = figures["peak extra MB"]
    return (
        table(header, rows)
        + f"\n\nOne {width}×{height} image, sigma {figures['sigma']}, medians; {machine['cpu']}, "
        + f"{machine['level']}. `import fastepll` takes {figures['import seconds']:.2f} s, "
        + "loading the model and the first call "
        + f"{figures['load and first call, extra seconds']:.2f} s more than later calls. "
        + "Peak extra "
        + f"memory for a {memory['side']}×{memory['side']} float32 image: {memory['MB']:.0f} MB. "
        + "Command: `python bench/speed.py`."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if README.md would change")
    args = parser.parse_args()
    path = ROOT / "README.md"
    old = new = path.read_text()
    for section in (restoration, speed):
        name = section.__name__
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        text = f"{begin}\n{section()}\n{end}"
        new = re.sub(f"{begin}.*?{end}", lambda _, text=text: text, new, flags=re.DOTALL)
    if args.check:
        return int(new != old)
    path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
