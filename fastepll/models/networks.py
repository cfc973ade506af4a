"""The parameters of a torch module as arrays that a model file holds, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_choice
from fastepll._validation.array_like import as_array

if TYPE_CHECKING:
    import torch


def arrays_of(module: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Parameters by name, float32; dots in names become two underscores."""
    return {
        name.replace(".", "__"): parameter.detach().cpu().float().numpy().copy()
        for name, parameter in module.named_parameters()
    }


def rounded(
    arrays: Mapping[str, NDArray[Any]], precision: Literal["float16", "float32"]
) -> dict[str, NDArray[Any]]:
    """Weights as a file is to hold them; ValueError if one is too large for that."""
    check_choice("precision", precision, ("float16", "float32"))
    with np.errstate(over="ignore"):
        found = {name: value.astype(precision) for name, value in arrays.items()}
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be below 65520 for precision 'float16'")
    return found


def fill(module: torch.nn.Module, arrays: Mapping[str, ArrayLike]) -> None:
    """Set the parameters of a module from all of such arrays.

    Raises
    ------
    ValueError
        An array that is missing, unknown, not finite, or of another shape.
    """
    import torch

    wanted = {name.replace(".", "__"): value for name, value in module.named_parameters()}
    if wanted.keys() != arrays.keys():
        raise ValueError(f"arrays must be {sorted(wanted)}, got {sorted(arrays)}")
    for name, parameter in wanted.items():
        array: NDArray[Any] = as_array(name, arrays[name])
        if array.shape != tuple(parameter.shape) or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{name} must hold numbers of shape {tuple(parameter.shape)}, "
                f"got {array.dtype} of {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array, np.float64)))
