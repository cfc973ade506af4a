"""Image-sized memory that is kept from one image to the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastepll.typing import FloatArray


class Memory(dict[tuple[str, int], FloatArray]):
    """Image-sized memory of one call by name and number of planes, made when first asked for."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> None:
        super().__init__()
        self.shape, self.dtype = shape, dtype

    def __missing__(self, key: tuple[str, int]) -> FloatArray:
        """Make it."""
        shape = self.shape if key[1] == 1 else (key[1], *self.shape)
        self[key] = plane = np.empty(shape, self.dtype)
        return plane
