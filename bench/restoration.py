"""PSNR, SSIM and time of every quality level on bsd68: ``python bench/restoration.py``.

The levels take turns on each image; the median of three calls counts but for the exact method.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any, get_args

import numpy as np
from protocol import Image, add_noise, bsd68, psnr, ssim, write_result

import fastepll
from fastepll.typing import Quality

PUBLISHED = {15: 31.21, 25: 28.68, 50: 25.67}
QUALITIES: tuple[Quality, ...] = get_args(Quality)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--model", default="gray-8x8-200")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for sigma, published in PUBLISHED.items():
        noisy_db: list[float] = []
        figures: dict[Quality, list[tuple[float, float, float]]] = {q: [] for q in QUALITIES}
        for i, clean in enumerate(bsd68()[: args.images]):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            noisy_db.append(psnr(noisy, clean))
            for quality in QUALITIES:
                figures[quality].append(measure(noisy, clean, sigma, quality, args))
        for quality, values in figures.items():
            decibels, similarities, seconds = zip(*values, strict=True)
            row: dict[str, Any] = {
                "sigma": sigma,
                "quality": quality,
                "noisy psnr": round(statistics.mean(noisy_db), 3),
                "psnr": round(statistics.mean(decibels), 3),
                "ssim": round(statistics.mean(similarities), 4),
                "psnr first 12": round(statistics.mean(decibels[:12]), 3),
                "published psnr": published,
                "median seconds": round(statistics.median(seconds), 4),
            }
            rows.append(row)
            print(row, flush=True)
    if args.images == 68:
        write_result("restoration", {"model": args.model, "threads": args.threads, "rows": rows})


def measure(
    noisy: np.ndarray, clean: Image, sigma: float, quality: Quality, args: argparse.Namespace
) -> tuple[float, float, float]:
    """PSNR, SSIM and seconds."""
    times = []
    for _ in range(1 if quality == "exact" else 3):
        start = time.perf_counter()
        restored = fastepll.denoise(
            noisy, sigma / 255, model=args.model, quality=quality, n_threads=args.threads
        )
        times.append(time.perf_counter() - start)
    return psnr(restored, clean), ssim(restored, clean), statistics.median(times)


if __name__ == "__main__":
    main()
