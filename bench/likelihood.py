"""Test log-likelihood of a model (63 dimensions, nats per patch): ``python bench/likelihood.py``.

The protocol: 8x8 gray patches of bsds300/test, uniform noise in [0, 1) on the 0-255 scale added,
divided by 256, patch mean subtracted, last value dropped (for a colour prior: 8x8 patches of red,
green and blue, of 191 dimensions). A stored mixture is one of mean-free
patches of 64 values over 255; what the first 63 of them follow is its exact marginal: the mean-free
part of each covariance without its last row and column, times (255/256) squared.

    python bench/likelihood.py --patches 1000000
    python bench/likelihood.py --history bench/results/train-gray-8x8-200.csv  # a plot
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from protocol import data_dir, write_result

from fastepll.models import GaussianMixture, load_model
from fastepll.train.patches import list_images, stream_patches

SCALE = 255 / 256


def marginal(model: GaussianMixture) -> GaussianMixture:
    """Mixture of the first d - 1 values of a mean-free patch over 256."""
    d = model.d
    centre = np.eye(d) - 1 / d
    covariances = (centre @ model.covariances @ centre)[:, :-1, :-1] * SCALE**2
    return GaussianMixture.from_covariances(model.weights, covariances, (d - 1,))


def test_likelihood(model: GaussianMixture, n_patches: int, seed: int) -> tuple[float, float]:
    """Mean over the test patches and its standard error over images."""
    density = marginal(model)
    paths = list_images(data_dir() / "bsds300" / "test")
    means = [
        density.log_prob(SCALE * block[:, :-1].astype(np.float64)).mean()
        for block in stream_patches(paths, model.patch_shape, n_patches, seed=seed)
    ]
    return float(np.mean(means)), float(np.std(means) / np.sqrt(len(means)))


def plot(history: Path) -> None:
    """Log-likelihood against steps, as a PNG beside the csv."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with history.open() as file:
        rows = list(csv.DictReader(file))

    def column(name: str, stage: str | None = None) -> NDArray[np.float64]:
        return np.array([float(r[name]) for r in rows if r[name] and stage in (None, r["stage"])])

    held = [int(r["step"]) for r in rows if r["held_out_nats"]]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for stage in ("warm", "full", "finish"):
        steps = [int(r["step"]) for r in rows if r["stage"] == stage]
        axes[0].plot(steps, column("train_nats", stage), label=stage)
    axes[1].plot(held, column("held_out_nats"), "k.-")
    axes[0].legend(frameon=False)
    for axis, title in zip(axes, ("training patches", "held-out images"), strict=True):
        axis.set(title=title, xlabel="step", ylabel="nats per patch")
        axis.grid(alpha=0.3)
    figure.savefig(history.with_suffix(".png"), dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="gray-8x8-200")
    parser.add_argument("--patches", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--history", type=Path, help="csv of a training run to plot instead")
    args = parser.parse_args()
    if args.history:
        plot(args.history)
        return
    model = load_model(args.model)
    mean, error = test_likelihood(model, args.patches, args.seed)
    figures = {
        "model": args.model,
        "nats_per_patch": round(mean, 3),
        "standard_error_over_images": round(error, 3),
        "patches": args.patches,
        "seed": args.seed,
        "lightest_component": float(model.weights.min()),
        "components_above_0.001": int((model.weights > 1e-3).sum()),
    }
    print(figures)
    write_result("likelihood", figures)


if __name__ == "__main__":
    main()
