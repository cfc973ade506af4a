"""Error of the noise estimate on bsd68: ``python bench/noise.py`` (scikit-image needs PyWavelets).

Every figure is estimate / truth. ``float`` is the protocol's noise, ``uint8`` the same rounded and
clipped to 8 bits as a camera would.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from protocol import add_noise, bsd68, data_dir, read_gray, write_result

import fastepll

SIGMAS = {
    "fastepll float": (5, 10, 15, 25, 50, 75),
    "fastepll uint8": (5, 25),
    "scikit-image float": (5, 10, 15, 25, 50, 75),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument(
        "--folder", help="photographs to use instead of bsd68 (tuning: bsds300/train)"
    )
    parser.add_argument("--model", default="gray-8x8-200")
    args = parser.parse_args()
    if args.folder:
        clean = [read_gray(path) for path in sorted((data_dir() / args.folder).glob("*"))]
    else:
        clean = bsd68()
    clean = clean[: args.images]
    methods: dict[str, Callable[[Any], float]] = {
        "fastepll float": lambda noisy: estimate(noisy, args.model),
        "fastepll uint8": lambda noisy: estimate(to_uint8(noisy), args.model) / 255,
    }
    if importlib.util.find_spec("pywt"):
        from skimage.restoration import estimate_sigma

        methods["scikit-image float"] = estimate_sigma
    rows = []
    for method, run in methods.items():
        for sigma in SIGMAS[method]:
            start = time.perf_counter()
            ratios = np.array(
                [run(add_noise(image, sigma, i)) * 255 / sigma for i, image in enumerate(clean)]
            )
            rows.append(
                {
                    "method": method,
                    "sigma": sigma,
                    "mean": round(float(ratios.mean()), 4),
                    "median": round(float(np.median(ratios)), 4),
                    "min": round(float(ratios.min()), 4),
                    "max": round(float(ratios.max()), 4),
                    "worst image": int(np.abs(ratios - 1).argmax()) + 1,
                    "within 10 %": f"{(np.abs(ratios - 1) <= 0.1).sum()}/{len(ratios)}",
                    "seconds": round((time.perf_counter() - start) / len(ratios), 3),
                }
            )
            print(rows[-1], flush=True)
    if not args.folder and args.images == 68:
        write_result("noise", {"model": args.model, "rows": rows})


def estimate(noisy: Any, model: str) -> float:
    return fastepll.estimate_sigma(noisy, model=model)


def to_uint8(image: Any) -> Any:
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
