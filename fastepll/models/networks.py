"""Models whose parameters are the weights of a torch module, which files hold as arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.arguments import check_choice
from fastepll._validation.array_like import as_array
from fastepll._validation.model_arrays import JSON

if TYPE_CHECKING:
    import torch


class OfNetwork(ABC):
    """Base beside that of a kind of models, of those that are networks.

    A subclass has `build`, which makes its module from the arrays that are no weights
    (``settings``) and the shapes of the weights, and is constructed as ``Model(shape, metadata,
    **arrays)`` with both.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays that are no weights."""
    chunk: ClassVar[int]
    """Rows worked on together."""
    metadata: Mapping[str, JSON]

    def take(self, shape: tuple[int, ...], arrays: Mapping[str, ArrayLike]) -> None:
        """Keep the arrays, of a model of data of that shape; ValueError if they make none."""
        missing = [name for name in self.settings if name not in arrays]
        if missing:
            raise ValueError(f"{type(self).__name__} needs the arrays {missing}")
        self._datum = shape
        self._settings = {name: np.asarray(arrays[name]) for name in self.settings}
        self._weights = {
            name: np.array(value, np.float32, order="C")
            for name, value in arrays.items()
            if name not in self._settings
        }
        for value in self._weights.values():
            value.flags.writeable = False
        fill(self.build(), self._weights)

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A module of the right sizes, on float32, with any weights."""

    @kept
    def network(self) -> torch.nn.Module:
        """The module with the weights, in float64, whose parameters have no gradients."""
        module = self.build()
        fill(module, self._weights)
        return module.double().requires_grad_(requires_grad=False).eval()

    @property
    def n_parameters(self) -> int:
        """Free parameters: all weights."""
        return sum(value.size for value in self._weights.values())

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Settings and weights."""
        return {**self._settings, **self._weights}

    def with_weights(self, module: torch.nn.Module, **metadata: JSON) -> Any:
        """The same model with the weights of a module, after training."""
        told, make = {**self.metadata, **metadata}, type(self)
        return make(self._datum, told, **self._settings, **arrays_of(module))  # type: ignore[call-arg]

    def in_chunks(
        self, function: Callable[..., torch.Tensor], *rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Apply a function of tensors to rows a chunk at a time, without gradients."""
        import torch

        with torch.no_grad():
            parts = [
                function(*(torch.tensor(one[k : k + self.chunk]) for one in rows)).numpy()
                for k in range(0, max(len(rows[0]), 1), self.chunk)
            ]
        return np.concatenate(parts)


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
