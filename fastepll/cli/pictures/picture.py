"""A picture in memory: pixels, and what has to survive restoration in any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 2**31
MAX_RATIO = 2000  # of decoded bytes to those of the file; deflate and LZW reach less
ALWAYS_FITS = 2**28  # bytes: blank pages of fax and of newer compressions need little


class PictureError(Exception):
    """A file that cannot be read or written; the message is one line that names it."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels of a file and what has to survive restoration.

    Attributes
    ----------
    pixels : (height, width) or (height, width, 3) array
        uint8 or uint16, stretched to their full range if the file has fewer bits; from TIFF,
        other integers and floats too.
    extra : (height, width, n) array or None
        Alpha and other channels that are not colour.
    icc, xmp, exif, photoshop, comment : bytes or None
        Colour profile, XMP packet, EXIF block (`fastepll.cli.pictures.exif`; of a TIFF file it
        holds the tags), image resources of Photoshop (IPTC is in them), comment.
    dpi : (float, float) or None
        Pixels per inch (x, y).
    native : mapping
        What only the format of origin can hold: ``png`` chunks, ``jpeg`` segments, ``tiff`` writer
        options.
    left : sequence of str
        What its reader could not keep.
    """

    pixels: NDArray[Any]
    extra: NDArray[Any] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    comment: bytes | None = None
    native: Mapping[str, Any] = field(default_factory=dict)
    left: Sequence[str] = ()

    @property
    def channels(self) -> NDArray[Any]:
        """Pixels and extra channels in one array."""
        if self.extra is None:
            return np.ascontiguousarray(self.pixels)
        return np.concatenate([np.atleast_3d(self.pixels), self.extra], axis=-1)

    @property
    def alpha(self) -> NDArray[Any] | None:
        """How opaque each pixel is, (height, width), if that is known."""
        if self.extra is None or self.native.get("tiff", {}).get("extrasamples", [2])[0] == 0:
            return None
        return self.extra[..., 0]

    def __str__(self) -> str:
        """Size, kind and depth in words."""
        height, width = self.pixels.shape[:2]
        kind = "gray" if self.pixels.ndim == 2 else "RGB"
        extra = "" if self.extra is None else f" + {self.extra.shape[-1]} extra"
        sort = {"f": " float", "i": " signed"}.get(self.pixels.dtype.kind, "")
        return f"{width}x{height} {kind}{extra}, {8 * self.pixels.itemsize} bit{sort}"


def split(array: NDArray[Any], n: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The n channels of colour and the others of (height, width[, channels]); one has no axis."""
    if array.ndim == 2:
        return array, None
    if array.shape[-1] < n:
        raise ValueError(f"{array.shape[-1]} channels of colour; gray or RGB wanted")
    pixels, extra = array[..., :n], array[..., n:]
    return (pixels[..., 0] if n == 1 else pixels), (extra if extra.size else None)


def check_size(shape: Sequence[int], itemsize: int, n_bytes: int) -> None:
    """Raise ValueError if a file of so many bytes cannot hold such an array, before it is made."""
    height, width, *rest = shape
    size = height * width * int(np.prod(rest, dtype=object)) * itemsize
    if height * width > MAX_PIXELS or size > max(MAX_RATIO * n_bytes, ALWAYS_FITS):
        raise ValueError(f"{width}x{height} pixels in a file of {n_bytes} bytes: damaged")
