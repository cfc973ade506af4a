"""A generative model whose parameters are those of a torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON
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

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        self.take(self.shape, arrays)
