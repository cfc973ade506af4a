"""The steps of "learned" as the denoiser of other tasks: ``python bench/plug_and_play.py``.

The result of `fastepll.restore` at "high" goes through a few more turns, each a restoration of
white noise of one level and the solution for x, by "learned" and by "high".
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from protocol import add_noise, bsd68, psnr, write_result
from tasks import Case, blur, missing, valid, vignetting

import fastepll
from fastepll.typing import Quality

LEVELS = (10, 7, 5, 4, 3, 3)  # of 255, that the turns take for the noise
WEIGHTS = (0.25, 0.5, 1.0)  # of the denoised image
SIGMAS = (3, 5, 10, 15, 25)
LEAST = 2e-4  # noise of a measurement without any
TASKS = {
    "blur levin1": blur("levin1"),
    "valid levin1": valid("levin1"),
    "missing 50 %": missing(0.5, 0),
    "missing 80 %": missing(0.8, 0),
    "vignetting": vignetting,
}


def turns(case: Case, start: Any, quality: Quality, weight: float, threads: int) -> Any:
    """An image after the turns."""
    operator, y = case.operator, case.y.astype(np.float32)
    data, x = operator.adjoint(y), start.astype(np.float32)
    for level in LEVELS:
        denoised = fastepll.denoise(x, level / 255, quality=quality, n_threads=threads)
        tau = weight * (max(case.sigma, LEAST) * 255 / level) ** 2
        tau = max(tau, operator.least_tau)
        x = operator.step(denoised, tau, y=y, data=data, start=x).astype(np.float32)
    return x


def of_task(name: str, n_images: int, threads: int) -> dict[str, Any]:
    """Mean decibels of "high", and after turns by either, each with its best weight; seconds."""
    found: dict[Any, list[float]] = {}
    for i, clean in enumerate(bsd68()[:n_images]):
        case = TASKS[name](clean, i)
        began = time.perf_counter()
        start = fastepll.restore(
            case.y, case.operator, case.sigma, quality="high", n_threads=threads
        )
        ended = time.perf_counter()

        def note(key: Any, image: Any, case: Case = case, clean: Any = clean) -> None:
            found.setdefault(key, []).append(psnr(image[case.compared], clean[case.compared]))

        note("high", start)
        for quality in ("high", "learned"):
            for weight in WEIGHTS:
                note((quality, weight), turns(case, start, quality, weight, threads))
        found.setdefault("seconds", []).append(ended - began)
        again = (time.perf_counter() - ended) / (2 * len(WEIGHTS))
        found.setdefault("seconds of turns", []).append(again)
    row = {key: statistics.mean(found[key]) for key in ("high", "seconds", "seconds of turns")}
    for quality in ("high", "learned"):
        means = [statistics.mean(found[quality, weight]) for weight in WEIGHTS]
        row[f"{quality}, turns"] = max(means)
    return {"task": name} | {key: round(value, 3) for key, value in row.items()}


def of_noise(sigma: float, n_images: int, threads: int) -> dict[str, Any]:
    """Mean decibels of both in denoising itself."""
    row: dict[str, Any] = {"sigma": sigma}
    for quality in ("high", "learned"):
        each = []
        for i, clean in enumerate(bsd68()[:n_images]):
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            restored = fastepll.denoise(noisy, sigma / 255, quality=quality, n_threads=threads)
            each.append(psnr(restored, clean))
        row[quality] = round(statistics.mean(each), 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12, help="only the first N images")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    noise = [of_noise(sigma, args.images, args.threads) for sigma in SIGMAS]
    print(*noise, sep="\n", flush=True)
    tasks = []
    for name in TASKS:
        tasks.append(of_task(name, args.images, args.threads))
        print(tasks[-1], flush=True)
    figures = {"images": args.images, "threads": args.threads, "levels": LEVELS}
    write_result("plug_and_play", {**figures, "noise": noise, "tasks": tasks})


if __name__ == "__main__":
    main()
