"""The models of the study of generative models: their families, their training, their files."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from digits import digits, labels
from harness import Study, Values

from fastepll import generative, priors
from fastepll.generative import ChowLiuTree, Independent, MarkovChain, NaiveBayes
from fastepll.train.descent import Run

FACTORISED: dict[str, Callable[[], Any]] = {
    "independent": lambda: Independent.fit(digits()[0], levels=2, shape=(28, 28)),
    "chain": lambda: MarkovChain.fit(digits()[0], levels=2, shape=(28, 28)),
    "chain-8": lambda: MarkovChain.fit(digits()[0], levels=2, memory=8, shape=(28, 28)),
    "tree": lambda: ChowLiuTree.fit(digits()[0], levels=2, shape=(28, 28)),
    "naive-bayes": lambda: NaiveBayes.fit(digits()[0], labels()[0], shape=(28, 28)),
}
TRAINED = {
    "fvsbn": "gen_chain",
    "nade": "gen_chain",
    "made-1": "gen_chain",
    "made-32": "gen_chain",
    "recurrent": "gen_deep",
    "attention": "gen_deep",
    "pixelcnn": "gen_deep",
    "pixelcnn-gated": "gen_deep",
    "vae": "gen_latent",
    "vae-iwae": "gen_latent",
    "patch-vae": "gen_latent",
    "patch-vae-t": "gen_latent",
    "rnade": "gen_patches",
    "rnade-t": "gen_patches",
    "made-mog": "gen_patches",
    "made-mog-wide": "gen_patches",
    "maf": "gen_patches",
    "conditional-scale-mixture": "gen_scales",
    "causal-network": "gen_scales",
}
"""Where the recipe of each is that takes minutes to hours."""
OF_PATCHES = tuple(
    name
    for name, where in TRAINED.items()
    if where in ("gen_patches", "gen_scales") or name.startswith("patch-")
)
OF_DIGITS = (*FACTORISED, *(name for name in TRAINED if name not in OF_PATCHES))


def path_of(study: Study, name: str) -> Path:
    """File of a trained model."""
    folder = study.work / "generative"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.npz"


def model_of(study: Study, name: str) -> Any:
    """The model; None if it is to be trained yet."""
    if name in FACTORISED:
        return FACTORISED[name]()
    path = path_of(study, name)
    if not path.exists():
        return None
    return priors.load(path) if name in OF_PATCHES else generative.load(path)


def train(study: Study, name: str, minutes: float) -> Values:
    """Train a model, or go on; its file is written when that is done.

    Raises
    ------
    TimeoutError
        The minutes are over; the checkpoint is there.
    """
    path = path_of(study, name)
    checkpoint, spent = path.with_suffix(".run.npz"), path.with_suffix(".seconds")
    before = float(spent.read_text()) if spent.exists() else 0.0
    begin, deadline = time.process_time(), time.monotonic() + 60 * minutes
    told = [time.monotonic()]

    def seconds() -> float:
        return before + time.process_time() - begin

    def progress(run: Run) -> None:
        if time.monotonic() > told[0] + 60:
            told[0] = time.monotonic()
            print(f"{name} {run.i}/{run.how.iterations} {seconds():.0f} s {run.history[-1:]}")
            spent.write_text(f"{seconds()}")
        if time.monotonic() > deadline:
            raise TimeoutError

    module: Any = importlib.import_module(TRAINED[name])
    model = module.RECIPES[name](checkpoint, progress)
    model.save(path, overwrite=True)
    spent.write_text(f"{seconds()}")
    os.replace(checkpoint, checkpoint_of(study, name))
    return {"seconds": seconds()}


def checkpoint_of(study: Study, name: str) -> Path:
    """Where a training ended."""
    return path_of(study, name).with_suffix(".done.npz")


def course(study: Study, name: str, parts: int = 5) -> Values:
    """Held-out nats after each fifth of a training."""
    with np.load(checkpoint_of(study, name)) as file:
        steps, _, held_out = file["history"].T
    at = np.searchsorted(steps, steps[-1] * np.arange(1, parts + 1) / parts)
    return {f"{i / parts:.0%}": -held_out[k] for i, k in enumerate(at, 1)}


def training_seconds(study: Study, name: str) -> float:
    """CPU seconds that the training of a model took."""
    spent = path_of(study, name).with_suffix(".seconds")
    return float(spent.read_text()) if spent.exists() else np.nan
