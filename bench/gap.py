"""How much likelier a prior finds what it was trained on: ``python bench/gap.py``.

Log-likelihood per patch (as in `likelihood.py`) on patches of the last draw of the training, on
other patches of the same photographs, and on the photographs held out. Photographs differ among
themselves by tens of nats, five of them from thirty-six too; so the same patches are scored by two
that owe nothing to the difference: one Gaussian with the covariance of the training patches, and a
prior trained elsewhere. What a prior has on top of theirs between the photographs is what it learnt
of the ones that it saw.

    python bench/gap.py --models rgb-8x8-200-clic:rgb-8x8-200
"""

from __future__ import annotations

import argparse
import math
import shlex
from typing import Any

import numpy as np
from protocol import data_dir, write_result

import fastepll
from fastepll.models import GaussianMixture
from fastepll.train import command
from fastepll.train.patches import list_images, split_images, stream_patches

MODELS = [
    "gray-8x8-200-clic:gray-8x8-200",
    "rgb-8x8-200-clic:rgb-8x8-200",
    "rgb-8x8-200:rgb-8x8-200-clic",
]
OTHER_DRAW = 10_000  # no training gets there


def options(model: GaussianMixture) -> argparse.Namespace:
    """Settings of the run that made a model, from the command in its metadata."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = shlex.split(str(model.metadata["command"]))
    return parser.parse_args(words[2:])  # after "fastepll train"


def patches(o: argparse.Namespace, count: int) -> dict[str, list[np.ndarray]]:
    """Blocks of patches, one for each photograph, by what the training had of them."""
    folder = data_dir() / o.folder.partition("shared/data/")[2]
    trained, held = split_images(list_images(folder), o.holdout, o.seed)
    last = max(o.warm_steps - 1, 0) // o.redraw if o.redraw else 0
    keep = -(-o.n_patches // count)

    def blocks(paths: list[Any], n: int, draw: int, step: int = 1) -> list[np.ndarray]:
        stream = stream_patches(
            paths,
            tuple(o.patch_shape),
            n,
            seed=o.seed,
            draw=draw,
            shrink=o.shrink,
            detail=o.detail,
            flips=o.flips,
        )
        return [block[::step] for block in stream]

    return {
        "seen": blocks(trained, o.n_patches, last, keep),
        "same photographs": blocks(trained, count, OTHER_DRAW),
        "held out": blocks(held, count, OTHER_DRAW),
    }


def score(model: GaussianMixture, sets: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """Mean log-likelihood of each set of patches, and the standard errors over photographs."""
    offset = 0.5 * math.log(model.d) + (model.d - 1) * math.log(256 / 255)
    row = {}
    for name, blocks in sets.items():
        means = [float(model.log_prob(block).mean()) + offset for block in blocks]
        row[name] = round(float(np.mean(means)), 2)
        row[f"{name}, error"] = round(float(np.std(means) / math.sqrt(len(means))), 2)
    row["seen - same"] = round(row["seen"] - row["same photographs"], 2)
    row["same - held"] = round(row["same photographs"] - row["held out"], 2)
    return row


def gaussian(sets: dict[str, list[np.ndarray]], shape: tuple[int, ...]) -> GaussianMixture:
    """One Gaussian with the covariance of the patches seen."""
    z = np.concatenate(sets["seen"]).astype(np.float64)
    return GaussianMixture.from_covariances([1.0], (z.T @ z / len(z))[None], shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS, help="MODEL:TRAINED-ELSEWHERE")
    parser.add_argument("--patches", type=int, default=10_000)
    args = parser.parse_args()
    rows = []
    for name, other in (pair.split(":") for pair in args.models):
        model = fastepll.load_model(name)
        sets = patches(options(model), args.patches)
        for scorer, by in (
            (model, name),
            (gaussian(sets, model.patch_shape), "one Gaussian"),
            (fastepll.load_model(other), other),
        ):
            rows.append({"training of": name, "scored by": by, **score(scorer, sets)})
            print(rows[-1], flush=True)
        first, last = rows[-3], rows[-1]
        row = {
            key: round(first[key] - last[key], 2)
            for key in first
            if "error" not in key[-5:] and isinstance(first[key], float)
        }
        rows.append({"training of": name, "scored by": "the first less the last", **row})
        print(rows[-1], flush=True)
    write_result("gap", {"patches": args.patches, "rows": rows})


if __name__ == "__main__":
    main()
