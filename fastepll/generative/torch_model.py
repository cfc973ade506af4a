"""A generative model whose parameters are those of a torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array
from fastepll.generative.base import GenerativeModel
from fastepll.models.networks import OfNetwork


class TorchModel(OfNetwork, GenerativeModel):
    """Base of the models that are networks; a subclass has `build`.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    **arrays : array_like
        Settings and weights by name.
    """

    chunk: ClassVar[int] = 1000
    """Rows worked on together."""

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        self.take(self.shape, arrays)

    def in_chunks(self, function: Any, *rows: Array) -> Array:
        """Apply a function of tensors to rows a chunk at a time, without gradients."""
        import torch

        with torch.no_grad():
            parts = [
                function(*(torch.from_numpy(one[k : k + self.chunk]) for one in rows)).numpy()
                for k in range(0, max(len(rows[0]), 1), self.chunk)
            ]
        return np.concatenate(parts)
