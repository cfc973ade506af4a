"""Time and roofline of the exact method, backend by backend: ``python bench/speed.py``.

All timings of a row are interleaved in one process; medians, so that ratios hold on a noisy
machine. The roofline is the rate of NumPy's single-precision matrix product, measured between the
passes with as many threads.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from protocol import add_noise, bsd68, write_result
from threadpoolctl import threadpool_limits

import fastepll
from fastepll.backends import Backend, get_backend, why_not
from fastepll.backends.passes import Pass
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import EXACT


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def matrix_product_rate(threads: int, n: int = 1536) -> float:
    """GF/s of NumPy's float32 matrix product; the best of three."""
    a = np.random.default_rng(0).random((n, n), dtype=np.float32)
    with threadpool_limits(threads, "blas"):
        return 2 * n**3 / min(seconds(lambda: a @ a) for _ in range(3)) / 1e9


def roofline(noisy: np.ndarray, threads: int, repeats: int) -> dict[str, Any]:
    """Rate of the exhaustive selection (operations counted exactly) beside the matrix product."""
    from fastepll.backends.native import backend

    model, step = fastepll.load_model("gray-8x8-200"), Pass(noise_var=(25 / 255) ** 2 / 8)
    q = model.d - 1
    n_patches = (noisy.shape[0] - 7) * (noisy.shape[1] - 7)
    work = 2 * n_patches * model.k * (q * (q + 1) // 2 + q)  # triangle, then sum of squares
    rates, peaks, ratios, bounded = [], [], [], []
    for _ in range(repeats):
        times = {
            name: seconds(
                lambda name=name: backend.select(
                    noisy, model, step, n_threads=threads, exhaustive=name == "exhaustive"
                )
            )
            for name in ("exhaustive", "bounded")
        }
        peaks.append(matrix_product_rate(threads))
        rates.append(work / times["exhaustive"] / 1e9)
        ratios.append(rates[-1] / peaks[-1])
        bounded.append(times["exhaustive"] / times["bounded"])
    return {
        "threads": threads,
        "selection GF/s": round(statistics.median(rates), 1),
        "matrix product GF/s": round(statistics.median(peaks), 1),
        "fraction": round(statistics.median(ratios), 3),
        "bounded speed-up": round(statistics.median(bounded), 2),
    }


def denoising(noisy: np.ndarray, threads: int, repeats: int) -> dict[str, Any]:
    """Median seconds per backend and how many times slower numba is, interleaved."""
    model = fastepll.load_model("gray-8x8-200")
    backends: list[Backend] = [get_backend(n) for n in ("native", "numba") if not why_not(n)]
    times: dict[str, list[float]] = {backend.name: [] for backend in backends}
    for backend in backends:  # compile and prepare
        corner = np.ascontiguousarray(noisy[:40, :40])
        denoise_plane(corner, model, 25 / 255, EXACT, backend=backend, n_threads=threads)
    for _ in range(repeats):
        for backend in backends:
            times[backend.name].append(
                seconds(
                    lambda backend=backend: denoise_plane(
                        noisy, model, 25 / 255, EXACT, backend=backend, n_threads=threads
                    )
                )
            )
    row: dict[str, Any] = {"threads": threads}
    row |= {f"{name} seconds": round(statistics.median(t), 3) for name, t in times.items()}
    if "numba" in times:
        pairs = zip(times["numba"], times["native"], strict=True)
        row["numba / native"] = round(statistics.median(a / b for a, b in pairs), 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    noisy = add_noise(bsd68()[0], 25, 0).astype(np.float32)
    figures: dict[str, Any] = {"image": list(noisy.shape), "sigma": 25}
    figures["roofline"] = [roofline(noisy, t, args.repeats) for t in args.threads]
    print(figures, flush=True)
    figures["denoising"] = [denoising(noisy, t, args.repeats) for t in args.threads]
    print(figures["denoising"], flush=True)
    write_result("speed", figures)


if __name__ == "__main__":
    main()
