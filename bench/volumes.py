"""Volumes against their slices, and against peers: ``python bench/volumes.py``."""

from __future__ import annotations

import argparse
import time
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
from phantoms import PHANTOMS
from protocol import Denoise, Image, add_noise, psnr, write_result

import fastepll

NAME = "gray-8x8-200"
SIGMAS = (10, 25, 50)
LEVELS = ("preview", "fast", "balanced", "high", "exact")


def together(quality: str, threads: int) -> Denoise:
    """Volumes by that level."""
    return partial(fastepll.denoise, spatial_axes=3, quality=quality, n_threads=threads)


def adapted(quality: str, threads: int) -> Denoise:
    """The same by a prior of the volume."""

    def restore(noisy: Any, sigma: float) -> Any:
        own = fastepll.adapt(NAME, noisy, sigma, spatial_axes=3, n_threads=threads)
        return together(quality, threads)(noisy, sigma, model=own)  # type: ignore[call-arg]

    return restore


def nlm(noisy: Any, sigma: float, factor: float) -> Any:
    """Non-local means of scikit-image."""
    from skimage.restoration import denoise_nl_means

    h = factor * sigma
    return denoise_nl_means(noisy, patch_size=3, patch_distance=5, h=h, sigma=sigma)


def tv(noisy: Any, sigma: float, factor: float) -> Any:
    """Total variation of scikit-image."""
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(noisy, weight=factor * sigma)


def bm4d(noisy: Any, sigma: float) -> Any:
    """BM4D of its authors."""
    import bm4d

    return bm4d.bm4d(noisy, sigma)


def ways(threads: int) -> dict[str, list[Denoise]]:
    """What is compared, by name; of several constants the best in each case counts."""
    slices = partial(fastepll.denoise, stack=True, n_threads=threads)
    return {
        "slices, balanced": [slices],
        "slices, high": [partial(slices, quality="high")],
        **{level: [together(level, threads)] for level in LEVELS},
        "balanced, adapted": [adapted("balanced", threads)],
        "high, adapted": [adapted("high", threads)],
        "total variation": [partial(tv, factor=factor) for factor in (0.7, 1.0, 1.4, 2.0)],
        "non-local means": [partial(nlm, factor=factor) for factor in (0.4, 0.6, 0.8, 1.0)],
        "BM4D": [bm4d],
    }


def measured(denoise: Denoise, noisy: Any, sigma: float, clean: Image) -> dict[str, float]:
    """Decibels and seconds."""
    start = time.perf_counter()
    restored = denoise(noisy, sigma / 255)
    seconds = time.perf_counter() - start
    return {"dB": round(psnr(restored, clean), 3), "seconds": round(seconds, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="these ways alone; nothing is written")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for name, phantom in PHANTOMS.items():
        clean = phantom()
        for sigma in SIGMAS:
            noisy = add_noise(clean, sigma, 0).astype(np.float32)
            row: dict[str, Any] = {"volume": name, "shape": clean.shape, "sigma": sigma}
            for way, choices in ways(args.threads).items():
                if not args.only or way in args.only:
                    each = [measured(choice, noisy, sigma, clean) for choice in choices]
                    row[way] = max(each, key=itemgetter("dB"))
            rows.append(row)
            print(row, flush=True)
    if not args.only:
        write_result("volumes", {"threads": args.threads, "rows": rows})


if __name__ == "__main__":
    main()
