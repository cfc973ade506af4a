"""A generative model whose parameters are those of a torch module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.generative.base import GenerativeModel
from fastepll.models.networks import arrays_of, fill

if TYPE_CHECKING:
    import torch


class TorchModel(GenerativeModel):
    """Base of the models that are networks.

    A subclass has `build`, which makes its module from the arrays that are no weights
    (``settings``) and the shapes of the weights.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    **arrays : array_like
        Settings and weights by name.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays that are no weights."""
    chunk: ClassVar[int] = 1000
    """Rows worked on together."""

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        missing = [name for name in self.settings if name not in arrays]
        if missing:
            raise ValueError(f"{type(self).__name__} needs the arrays {missing}")
        self._settings = {name: np.asarray(arrays.pop(name)) for name in self.settings}
        self._weights = {
            name: np.array(value, np.float32, order="C") for name, value in arrays.items()
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
        told = {**dict(self.metadata), **metadata}
        return type(self)(self.shape, told, **self._settings, **arrays_of(module))

    def in_chunks(self, function: Any, *rows: Array) -> Array:
        """Apply a function of tensors to rows a chunk at a time, without gradients."""
        import torch

        with torch.no_grad():
            parts = [
                function(*(torch.from_numpy(one[k : k + self.chunk]) for one in rows)).numpy()
                for k in range(0, max(len(rows[0]), 1), self.chunk)
            ]
        return np.concatenate(parts)
