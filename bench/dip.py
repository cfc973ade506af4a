"""Inpainting of the pictures of the deep image prior: ``python bench/dip.py``.

``kate``, ``library`` and ``vase`` in colour with the masks of that paper, and ``barbara`` in gray
with half of the pixels missing at random. Writes ``dip.json`` to the results and to the folder
given a picture of each: what is known | restored.

D. Ulyanov, A. Vedaldi, V. Lempitsky, Deep image prior, CVPR 2018: 32.2 dB on barbara, 50 % missing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from protocol import Image, data_dir, psnr, read_gray, write_result

import fastepll


def main() -> None:
    from PIL import Image as PILImage

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quality", nargs="+", default=["balanced", "high"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    parser.add_argument("--write", action="store_true", help="results/dip.json")
    args = parser.parse_args()
    rows = []
    for name in ("kate", "library", "vase", "barbara"):
        clean, unknown = case(name)
        for quality in args.quality:
            row, restored = inpaint(clean, unknown, quality, args.threads)
            rows.append({"picture": name, **row})
            print(rows[-1], flush=True)
            if args.pictures:
                known = np.where(unknown[..., None], 0, clean)
                picture = np.concatenate([known, restored], axis=1).clip(0, 1)
                pixels = np.round(255 * picture).astype(np.uint8).squeeze()
                PILImage.fromarray(pixels).save(args.pictures / f"{name}-{quality}.png")
    if args.write:
        write_result(
            "dip", {"threads": args.threads, "deep image prior, barbara": 32.2, "rows": rows}
        )


def case(name: str) -> tuple[Image, np.ndarray]:
    """Picture (height, width, channels) and where it is unknown."""
    from PIL import Image as PILImage

    folder = data_dir() / "dip"
    if name == "barbara":
        clean = read_gray(folder / "barbara.png")[..., None]
        return clean, np.random.default_rng(0).random(clean.shape[:2]) < 0.5
    clean = np.asarray(PILImage.open(folder / f"{name}.png").convert("RGB"), np.float64) / 255
    mask = np.asarray(PILImage.open(folder / f"{name}_mask.png").convert("L"))
    return clean, mask < 128


def inpaint(
    clean: Image, unknown: np.ndarray, quality: str, threads: int
) -> tuple[dict[str, Any], Image]:
    """Figures, and the picture restored."""
    y = np.where(unknown[..., None], 0, clean).astype(np.float32)
    start = time.perf_counter()
    restored = fastepll.inpaint(y, unknown, quality=quality, channel_axis=-1, n_threads=threads)
    return {
        "quality": quality,
        "shape": clean.shape[:2],
        "unknown": round(float(unknown.mean()), 3),
        "psnr": round(psnr(restored, clean), 3),
        "seconds": round(time.perf_counter() - start, 3),
    }, restored


if __name__ == "__main__":
    main()
