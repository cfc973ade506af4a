"""`train_mixture`: from a folder of images to a `GaussianMixture`."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastepll._version import __version__
from fastepll.models import GaussianMixture
from fastepll.train import checkpoints
from fastepll.train.options import TrainOptions
from fastepll.train.patches import list_images
from fastepll.train.trainer import Trainer

__all__ = ["train_mixture"]


def train_mixture(
    folder: str | Path,
    *,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    history: str | Path | None = None,
    progress: bool = True,
    note: str | None = None,
    license: str | None = None,
    checkpoint_seconds: float = 60.0,
    **settings: Any,
) -> GaussianMixture:
    """Train a zero-mean Gaussian mixture on the patches of a folder of images.

    Parameters
    ----------
    folder : path
        Images (any that Pillow reads). For patches of two axes, colour is turned gray by the
        weights of the benchmark.
    device : str
        "cpu", "cuda" or "cuda:N".
    checkpoint : path, optional
        Written about every `checkpoint_seconds`; with `resume` the run goes on from it, and ends
        with the same bits as one that was never interrupted (same machine and thread count).
    resume : bool
        Continue from `checkpoint` if it exists.
    history : path, optional
        csv table of the log-likelihood at every step.
    progress : bool
        Show a bar with the log-likelihood per patch (needs tqdm, silent without).
    note : str, optional
        Origin and licence of the images, kept in the model's metadata.
    license : str, optional
        SPDX expression of the licence of the model, kept in its metadata.
    **settings
        Fields of `TrainOptions`. `n_components` (200), `patch_shape` ((8, 8), or (8, 8, 3) for
        patches of red, green and blue), `n_patches` (2 000 000), `holdout` (images kept for the
        held-out likelihood, 0), `seed` (0).

        What is seen: `flips` (mirrored patches, True), `shrink` (factor by which images are made
        smaller first, 1), `detail` (0: every patch is as likely as another; else in proportion to
        its standard deviation, up to so many gray levels), `redraw` (warm steps after which
        `n_patches` others are drawn; 0: never).

        Schedule: `warm_steps` (300) mini-batches of `batch` (200 000) patches, then `iterations`
        (150) passes over all 8-bit patches, which end after `patience` measurements of the
        held-out likelihood without a rise (0: never), then `finish` (10) passes over the
        dequantised ones.

        Components: `floor` (0.3 gray levels) is the standard deviation added to every direction
        before the finishing passes; those lighter than `min_weight` (0.001) are re-seeded during
        the warm start and the first half of the passes; `prior_weight` (0) is the number of
        patches that a prior counts for which draws the correlations of each component to the
        pooled ones; `refresh` (5), `margin` (12 nats) and `drop` (1e-4) bound the approximation
        of the E-step, see `fastepll.train.em`.

        Noise: `sigma` (0) is the standard deviation of white noise that the images have, of
        intensities in [0, 1]. The mixture is then that of the patches without it: under the noisy
        ones its covariances with sigma² added are as probable as they can be, none of whose
        eigenvalues is below sigma².

    Returns
    -------
    GaussianMixture
        Mean-free patches on the [0, 1] scale; the eigenvalue along the constant patch is 0.

    Raises
    ------
    TypeError, ValueError
        A setting of the wrong kind or range, no images, images smaller than a patch, a device
        that is not there, or a checkpoint of another run.

    Notes
    -----
    Log-likelihoods are nats per patch with its last value dropped and intensities over 256, the
    convention of the literature. Those of the training data before the finishing passes are of
    8-bit patches under a mixture with the floor added; the held-out ones are always of
    dequantised patches.
    """
    options = TrainOptions(**settings)
    if resume and checkpoint is None:
        raise ValueError("resume needs a checkpoint path, got None")
    trainer = Trainer(list_images(folder), options, device)
    if resume and checkpoint is not None and Path(checkpoint).exists():
        checkpoints.restore(trainer, Path(checkpoint))
    saved = time.monotonic()
    for _ in _bar(trainer, progress):
        due = time.monotonic() - saved >= checkpoint_seconds or trainer.position == trainer.steps
        if due and trainer.at_boundary:
            saved = time.monotonic()
            if checkpoint is not None:
                checkpoints.save(trainer, Path(checkpoint))
            if history is not None:
                checkpoints.write_history(trainer, Path(history))
    if history is not None:
        checkpoints.write_history(trainer, Path(history))
    return GaussianMixture(*trainer.result(), _metadata(trainer, folder, note, license, device))


def _bar(trainer: Trainer, progress: bool) -> Iterator[None]:
    """Step the trainer to its end, showing the log-likelihood."""
    bar = None
    if progress:
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            bar = tqdm(total=trainer.steps, initial=trainer.position, unit="step")
    while trainer.position < trainer.steps:
        stage, value = trainer.stage, trainer.step()
        if bar is not None:
            bar.set_postfix_str(f"{stage}, {value:.3f} nats per patch", refresh=False)
            bar.total = trainer.steps
            bar.update()
        yield
    if bar is not None:
        bar.close()


def _metadata(
    trainer: Trainer, folder: str | Path, note: str | None, license: str | None, device: str
) -> dict[str, Any]:
    """What a user must know of the model, without dates: the same run gives the same file."""
    options = trainer.options
    kind = "gray" if len(options.patch_shape) == 2 else "RGB"
    words = ["fastepll", "train", str(folder), "OUT", *options.arguments()]
    if device != "cpu":
        words += ["--device", device]
    last = trainer.history[-1] if trainer.history else (0, "", math.nan, math.nan)
    return {
        "training_data": f"{len(trainer.paths)} images of {folder}, {kind}, 8 bits",
        "held_out_images": [path.name for path in trainer.kept],
        "note": note,
        "license": license,
        "n_patches": options.n_patches,
        "seed": options.seed,
        "command": shlex.join(words),
        "steps": {"warm": options.warm_steps, "full": trainer.passes, "finish": options.finish},
        "train_log_likelihood": None if math.isnan(last[2]) else round(last[2], 4),
        "held_out_log_likelihood": None if math.isnan(last[3]) else round(last[3], 4),
        "min_weight": float(trainer.mixture.weights.min()),
        "versions": {"fastepll": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
