"""Schedules of the quality levels, tuned on training photographs: ``python bench/tune.py``.

For each level and sigma a pattern search over log noise, logit blend and coarse maximises the mean
PSNR of crops of ``bsds300/train``; sigma by sigma, from the solution before. Deterministic: crops,
noise, starting points and the order of the search are fixed. Writes
``fastepll/solver/denoise_schedule.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from protocol import Image, add_noise, data_dir, psnr, read_colour, read_gray

import fastepll
from fastepll import GaussianMixture
from fastepll.solver.settings import Settings

SCHEDULES = Path(__file__).parents[1] / "fastepll" / "solver" / "denoise_schedule.json"
SIGMAS = (25.0, 50.0, 100.0, 15.0, 7.0, 2.0)  # 15 continues from 25
SIDE = 240  # of a crop
CASCADE = {"selection": "cascade", "estimator": "map", "weighting": "uniform"}
FIXED = (
    "stride",
    "n_screen",
    "n_refine",
    "margin",
    "middle_margin",
    "rank_tolerance",
    "window_decay",
)
LEVELS: dict[str, dict[str, tuple[float, ...]]] = {
    "gray": {
        "high": (3, 8, 48, 8.0, 4.0, 0.5, 0.6),
        "balanced": (4, 6, 32, 4.0, 2.5, 0.5, 0.8),
        "fast": (5, 6, 32, 2.5, 2.0, 0.3, 1.0),
        "preview": (7, 6, 16, 3.0, 2.0, 0.3, 1.4),
    },
    "rgb": {
        "high": (3, 8, 96, 12.0, 6.0, 0.3, 0.6),
        "balanced": (4, 8, 64, 8.0, 5.0, 0.3, 0.8),
        "fast": (5, 6, 64, 5.0, 3.0, 0.3, 1.0),
        "preview": (7, 6, 32, 4.0, 3.0, 0.3, 1.4),
    },
}
MODELS = {"gray": "gray-8x8-200", "rgb": "rgb-8x8-200"}
STARTS = {  # noise and blend at sigma 25
    "high": ((1.0, 0.25, 0.125, 0.06, 0.026), (0.51, 0.8, 0.89, 0.955, 0.985)),
    "balanced": ((1.0, 0.31, 0.105, 0.033), (0.5, 0.85, 0.92, 0.984)),
    "fast": ((1.0, 0.25, 0.06), (0.5, 0.85, 0.984)),
    "preview": ((1.0, 0.2), (0.66, 0.985)),
}


def main() -> None:
    """Tune what the arguments name; keep the rest of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", choices=LEVELS, default="gray")
    parser.add_argument("--levels", nargs="+", choices=LEVELS["gray"], default=list(STARTS))
    parser.add_argument("--crops", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=60, help="trials per sigma; 3x at the first")
    arguments = parser.parse_args()
    files = sorted((data_dir() / "bsds300" / "train").glob("*.jpg"))
    files = files[:: len(files) // arguments.crops][: arguments.crops]
    read = read_gray if arguments.prior == "gray" else read_colour
    images = [read(file)[40 : 40 + SIDE, 40 : 40 + SIDE] for file in files]
    model = fastepll.load_model(MODELS[arguments.prior])
    schedules = json.loads(SCHEDULES.read_text())
    for level in arguments.levels:
        fixed = {**CASCADE, **dict(zip(FIXED, LEVELS[arguments.prior][level], strict=True))}
        found: dict[float, Settings] = {}
        for sigma in SIGMAS:
            start = found.get(
                {50.0: 25.0, 100.0: 50.0, 15.0: 25.0, 7.0: 15.0, 2.0: 7.0}.get(sigma, 0)
            )
            if start is None:
                noise, blend = STARTS[level]
                start = Settings(noise=noise, blend=blend, coarse=0.3, **fixed)
            trials = arguments.rounds * (3 if not found else 1)
            found[sigma] = tune(images, model, sigma, start, trials)
        rows = [found[sigma] for sigma in sorted(found)]
        schedules[arguments.prior][level] = {
            **fixed,
            "sigmas": sorted(found),
            "noise": [[round(value, 5) for value in row.noise] for row in rows],
            "blend": [[round(value, 5) for value in row.blend] for row in rows],
            "coarse": [round(row.coarse, 4) for row in rows],
        }
        SCHEDULES.write_text(json.dumps(schedules, indent=1) + "\n")


def tune(
    images: list[Image], model: GaussianMixture, sigma: float, start: Settings, trials: int
) -> Settings:
    """The best settings of so many trials."""
    noisy = [add_noise(image, sigma, i).astype(np.float32) for i, image in enumerate(images)]
    axis = -1 if images[0].ndim == 3 else None

    def loss(point: np.ndarray) -> float:
        denoise = fastepll.Denoiser(
            sigma / 255, model=model, quality=to_settings(point, start), channel_axis=axis
        )
        return -float(np.mean([psnr(denoise(y), x) for x, y in zip(images, noisy, strict=True)]))

    began = time.perf_counter()
    first = to_point(start)
    point, least = search(loss, first, trials)
    print(f"{sigma:g}: {-loss(first):.4f} -> {-least:.4f} dB, {time.perf_counter() - began:.0f} s")
    print("  ", to_settings(point, start), flush=True)
    return to_settings(point, start)


def to_point(settings: Settings) -> np.ndarray:
    """Logarithms of the noise, logits of the blend, and the coarse share."""
    blend = np.array(settings.blend)
    return np.concatenate(
        [np.log(settings.noise), np.log(blend / (1 - blend)), [4 * settings.coarse]]
    )


def to_settings(point: np.ndarray, like: Settings) -> Settings:
    """The inverse; other fields as in ``like``."""
    n = len(like.noise)
    fields = {name: getattr(like, name) for name in (*CASCADE, *FIXED)}
    return Settings(
        noise=np.exp(point[:n]).tolist(),
        blend=(1 / (1 + np.exp(-np.minimum(point[n : 2 * n], 9)))).tolist(),
        coarse=float(np.clip(point[-1] / 4, 0, 1)),
        **fields,
    )


def search(
    loss: Callable[[np.ndarray], float], point: np.ndarray, trials: int
) -> tuple[np.ndarray, float]:
    """Pattern search, one coordinate after the other; steps grow on success and shrink else."""
    steps = np.full(len(point), 0.3)
    least, count = loss(point), 1
    while count < trials and np.abs(steps).max() > 0.02:
        for i in range(len(point)):
            for sign in (1, -1):
                trial = point.copy()
                trial[i] += sign * steps[i]
                value = loss(trial)
                count += 1
                if value < least:
                    point, least = trial, value
                    steps[i] *= sign * 1.3  # the same way first, next time
                    break
            else:
                steps[i] *= 0.4
    return point, least


if __name__ == "__main__":
    main()
