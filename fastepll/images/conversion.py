"""The one way from an image array to planes that backends take, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll.images.channels import Planes, from_planes, to_plane
from fastepll.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Conversion:
    """Between intensities (..., channels) and planes in units of the data range.

    Attributes
    ----------
    mix : Planes
        What the planes are of the channels.
    data_range : float
        Step from black to white of the intensities.
    dtype : type
        Of the planes.
    """

    mix: Planes
    data_range: float
    dtype: type[np.floating[Any]]

    def split(
        self, image: NDArray[Any], group: Sequence[int], out: FloatArray | None = None
    ) -> FloatArray:
        """A group of planes of (..., channels): one as (...), several as (planes, ...).

        ``out`` has that shape; without it, and for the one channel of an image that a backend can
        use as it is, the result may be a view of the image.
        """
        if out is None and (same := self.same(image)) is not None:
            return same
        if out is None:
            several = (len(group),) if len(group) > 1 else ()
            out = np.empty((*several, *image.shape[:-1]), self.dtype)
        for c, plane in zip(group, out if len(group) > 1 else [out], strict=True):
            to_plane(image, self.mix.analysis[c] / self.data_range, plane)
        return out

    def join(self, planes: Sequence[FloatArray], out: NDArray[Any]) -> None:
        """Fill (..., channels) from all planes, in their order."""
        from_planes(planes, self.mix.synthesis * self.data_range, out)

    def same(self, image: NDArray[Any]) -> FloatArray | None:
        """The only channel where a backend can use it as it is, else None."""
        if self.data_range != 1 or image.shape[-1] != 1 or image.dtype != self.dtype:
            return None
        plane = image[..., 0]
        return plane if plane.flags.c_contiguous and plane.flags.aligned else None
