"""The learned level beside those of the prior alone and a network: ``python bench/beyond.py``.

All images of bsd68, methods in turns on each; a ratio is the median, over images, of the time of
FFDNet (torch) by the time of the method.
"""

from __future__ import annotations

import argparse
import statistics
import time
from operator import truediv
from typing import Any

import numpy as np
from pareto import ours
from protocol import add_noise, bsd68, psnr, write_result
from torch_peers import ffdnet

NETWORK = "FFDNet, torch"
SIGMAS = (15, 25, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    methods = {
        "exact": ours("exact", args.threads),
        "high": ours("high", args.threads),
        "fast": ours("fast", args.threads),
        "learned": ours("learned", args.threads),
        NETWORK: ffdnet(args.threads),
    }
    rows: list[dict[str, Any]] = []
    for sigma in SIGMAS:
        decibels: dict[str, list[float]] = {name: [] for name in methods}
        seconds: dict[str, list[float]] = {name: [] for name in methods}
        for i, clean in enumerate(bsd68()[: args.images]):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            for name, method in methods.items():
                times = []
                for _ in range(1 if name in ("exact", NETWORK) else 3):
                    start = time.perf_counter()
                    restored = method(noisy, sigma / 255)
                    times.append(time.perf_counter() - start)
                decibels[name].append(psnr(restored, clean))
                seconds[name].append(statistics.median(times))
        for name in methods:
            ratios = map(truediv, seconds[NETWORK], seconds[name])
            row: dict[str, Any] = {
                "method": name,
                "sigma": sigma,
                "psnr": round(statistics.mean(decibels[name]), 3),
                "median seconds": round(statistics.median(seconds[name]), 4),
                "times as fast as FFDNet": round(statistics.median(ratios), 2),
            }
            rows.append(row)
            print(row, flush=True)
    if args.images == 68:
        write_result("beyond", {"threads": args.threads, "rows": rows})


if __name__ == "__main__":
    main()
