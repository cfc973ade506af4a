"""Priors of conditional densities that know of contrast, trained for their likelihood.

    python bench/studies/gen_scales.py causal-network --minutes 60 --checkpoint run.npz

goes on from the checkpoint for an hour, and says how far it is. Once it is done it writes the prior
(``--out``), in half precision, and prints its log-likelihood on bsds300/test, by itself and
averaged over the symmetries of a patch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gen_patches import fitted
from measures import kept_patches, protocol_nats

from fastepll.priors import Prior, SymmetricAverage
from fastepll.train.descent import Descent, Run

Progress = Callable[[Run], None] | None
TEST = 100_000  # patches


def conditional_scale_mixture(checkpoint: Path | None = None, progress: Progress = None) -> Prior:
    """Mixtures of Gaussian scale mixtures, one for each pixel."""
    how = Descent(
        iterations=40_000,
        batch=500,
        learning_rate=1e-2,
        warmup=200,
        average=0.999,
        clip=50,
    )
    return fitted("conditional-scale-mixture", checkpoint, progress, how=how)


def causal_network(checkpoint: Path | None = None, progress: Progress = None) -> Prior:
    """A residual network of 256 units for all pixels."""
    how = Descent(
        iterations=60_000,
        batch=256,
        learning_rate=5e-3,
        warmup=200,
        average=0.9995,
        clip=50,
    )
    options: dict[str, Any] = {"hidden": 256, "depth": 3, "halved": True}
    return fitted("causal-network", checkpoint, progress, how=how, **options)


RECIPES: dict[str, Callable[..., Prior]] = {
    "conditional-scale-mixture": conditional_scale_mixture,
    "causal-network": causal_network,
}


class Stop(Exception):
    """The time is over."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after so many")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="default: NAME.npz beside the checkpoint")
    given = parser.parse_args(argv)
    begin, told = time.monotonic(), -1

    def progress(run: Run) -> None:
        nonlocal told
        if run.history and run.history[-1][0] != told:
            told, train, held_out = run.history[-1]
            print(f"step {told}: {-train:.2f} nats, held out {-held_out:.2f}", flush=True)
        if time.monotonic() - begin > 60 * given.minutes:
            raise Stop

    try:
        prior = RECIPES[given.name](given.checkpoint, progress)
    except Stop:
        return 0
    saved: Any = prior
    saved.save(
        given.out or given.checkpoint.with_name(f"{given.name}.npz"),
        overwrite=True,
        precision="float16",
    )
    x = kept_patches("test", TEST, True, 0)
    one, many = prior.log_prob(x), SymmetricAverage.average_of(prior).log_prob(x)
    gain = (many - one).reshape(100, -1).mean(axis=1)
    print(f"{protocol_nats(one.mean()):.2f} nats, averaged {protocol_nats(many.mean()):.2f}")
    print(f"gain {gain.mean():.3f} ± {gain.std(ddof=1) / 10:.3f} over images")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
