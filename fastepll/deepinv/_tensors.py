"""Noise levels of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def one_each(sigma: float | torch.Tensor | None, n: int) -> Sequence[float | None]:
    """A noise level for each of n images."""
    if sigma is None:
        return [None] * n
    if not isinstance(sigma, torch.Tensor):
        return [sigma] * n
    levels = [float(value) for value in sigma.flatten()]
    if len(levels) not in (1, n):
        raise ValueError(f"sigma must have 1 value or {n}, one for each image, got {len(levels)}")
    return levels if len(levels) == n else levels * n
