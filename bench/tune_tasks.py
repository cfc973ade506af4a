"""Plans of the restoration tasks, tuned on training photographs: ``python bench/tune_tasks.py``.

For each kind of operator and sigma the pattern search of ``bench/tune.py`` maximises the mean PSNR
of crops of ``bsds300/train``, restored at quality "balanced", over the numbers of
`fastepll.solver.restore_schedule.Plan`. The operator changes from crop to crop; noise, sigma times
its scale, and crops are fixed. Writes ``fastepll/solver/restore_schedule.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from protocol import Image, add_noise, data_dir, psnr, read_gray
from scipy.fft import dctn, idctn
from tasks import falling_gain, levin, words
from tune import search

from fastepll.backends import get_backend
from fastepll.models import load_model
from fastepll.operators import (
    Blur,
    Diagonal,
    Downsample,
    Identity,
    Mask,
    Operator,
    bicubic_kernel,
)
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import restorations
from fastepll.solver.restore_schedule import CHOICE, FLOOR, LEVEL, Plan, n_passes, plan_for

TABLE = Path(__file__).parents[1] / "fastepll" / "restore_schedule.json"
SIDE = 144  # of a crop
SIGMAS = {
    "blur": (0.5, 2.55, 10.0),
    "mask": (0.05, 2.0, 10.0, 25.0),
    "diagonal": (0.5, 2.0, 10.0, 25.0),
    "downsample": (0.05, 2.0, 10.0),
    "identity": (2.0, 10.0, 25.0, 50.0),
    "any": (0.05, 2.0, 10.0),
}
MODEL, BACKEND = load_model("gray-8x8-200"), get_backend()


class Cosines(Operator):
    """Some cosine coefficients of the image, the others 0."""

    def __init__(self, kept: Image) -> None:
        super().__init__(kept.shape, kept.shape)
        self.kept = kept

    def forward(self, x: Image) -> Image:
        """The coefficients."""
        return dctn(x, norm="ortho") * self.kept.astype(x.dtype)

    def adjoint(self, y: Image) -> Image:
        """The image that has them."""
        return idctn(y * self.kept.astype(y.dtype), norm="ortho")


def kernel(i: int) -> Image:
    """Of every three kernels two of camera shake and a Gaussian."""
    if i % 3 < 2:
        return levin(f"levin{1 + (i // 3 * 2 + i % 3) % 8}")
    t = np.exp(-0.5 * (np.arange(-8, 9) / (0.8 + 0.4 * (i // 3 % 4))) ** 2)
    return np.multiply.outer(t, t) / t.sum() ** 2


def operator(kind: str, i: int) -> Operator:
    """The operator for crop i."""
    rng, shape = np.random.default_rng(1000 + i), (SIDE, SIDE)
    holes = [rng.random(shape) < share for share in (0.5, 0.8, 0.3)]
    kept = rng.random(shape) < 0.5
    kept[:16, :16] = True
    choices: dict[str, Callable[[], Operator]] = {
        "blur": lambda: Blur(kernel(i), shape),
        "mask": lambda: Mask([*holes, words(shape)][i % 4]),
        "diagonal": lambda: Diagonal(falling_gain(shape)),
        "downsample": lambda: Downsample(bicubic_kernel(2 + i % 3), shape, 2 + i % 3),
        "identity": lambda: Identity(shape),
        "any": lambda: Mask(holes[0]) @ Blur(kernel(2 + 3 * i), shape) if i % 2 else Cosines(kept),
    }
    return choices[kind]()


def tune(crops: list[Image], kind: str, sigma: float, start: Plan, trials: int) -> Plan:
    """The best plan of so many trials."""
    cases = []
    for i, clean in enumerate(crops):
        a = operator(kind, i)
        noise = sigma * a.scale if sigma > 0.1 else 0
        cases.append((add_noise(a.forward(clean), noise, i).astype(np.float32), a, clean))
    base = replace(settings_for("balanced", LEVEL), **CHOICE["balanced"])
    n = n_passes("balanced", kind)

    def loss(point: np.ndarray) -> float:
        settings = to_plan(point).settings(base, n)
        results = []
        for y, a, clean in cases:
            level = max(sigma / 255 * a.scale, FLOOR)
            run = restorations([y], a, MODEL, level, settings, backend=BACKEND, n_threads=1)
            results.append(psnr(list(run)[-1], clean))
        return -float(np.mean(results))

    began = time.perf_counter()
    first = to_point(start)
    point, least = search(loss, first, trials)
    seconds = time.perf_counter() - began
    print(f"{kind} {sigma:g}: {-loss(first):.3f} -> {-least:.3f} dB, {seconds:.0f} s")
    print("  ", to_plan(point), flush=True)
    return to_plan(point)


def to_point(plan: Plan) -> np.ndarray:
    """Logarithms of all but the momentum."""
    values = np.array(astuple(plan))
    return np.append(np.log(values[:-1]), 2 * values[-1])


def to_plan(point: np.ndarray) -> Plan:
    """The inverse, within what `Settings` allow and momentum in [0, 0.95]."""
    low, high = (0.001, 0.001, 0.001, 0.1), (10, 10, 1, 10)
    first, last, weight, curvature = np.clip(np.exp(point[:-1]), low, high).tolist()
    momentum = float(np.clip(point[-1] / 2, 0, 0.95))
    return Plan(first=first, last=last, weight=weight, curvature=curvature, momentum=momentum)


def main() -> None:
    """Tune what the arguments name; keep the rest of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=SIGMAS, default=list(SIGMAS))
    parser.add_argument("--crops", type=int, default=12)
    parser.add_argument("--trials", type=int, default=80, help="for each sigma")
    arguments = parser.parse_args()
    files = sorted((data_dir() / "bsds300" / "train").glob("*.jpg"))
    files = files[7 :: len(files) // arguments.crops][: arguments.crops]
    crops = [read_gray(file)[80 : 80 + SIDE, 100 : 100 + SIDE] for file in files]
    for kind in arguments.kinds:
        rows = []
        for sigma in SIGMAS[kind]:
            plan = tune(crops, kind, sigma, plan_for(kind, sigma / 255), arguments.trials)
            values = {name: round(value, 4) for name, value in vars(plan).items()}
            rows.append({"sigma": sigma, **values})
        table = json.loads(TABLE.read_text())
        table[kind] = rows
        TABLE.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
