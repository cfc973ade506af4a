"""PSNR, SSIM and time of every quality level on bsd68: ``python bench/restoration.py``.

The levels take turns on each image, and each of them calls with sigma and plain calls, which have
to estimate it; the median of three counts but for the exact method.
"""

from __future__ import annotations

import argparse
import statistics
import time
from operator import truediv
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
        figures: dict[Quality, list[tuple[float, ...]]] = {q: [] for q in QUALITIES}
        for i, clean in enumerate(bsd68()[: args.images]):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            noisy_db.append(psnr(noisy, clean))
            for quality in QUALITIES:
                figures[quality].append(measure(noisy, clean, sigma, quality, args))
        for quality, values in figures.items():
            decibels, similarities, seconds, plain_decibels, plain_seconds = zip(
                *values, strict=True
            )
            row: dict[str, Any] = {
                "sigma": sigma,
                "quality": quality,
                "noisy psnr": round(statistics.mean(noisy_db), 3),
                "psnr": round(statistics.mean(decibels), 3),
                "ssim": round(statistics.mean(similarities), 4),
                "psnr first 12": round(statistics.mean(decibels[:12]), 3),
                "published psnr": published,
                "median seconds": round(statistics.median(seconds), 4),
                "plain psnr": round(statistics.mean(plain_decibels), 3),
                "plain median seconds": round(statistics.median(plain_seconds), 4),
                "plain / with sigma": round(
                    statistics.median(map(truediv, plain_seconds, seconds)), 3
                ),
            }
            rows.append(row)
            print(row, flush=True)
    if args.images == 68:
        write_result("restoration", {"model": args.model, "threads": args.threads, "rows": rows})


def measure(
    noisy: np.ndarray, clean: Image, sigma: float, quality: Quality, args: argparse.Namespace
) -> tuple[float, ...]:
    """PSNR, SSIM and seconds; PSNR and seconds without sigma."""
    rest = {"model": args.model, "quality": quality, "n_threads": args.threads}
    times, plain_times = [], []
    for _ in range(1 if quality == "exact" else 3):
        start = time.perf_counter()
        restored = fastepll.denoise(noisy, sigma / 255, **rest)
        between = time.perf_counter()
        plain = fastepll.denoise(noisy, **rest)
        plain_times.append(time.perf_counter() - between)
        times.append(between - start)
    return (
        psnr(restored, clean),
        ssim(restored, clean),
        statistics.median(times),
        psnr(plain, clean),
        statistics.median(plain_times),
    )


if __name__ == "__main__":
    main()
