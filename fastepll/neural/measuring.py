"""Operators of `fastepll.operators` on tensors, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from fastepll.operators import Blur, Composition, Downsample, Identity, Operator
from fastepll.operators.pixels import Pixelwise

Measure: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Images (1, channels, height, width) to measurements (1, channels, \\*out_shape)."""


def measure_of(operator: Operator, like: torch.Tensor) -> Measure:
    """A of an operator for tensors of the dtype and on the device of another.

    Those of this package are computed in torch, any other by its ``forward`` and ``adjoint`` in
    NumPy.
    """
    if type(operator) is Identity:
        return lambda x: x
    if isinstance(operator, Pixelwise):
        gain = operator.gain_of(slice(0, operator.in_shape[0]), np.dtype(np.float64))
        gains = torch.as_tensor(gain).to(like)
        return lambda x: x * gains
    if type(operator) is Composition:
        inner, outer = measure_of(operator.inner, like), measure_of(operator.outer, like)
        return lambda x: outer(inner(x))
    if type(operator) is Blur:
        return _convolution(operator.kernel, operator.in_shape, operator.boundary, 1, like)
    if type(operator) is Downsample:
        return _convolution(operator.kernel, operator.in_shape, "periodic", operator.factor, like)

    def apply(x: torch.Tensor) -> torch.Tensor:
        measured: torch.Tensor = ByAdjoint.apply(x, operator)  # type: ignore[no-untyped-call]
        return measured

    return apply


def _convolution(
    kernel: np.ndarray[Any, Any],
    shape: tuple[int, int],
    boundary: str,
    step: int,
    like: torch.Tensor,
) -> Measure:
    """Convolution with a kernel as `Blur` defines it, of which every so many pixels are kept.

    By Fourier transforms of the image with what its border is taken to go on with, since torch has
    no fast convolution of single channels with large kernels.
    """
    places = []
    for n, side in zip(shape, kernel.shape, strict=True):
        after = (side - 1) // 2
        index = np.arange(n)
        if boundary != "valid":
            mode: Any = "wrap" if boundary == "periodic" else "symmetric"
            index = np.pad(index, (side - 1 - after, after), mode=mode)
        places.append(torch.as_tensor(index, device=like.device))
    sides = [len(place) for place in places]
    transfer = torch.fft.rfft2(torch.as_tensor(kernel).to(like), s=sides)
    rows, columns = (slice(side - 1, None, step) for side in kernel.shape)

    def apply(x: torch.Tensor) -> torch.Tensor:
        wide = x.index_select(2, places[0]).index_select(3, places[1])
        blurred: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * transfer, s=sides)
        return blurred[..., rows, columns]

    return apply


class ByAdjoint(torch.autograd.Function):
    """An operator whose derivative is its adjoint."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, operator: Operator) -> torch.Tensor:
        """A x, channel by channel."""
        ctx.operator = operator
        return _each(operator.forward, x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Aᵀ of the gradient."""
        return _each(ctx.operator.adjoint, gradients[0]), None


def _each(function: Callable[[Any], Any], batch: torch.Tensor) -> torch.Tensor:
    """A function of NumPy planes, of each channel."""
    planes = batch.detach()[0].cpu().numpy()
    return torch.as_tensor(np.stack([function(plane) for plane in planes])).to(batch)[None]
