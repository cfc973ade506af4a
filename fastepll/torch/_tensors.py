"""Tensors as arrays, noise levels of a batch, and results that have no gradient."""

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


def as_images(name: str, tensor: torch.Tensor) -> FloatArray:
    """The images (B, C, H, W) of a tensor (H, W), (C, H, W) or (B, C, H, W), as `as_array`."""
    array = as_array(name, tensor)
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            f"{name} must be (B, C, H, W), (C, H, W) or (H, W), got shape {array.shape}"
        )
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def one_each(sigma: float | torch.Tensor | None, n: int) -> Sequence[float | None]:
    """A noise level for each of n images."""
    if sigma is None:
        return [None] * n
    if not isinstance(sigma, torch.Tensor):
        return [sigma] * n
    levels = [float(value) for value in sigma.detach().flatten()]
    if len(levels) not in (1, n):
        raise ValueError(f"sigma must have 1 value or {n}, one for each image, got {len(levels)}")
    return levels if len(levels) == n else levels * n


def without_gradient(
    run: Callable[[], torch.Tensor],
    *inputs: torch.Tensor,
    why: str = "fastepll gives no gradient: call it under torch.no_grad()",
) -> torch.Tensor:
    """What run() returns, such that asking for its gradient with respect to inputs is an error."""
    result: torch.Tensor = NoGradient.apply(run, why, *inputs)  # type: ignore[no-untyped-call]
    return result


class NoGradient(torch.autograd.Function):
    """A step whose derivative is not known."""

    @staticmethod
    def forward(
        ctx: Any, run: Callable[[], torch.Tensor], why: str, *inputs: torch.Tensor
    ) -> torch.Tensor:
        """What run() returns."""
        ctx.why = why
        return run()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> None:
        """Raise RuntimeError."""
        raise RuntimeError(ctx.why)
