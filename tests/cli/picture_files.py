"""Picture files for tests of the command line, written and read without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ..scenes import noisy, scene

PIL = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")

CLEAN = scene(40, 56)
GRAY = noisy(CLEAN, 0.08).clip(0, 1)
RGB = noisy(np.stack([CLEAN, 1 - CLEAN, CLEAN / 2], -1), 0.08).clip(0, 1)
ALPHA = np.arange(40 * 56).reshape(40, 56, 1) / (40 * 56)
ICC = b"profile" * 20


def pixels(image, dtype):
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


PICTURES = {
    "gray 8": pixels(GRAY, np.uint8),
    "gray 16": pixels(GRAY, np.uint16),
    "rgb 8": pixels(RGB, np.uint8),
    "rgb 16": pixels(RGB, np.uint16),
    "gray alpha 8": pixels(np.dstack([GRAY, ALPHA]), np.uint8),
    "gray alpha 16": pixels(np.dstack([GRAY, ALPHA]), np.uint16),
    "rgba 8": pixels(np.dstack([RGB, ALPHA]), np.uint8),
    "rgba 16": pixels(np.dstack([RGB, ALPHA]), np.uint16),
}


def read_independently(path: Path) -> np.ndarray:
    return (tifffile.imread if path.suffix == ".tif" else imagecodecs.imread)(str(path))


def write_independently(path: Path, image: np.ndarray) -> None:
    if path.suffix == ".tif":
        kind = "rgb" if image.shape[2:] in ((3,), (4,)) else "minisblack"
        extra = ["unassalpha"] if image.shape[2:] in ((2,), (4,)) else None
        tifffile.imwrite(path, image, photometric=kind, extrasamples=extra, compression="lzw")
    else:
        path.write_bytes(imagecodecs.png_encode(image))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
