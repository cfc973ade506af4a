"""Handwritten digits, binarised once: every likelihood of the studies is of these."""

from __future__ import annotations

from functools import cache

import numpy as np
from measures import data_dir
from numpy.typing import NDArray

SEED = 0
N_HELD_OUT = 10_000  # the last of the training set


@cache
def digits() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Training, held-out and test digits, (n, 784), of 0 and 1.

    A pixel is 1 with the probability of its gray level, drawn once with the seed: figures with
    pixels drawn anew in each epoch are not comparable.
    """
    rng = np.random.default_rng(SEED)
    with np.load(data_dir() / "mnist" / "mnist.npz") as file:
        train, test = (
            (rng.random(images.shape) < images / 255).reshape(len(images), -1).astype(np.float32)
            for images in (file["train_images"], file["test_images"])
        )
    return train[:-N_HELD_OUT], train[-N_HELD_OUT:], test


@cache
def labels() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Which digit each is, in the same order."""
    with np.load(data_dir() / "mnist" / "mnist.npz") as file:
        train, test = file["train_labels"], file["test_labels"]
    return train[:-N_HELD_OUT], train[-N_HELD_OUT:], test
