"""Time per pixel and peak memory by image size, threads, patch side and components.

    python bench/scaling.py             # 0.15 to 100 megapixels; and the tasks of single pixels
    python bench/scaling.py --tasks denoise --megapixels 6.25 100 --threads 2 --qualities balanced \
        --name far
    python bench/scaling.py --rounds 1 --megapixels 0.15 --threads 1 --qualities exact    # a try

The image of any size is one photograph of bsd68, mirrored at its edges again and again, with fresh
noise: the same statistics at every size. Each measurement has a process of its own, and rounds go
through all of them in turn. Extra memory is the highest resident size during the call, result
included, less that before it (Linux only). For 100 megapixels ``far`` is the time per pixel in that
of 2500x2500. The tasks beside denoising are `restore` with half of the pixels missing or with a
gain that falls to 0.2.

Patch sides and numbers of components are compared with mixtures that nobody trained: a component
is the covariance of the patches in a random window of a photograph of bsds300/train.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from protocol import data_dir, read_gray, write_result

import fastepll
from fastepll.operators import Diagonal, Mask, Operator

SIGMA = 25
SHAPES = {
    0.15: (321, 481),
    1: (1000, 1000),
    6.25: (2500, 2500),
    12: (3000, 4000),
    25: (5000, 5000),
    100: (10_000, 10_000),
}
TASKS = ("denoise", "mask", "diagonal")
SIDES, COMPONENTS = (4, 6, 8, 12), (50, 200, 800)  # each with 200 components, of side 8
WINDOW = 32  # pixels beside each other whose patches make a component


def noisy_image(shape: tuple[int, int]) -> NDArray[np.float32]:
    """A photograph mirrored up to the shape, with noise; made in place, so that memory is known."""
    photo = read_gray(min((data_dir() / "bsd68").glob("*.png"))).T.astype(np.float32)
    rows, cols = (
        np.concatenate([np.arange(n), np.arange(n)[::-1]])[np.arange(size) % (2 * n)]
        for n, size in zip(photo.shape, shape, strict=True)
    )
    image = np.empty(shape, np.float32)
    rng = np.random.default_rng(0)
    for row in range(shape[0]):
        image[row] = photo[rows[row], cols]
        image[row] += np.float32(SIGMA / 255) * rng.standard_normal(shape[1], np.float32)
    return image


def untrained(side: int, k: int) -> fastepll.GaussianMixture:
    """Mixture of k components for patches of that side."""
    photos = [read_gray(p) for p in sorted((data_dir() / "bsds300/train").glob("*.jpg"))[::20]]
    rng, d = np.random.default_rng(0), side * side
    covariances = np.empty((k, d, d))
    for covariance in covariances:
        photo = photos[rng.integers(len(photos))]
        corner = [rng.integers(size - WINDOW - side) for size in photo.shape]
        top, left = corner
        window = photo[top : top + WINDOW + side - 1, left : left + WINDOW + side - 1]
        patches = np.lib.stride_tricks.sliding_window_view(window, (side, side)).reshape(-1, d)
        patches = patches - patches.mean(axis=1, keepdims=True)
        covariance[:] = patches.T @ patches / len(patches) + 1e-5 * (np.eye(d) - 1 / d)
    return fastepll.GaussianMixture.from_covariances(np.full(k, 1 / k), covariances, (side, side))


def resident(field: str) -> float:
    """VmRSS, the resident size now, or VmHWM, its peak, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024 / 1e6


def resident_afresh() -> float:
    """The resident size in MB, from which the peak starts anew."""
    ctypes.CDLL(None).malloc_trim(0)  # freed memory is given back, not used again unseen
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    return before


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Seconds and extra MB of one case; to be run in a fresh process."""
    model = untrained(case["side"], case["k"]) if "side" in case else "gray-8x8-200"
    image = noisy_image(SHAPES[case["megapixels"]])
    task = case.get("task", "denoise")
    options = {"model": model, "quality": case["quality"], "n_threads": case["threads"]}

    def operator(shape: tuple[int, ...]) -> Operator:
        if task == "diagonal":
            return Diagonal(np.broadcast_to(np.linspace(0.2, 1, shape[1]), shape))
        return Mask(np.random.default_rng(0).random(shape, np.float32) < 0.5)

    def call(pixels: NDArray[np.float32], a: Operator | None) -> float:
        start = time.perf_counter()
        if a is None:
            fastepll.denoise(pixels, SIGMA / 255, **options)
        else:
            fastepll.restore(pixels, a, SIGMA / 255, **options)
        return time.perf_counter() - start

    a = None if task == "denoise" else operator(image.shape)
    call(image[:64, :64].copy(), None if a is None else operator((64, 64)))
    before = resident_afresh()
    times = [call(image, a)]
    extra = resident("VmHWM") - before
    while sum(times) < 1 and len(times) < 7:
        times.append(call(image, a))
    return {"seconds": statistics.median(times), "extra MB": extra}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--qualities", nargs="+", default=["balanced", "fast"])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--name", default="scaling", help="of the file in results/")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(json.loads(args.child))))
        return
    cases: list[dict[str, Any]] = [
        {"megapixels": size, "quality": quality, "threads": threads, "task": task}
        for task in args.tasks
        for size in args.megapixels
        for quality in (args.qualities if task == "denoise" else args.qualities[:1])
        for threads in (args.threads if task == "denoise" else [max(args.threads)])
    ]
    shapes = dict.fromkeys([(side, 200) for side in SIDES] + [(8, k) for k in COMPONENTS])
    cases += [
        {"megapixels": 0.15, "quality": quality, "threads": max(args.threads), "side": side, "k": k}
        for quality in args.qualities
        for side, k in shapes
        if "denoise" in args.tasks and 0.15 in args.megapixels
    ]
    found: list[list[dict[str, float]]] = [[] for _ in cases]
    for _ in range(args.rounds):
        for case, figures in zip(cases, found, strict=True):
            command = [sys.executable, __file__, "--child", json.dumps(case)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            figures.append(json.loads(done.stdout))
            print(case, figures[-1], flush=True)
    rows = []
    for case, figures in zip(cases, found, strict=True):
        seconds = statistics.median(f["seconds"] for f in figures)
        height, width = SHAPES[case["megapixels"]]
        rows.append(
            {
                **case,
                "seconds": float(f"{seconds:.4g}"),
                "ns per pixel": float(f"{1e9 * seconds / (height * width):.4g}"),
                "extra MB": round(statistics.median(f["extra MB"] for f in figures), 1),
            }
        )
    for row in rows:
        near = {**row, "megapixels": 6.25}
        keys = ("megapixels", "quality", "threads", "task", "side", "k")
        small = [r for r in rows if all(r.get(key) == near.get(key) for key in keys)]
        if row["megapixels"] == 100 and small:
            ratio = row["ns per pixel"] / small[0]["ns per pixel"]
            row["far"] = round(ratio, 3)
    write_result(args.name, {"sigma": SIGMA, "rounds": args.rounds, "rows": rows})


if __name__ == "__main__":
    main()
