"""A prior whose parameters are those of a torch module, with the gradient that torch gives."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array
from fastepll.models.networks import OfNetwork, rounded
from fastepll.priors.base import Prior
from fastepll.priors.storage import FORM

if TYPE_CHECKING:
    import torch


class TorchPrior(OfNetwork, Prior):
    """Base of the patch priors that are networks; a subclass has `build` and `log_density`.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    **arrays : array_like
        Settings and weights by name.
    """

    chunk: ClassVar[int] = 1024

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.take(self.patch_shape, arrays)

    @abstractmethod
    def log_density(self, module: torch.nn.Module, c: torch.Tensor) -> torch.Tensor:
        """Log density (m,) of coordinates (m, q), differentiable; the module in their dtype."""

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
