"""Tensors as arrays, and results that have no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from fastepll.typing import FloatArray


def as_array(name: str, tensor: torch.Tensor) -> FloatArray:
    """Array that shares the memory of a tensor of the CPU; of others a copy."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(tensor).__name__}")
    if tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        raise TypeError(f"{name} must be of float16, float32 or float64, got {tensor.dtype}")
    return np.asarray(tensor.detach().cpu().numpy())


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


def without_gradient(run: Callable[[], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """What run() returns, such that asking for its gradient with respect to x is an error."""
    result: torch.Tensor = NoGradient.apply(x, run)  # type: ignore[no-untyped-call]
    return result


class NoGradient(torch.autograd.Function):
    """A step whose derivative is not known."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What run() returns."""
        return run()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> None:
        """Raise RuntimeError."""
        raise RuntimeError("fastepll gives no gradient: call it under torch.no_grad()")
