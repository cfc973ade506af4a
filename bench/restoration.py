"""PSNR, SSIM and time of exact EPLL denoising on bsd68: ``python bench/restoration.py``."""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from protocol import add_noise, bsd68, psnr, ssim, write_result

import fastepll

PUBLISHED = {15: 31.21, 25: 28.68, 50: 25.67}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--model", default="gray-8x8-200")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for sigma, published in PUBLISHED.items():
        figures = []
        for i, clean in enumerate(bsd68()[: args.images]):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            start = time.perf_counter()
            restored = fastepll.denoise(
                noisy, sigma / 255, model=args.model, quality="exact", n_threads=args.threads
            )
            seconds = time.perf_counter() - start
            quality = psnr(noisy, clean), psnr(restored, clean), ssim(restored, clean)
            figures.append((*quality, seconds))
        noisy_db, restored_db, similarity, seconds = zip(*figures, strict=True)
        rows.append(
            {
                "sigma": sigma,
                "noisy psnr": round(statistics.mean(noisy_db), 3),
                "psnr": round(statistics.mean(restored_db), 3),
                "ssim": round(statistics.mean(similarity), 4),
                "psnr first 12": round(statistics.mean(restored_db[:12]), 3),
                "published psnr": published,
                "median seconds": round(statistics.median(seconds), 3),
            }
        )
        print(rows[-1], flush=True)
    if args.images == 68:
        write_result("restoration", {"model": args.model, "threads": args.threads, "rows": rows})


if __name__ == "__main__":
    main()
