"""Colour denoising on the originals of bsd68 (CBSD68): ``python bench/cbsd68.py``.

PSNR over the three channels of every quality level with both shipped priors: patches of gray in
opponent planes, and patches of RGB, which "learned" has not. ``--slow`` images have the level
"exact".
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from protocol import add_noise, cbsd68, psnr, write_result

import fastepll

PRIORS = ("gray-8x8-200", "rgb-8x8-200")
QUALITIES = ("exact", "learned", "high", "balanced", "fast")
PUBLISHED = {15: 33.52, 25: 30.71, 50: 27.38}  # CBM3D


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68)
    parser.add_argument("--slow", type=int, default=12, help="images of the level exact")
    parser.add_argument("--quality", nargs="+", default=QUALITIES)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    images, rows = cbsd68()[: args.images], []
    for sigma in (15, 25, 50):
        noisy = [add_noise(x, sigma, i).astype(np.float32) for i, x in enumerate(images)]
        for quality in args.quality:
            n = args.slow if quality == "exact" else len(images)
            for prior in PRIORS[:1] if quality == "learned" else PRIORS:
                denoise = fastepll.Denoiser(
                    sigma / 255,
                    model=prior,
                    quality=quality,
                    channel_axis=-1,
                    n_threads=args.threads,
                )
                denoise(noisy[0][:16, :16])  # makes the tables
                values, times = [], []
                for x, y in zip(images[:n], noisy, strict=False):
                    begin = time.perf_counter()
                    restored = denoise(y)
                    times.append(time.perf_counter() - begin)
                    values.append(psnr(restored, x))
                rows.append(
                    {
                        "sigma": sigma,
                        "quality": quality,
                        "prior": prior,
                        "images": n,
                        "psnr": round(statistics.mean(values), 3),
                        "psnr of 12": round(statistics.mean(values[:12]), 3),
                        "seconds": round(statistics.median(times), 4),
                    }
                )
                print(rows[-1], flush=True)
    result = {"threads": args.threads, "CBM3D published": PUBLISHED, "rows": rows}
    write_result("cbsd68", result)


if __name__ == "__main__":
    main()
