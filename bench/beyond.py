"""The learned level beside those of the prior alone, networks and BM3D: ``python bench/beyond.py``.

All images of bsd68, methods in turns on each; a ratio is the median, over images, of the time of
FFDNet (torch) by the time of the method. BM3D has the first ``--slow`` images, its decibels stand
beside those of "exact" on these. Memory is what a restoration of the first image takes at most
beyond what a process of its own held after one of a corner. At sigma 25 pictures of where each
method fails are drawn (docs/benchmarks/beyond.png).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from operator import truediv
from pathlib import Path
from typing import Any

import numpy as np
from failures import draw
from pareto import ours
from peers import bm3d
from protocol import Denoise, Image, add_noise, bsd68, psnr, write_result
from scaling import resident, resident_afresh
from torch_peers import dncnn, ffdnet

import fastepll
from fastepll.typing import Quality

NETWORK, BLOCKS = "FFDNet, torch", "BM3D"
SIGMAS = (15, 25, 50)
PICTURE = Path(__file__).parents[1] / "docs" / "benchmarks" / "beyond.png"


def adapted(quality: Quality, n_threads: int) -> Denoise:
    """One quality level by a prior that is first adapted to the image."""

    def call(noisy: Image, sigma: float) -> Image:
        own = fastepll.adapt("gray-8x8-200", noisy, sigma, n_threads=n_threads)
        return fastepll.denoise(noisy, sigma, model=own, quality=quality, n_threads=n_threads)

    return call


METHODS: dict[str, Callable[[int], Denoise]] = {
    "exact": partial(ours, "exact"),
    "high": partial(ours, "high"),
    "fast": partial(ours, "fast"),
    "learned": partial(ours, "learned"),
    "learned, adapted": partial(adapted, "learned"),
    NETWORK: ffdnet,
    "DnCNN, torch": dncnn,
    BLOCKS: bm3d,
}
KNOWN = {"DnCNN, torch": (25,)}  # the only sigmas a network knows


def memory(name: str, threads: int) -> float:
    """MB that a restoration takes, in this process."""
    method, noisy = METHODS[name](threads), add_noise(bsd68()[0], 25, 0).astype(np.float32)
    method(noisy[:64, :64].copy(), 25 / 255)
    before = resident_afresh()
    method(noisy, 25 / 255)
    return resident("VmHWM") - before


def in_another_process(name: str, threads: int) -> float | None:
    """The same in a process of its own; None where the system does not tell."""
    if not os.path.exists("/proc/self/clear_refs"):
        return None
    command = [sys.executable, __file__, "--threads", str(threads), "--memory", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--slow", type=int, default=6, help="images of BM3D")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", choices=METHODS, help="print the memory of one method alone")
    args = parser.parse_args()
    if args.memory is not None:
        print(json.dumps(memory(args.memory, args.threads)))
        return
    images = bsd68()[: args.images]
    methods = {name: make(args.threads) for name, make in METHODS.items()}
    megabytes = {name: in_another_process(name, args.threads) for name in METHODS}
    rows: list[dict[str, Any]] = []
    for sigma in SIGMAS:
        due = {k: v for k, v in methods.items() if sigma in KNOWN.get(k, SIGMAS)}
        decibels: dict[str, list[float]] = {name: [] for name in due}
        seconds: dict[str, list[float]] = {name: [] for name in due}
        restored: dict[str, list[Image]] = {name: [] for name in due}
        for i, clean in enumerate(images):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            for name, method in due.items():
                if name == BLOCKS and i >= args.slow:
                    continue
                times: list[float] = []
                while len(times) < 3 and (not times or times[0] < 0.2):
                    start = time.perf_counter()
                    image = method(noisy, sigma / 255)
                    times.append(time.perf_counter() - start)
                restored[name].append(np.asarray(image, np.float32))
                decibels[name].append(psnr(image, clean))
                seconds[name].append(statistics.median(times))
        for name in due:
            n = len(decibels[name])
            ratios = map(truediv, seconds[NETWORK], seconds[name])
            rows.append(
                {
                    "method": name,
                    "sigma": sigma,
                    "images": n,
                    "psnr": round(statistics.mean(decibels[name]), 3),
                    "psnr of exact": round(statistics.mean(decibels["exact"][:n]), 3),
                    "median seconds": round(statistics.median(seconds[name]), 4),
                    "times as fast as FFDNet": round(statistics.median(ratios), 2),
                    "megabytes": None if megabytes[name] is None else round(megabytes[name], 1),
                }
            )
            print(rows[-1], flush=True)
        if sigma == 25 and args.images == 68:
            noisy = [add_noise(clean, sigma, i) for i, clean in enumerate(images)]
            whole = {name: each for name, each in restored.items() if name != BLOCKS}
            draw(PICTURE, images, noisy, whole)
    if args.images == 68:
        write_result("beyond", {"threads": args.threads, "rows": rows})


if __name__ == "__main__":
    main()
