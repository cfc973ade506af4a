"""A prior whose parameters are those of a torch module, with the gradient that torch gives."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models.networks import arrays_of, fill, rounded
from fastepll.priors.base import Prior
from fastepll.priors.storage import FORM

if TYPE_CHECKING:
    import torch


class TorchPrior(Prior):
    """Base of the patch priors that are networks.

    A subclass has `build`, which makes its module from the arrays that are no weights
    (``settings``) and the shapes of the weights, and `log_density`, of coordinates (m, q).

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    **arrays : array_like
        Settings and weights by name.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays that are no weights."""
    chunk: ClassVar[int] = 1024

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
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

    @abstractmethod
    def log_density(self, module: torch.nn.Module, c: torch.Tensor) -> torch.Tensor:
        """Log density (m,) of coordinates (m, q), differentiable; the module in their dtype."""

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
        """The same prior with the weights of a module, after training."""
        told = {**dict(self.metadata), **metadata}
        return type(self)(self.patch_shape, told, **self._settings, **arrays_of(module))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        precision: Literal["float16", "float32"] = "float32",
    ) -> None:
        """Write the prior as `Prior.save` does; float16 rounds the weights, to half the size."""
        arrays = {**self._settings, **rounded(self._weights, precision)}
        FORM.save(path, self.kind, self.patch_shape, arrays, self.metadata, overwrite=overwrite)

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Exact."""
        import torch

        with torch.no_grad():
            return np.asarray(self.log_density(self.network, torch.from_numpy(c)).numpy())

    def _score(self, c: Array) -> Array:
        """Gradient by torch."""
        import torch

        x = torch.from_numpy(c).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.log_density(self.network, x).sum(), x)
        return np.asarray(gradient.numpy())
