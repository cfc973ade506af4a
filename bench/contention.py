"""Two threads beside busy processes: ``python bench/contention.py``.

The time of `fastepll.denoise` with two threads as a ratio to that with one thread under the same
load, beside 0, 1 and 2 processes that never rest. A repetition is the ratio of the median times of
calls that take turns. ``--layers team openmp`` compares where the threads come from; a run of each
layer has a process of its own, repetition by repetition.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from protocol import add_noise, bsd68, write_result

import fastepll
from fastepll.typing import Quality

CALLS: dict[Quality, int] = {"balanced": 25, "exact": 3}  # with each number of threads, in turn


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Beside n processes that never rest."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        time.sleep(0.3 if n else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def times(quality: Quality) -> dict[int, list[float]]:
    """Seconds of calls with one and with two threads, in turn."""
    noisy = add_noise(bsd68()[3], 25, 3).astype(np.float32)
    denoisers = {n: fastepll.Denoiser(sigma=25 / 255, quality=quality, n_threads=n) for n in (1, 2)}
    found: dict[int, list[float]] = {n: [] for n in denoisers}
    for call in range(CALLS[quality] + 1):
        for n, denoiser in denoisers.items():
            start = time.perf_counter()
            denoiser(noisy)
            if call > 0:
                found[n].append(time.perf_counter() - start)
    return found


def measure(layer: str, load: int, quality: Quality) -> dict[int, list[float]]:
    """`times` in a process of its own."""
    command = [sys.executable, __file__, "--child", quality]
    environment = os.environ | {"FASTEPLL_THREADING": layer}
    with busy(load):
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
    return {int(n): seconds for n, seconds in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--qualities", nargs="+", default=list(CALLS))
    parser.add_argument("--layers", nargs="+", default=["team"])
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(times(args.child)))
        return
    cases = list(itertools.product(args.qualities, args.loads, args.layers))
    runs: dict[tuple[Quality, int, str], list[dict[int, list[float]]]] = {c: [] for c in cases}
    for _ in range(args.repeats):
        for quality, load, layer in cases:
            runs[quality, load, layer].append(measure(layer, load, quality))
    rows = []
    for (quality, load, layer), found in runs.items():
        ratios = [statistics.median(run[2]) / statistics.median(run[1]) for run in found]
        rows.append(
            {
                "quality": quality,
                "busy processes": load,
                "layer": layer,
                "1 thread ms": milliseconds(found, 1),
                "2 threads ms": milliseconds(found, 2),
                "2 / 1, median": round(statistics.median(ratios), 3),
                "2 / 1, least": round(min(ratios), 3),
                "2 / 1, most": round(max(ratios), 3),
            }
        )
        print(rows[-1])
    if not args.no_write:
        write_result("contention", {"repetitions": args.repeats, "rows": rows})


def milliseconds(found: list[dict[int, list[float]]], n_threads: int) -> float:
    """Median over all calls."""
    return round(1e3 * statistics.median(itertools.chain(*(run[n_threads] for run in found))), 2)


if __name__ == "__main__":
    main()
