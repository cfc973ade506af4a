"""Checkpoints of a training run (npz, no pickle) and its table of likelihoods (csv)."""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from fastepll.train.em import Mixture, Statistics
from fastepll.train.options import TrainOptions
from fastepll.train.trainer import Trainer

__all__ = ["restore", "save", "write_history"]


def save(trainer: Trainer, path: Path) -> None:
    """Write everything the run needs to go on bit-identically; the old file stays until then."""
    arrays = {
        "weights": trainer.mixture.weights.cpu().numpy(),
        "covariances": trainer.mixture.covariances.cpu().numpy(),
        "held": np.array([row[3] for row in trainer.history]),
        "train": np.array([row[2] for row in trainer.history]),
        "state": np.array(json.dumps(_state(trainer))),
    }
    if trainer.running is not None:
        arrays["counts"] = trainer.running.counts.cpu().numpy()
        arrays["scatter"] = trainer.running.scatter.cpu().numpy()
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(partial, path)


def restore(trainer: Trainer, path: Path) -> None:
    """Put a fresh trainer where the saved one was.

    Raises
    ------
    ValueError
        If the file is not a checkpoint or belongs to a run with other settings or images.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        state = json.loads(str(arrays["state"]))
        position, averaged = int(state.pop("position")), int(state.pop("averaged"))
        stages = state.pop("stages")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"checkpoint {str(path)!r} cannot be read: {error}") from error
    state = {**_options(TrainOptions()), **state}  # an older file lacks newer options
    now = _state(trainer)
    other = [name for name in state if state[name] != now.get(name)]
    if other:
        raise ValueError(f"checkpoint {str(path)!r} is of another run: {', '.join(other)} differ")

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[name]).to(trainer.device)

    trainer.mixture = Mixture(tensor("weights"), tensor("covariances"))
    trainer.running = None
    if "counts" in arrays:
        trainer.running = Statistics(tensor("counts"), tensor("scatter"), 0.0, averaged)
    rows = zip(stages, arrays["train"].tolist(), arrays["held"].tolist(), strict=True)
    trainer.history = [(i, stage, a, b) for i, (stage, a, b) in enumerate(rows, 1)]
    trainer.seek(position)


def write_history(trainer: Trainer, path: Path) -> None:
    """Write step, stage, log-likelihood per patch in training and held out (or nothing)."""
    with path.open("w", newline="", encoding="ascii") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["step", "stage", "train_nats", "held_out_nats"])
        for step, stage, train, held in trainer.history:
            table.writerow([step, stage, f"{train:.4f}", "" if math.isnan(held) else f"{held:.4f}"])


def _options(options: TrainOptions) -> dict[str, object]:
    """Options as JSON has them: lists for tuples."""
    found: dict[str, object] = json.loads(json.dumps(asdict(options)))
    return found


def _state(trainer: Trainer) -> dict[str, object]:
    """What must agree between a run and its checkpoint, and where the run stands."""
    return {
        **_options(trainer.options),
        "images": [p.name for p in trainer.paths],
        "position": trainer.position,
        "averaged": trainer.running.n if trainer.running else 0,
        "stages": [row[1] for row in trainer.history],
    }
