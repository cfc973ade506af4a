"""The page with sliders: images of the gallery before and after, by the writer of ``--report``."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from panels import psnr

from fastepll.cli.report import Case, write_report

GALLERY = Path(__file__).parent / "gallery"
SHOWN = (
    "denoise/gray",
    "denoise/colour",
    "restore/deblur",
    "restore/inpaint_text",
    "restore/super_resolve",
)


def case(name: str) -> Case:
    """First and last image of an example."""
    script = GALLERY / f"{name}.py"
    found = runpy.run_path(str(script))
    plt.close("all")
    clean, images = found["clean"], found["images"]
    (first, before), *_, (_, after) = images.items()
    facts = {"before": first, "example": f"docs/gallery/{name}.py"}
    if before.shape == clean.shape:
        facts["PSNR before"] = f"{psnr(before, clean):.2f} dB"
    facts["PSNR after"] = f"{psnr(after, clean):.2f} dB"
    title = found["__doc__"].strip().partition("\n")[0]
    return Case(title, np.clip(before, 0, 1), np.clip(after, 0, 1), facts)


def write(path: Path) -> None:
    """Run the examples and write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_report(str(path), [case(name) for name in SHOWN], overwrite=True)
