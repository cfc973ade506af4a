"""The types that public signatures share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.int32]

BackendName: TypeAlias = Literal["native", "numba", "reference", "torch"]
Quality: TypeAlias = Literal["exact", "learned", "high", "balanced", "fast", "preview"]

Selection: TypeAlias = Literal["exact", "cascade"]
Estimator: TypeAlias = Literal["map", "mean"]
"""Of a prior: the most probable patch, or the exact posterior mean."""
PassEstimator: TypeAlias = Literal["map", "top_mean"]
"""Of a pass: by the best component, or the mean over the best few."""
Domain: TypeAlias = Literal["binary", "categorical", "real"]
"""Values of a generative model's data: 0 and 1, integers from 0, or real numbers."""
Weighting: TypeAlias = Literal["uniform", "confidence"]
Boundary: TypeAlias = Literal["periodic", "reflect", "valid"]

DataRange: TypeAlias = "float | Literal['auto'] | None"
"""Step of the intensities from black to white; None by the dtype, "auto" by the values."""

Poll: TypeAlias = Callable[[float], object]
"""Called with the fraction done, in [0, 1], a few times a second; what it raises stops the work."""


class HasPatches(Protocol):
    """A model of patches, as far as the shape of an image has to fit it."""

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Shape of a patch, ``(8, 8)``, or ``(8, 8, 3)``."""
