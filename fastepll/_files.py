"""Picture files: PNG, JPEG and TIFF of 8 and 16 bit (TIFF of floats too), with what they carry."""

from __future__ import annotations

import io
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
INSTALL = "install it with: pip install 'fastepll[cli]'"


class PictureError(Exception):
    """A file that cannot be read or written; the message is one line that names it."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels of a file and what has to survive restoration.

    Attributes
    ----------
    pixels : (height, width) or (height, width, 3) array
        uint8, uint16 or, from TIFF, floats.
    extra : (height, width, n) array or None
        Alpha and other channels that are not colour.
    icc, exif, dpi
        Colour profile, EXIF block (starts with the TIFF header), pixels per inch (x, y).
    native : mapping
        What only the format of origin can hold: ``png`` chunks or ``tiff`` writer options.
    """

    pixels: NDArray[Any]
    extra: NDArray[Any] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    native: Mapping[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> NDArray[Any]:
        """Pixels and extra channels in one array."""
        if self.extra is None:
            return self.pixels
        return np.concatenate([np.atleast_3d(self.pixels), self.extra], axis=-1)

    def __str__(self) -> str:
        """Size, kind and depth in words."""
        height, width = self.pixels.shape[:2]
        kind = "gray" if self.pixels.ndim == 2 else "RGB"
        extra = "" if self.extra is None else f" + {self.extra.shape[-1]} extra"
        bits = f"{8 * self.pixels.itemsize} bit{' float' if self.pixels.dtype.kind == 'f' else ''}"
        return f"{width}x{height} {kind}{extra}, {bits}"


def read_picture(path: str) -> Picture:
    """Read a file; its content, not its name, tells the format.

    Raises
    ------
    PictureError
        No such file, not a picture, damaged, or of a kind that is not supported.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn of oddities in metadata
            picture = _decode(data)
    except ImportError as error:
        raise PictureError(f"cannot read {path}: {error}; {INSTALL}") from None
    except Exception as error:  # decoders raise anything on damaged files
        raise PictureError(f"cannot read {path}: {_one_line(error)}") from error
    if picture.pixels.dtype.kind not in "uf" or picture.pixels.dtype.itemsize > 8:
        raise PictureError(f"cannot read {path}: pixels of type {picture.pixels.dtype}")
    return picture


def check_output(path: str, *, overwrite: bool) -> None:
    """Raise PictureError if a picture could not be written there, before work is spent on it."""
    folder = os.path.dirname(os.path.realpath(path))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise PictureError(f"cannot write {path}: the name must end in {', '.join(FORMATS)}")
    if os.path.isdir(path):
        raise PictureError(f"cannot write {path}: it is a folder")
    if os.path.exists(path) and not overwrite:
        raise PictureError(f"cannot write {path}: it exists; --overwrite replaces it")
    if not os.path.isdir(folder):
        raise PictureError(f"cannot write {path}: no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise PictureError(f"cannot write {path}: no permission to write into {folder}")


def check_format(path: str, picture: Picture) -> None:
    """Raise PictureError if the format of that name cannot hold such a picture."""
    kind = FORMATS[os.path.splitext(path)[1].lower()]
    if kind == "JPEG" and (picture.pixels.dtype != np.uint8 or picture.extra is not None):
        raise PictureError(f"cannot write {path}: JPEG cannot hold {picture}; use .png or .tif")
    several = picture.extra is not None and picture.extra.shape[-1] > 1
    if kind == "PNG" and (picture.pixels.dtype.kind == "f" or several):
        raise PictureError(f"cannot write {path}: PNG cannot hold {picture}; use .tif")


def write_picture(path: str, picture: Picture, *, overwrite: bool = False) -> None:
    """Write a file whole or not at all; its name tells the format.

    JPEG is written with quality 95 and full colour resolution, TIFF uncompressed unless the file
    of origin was compressed.

    Raises
    ------
    PictureError
        As `check_output` and `check_format`, or a disk that is full.
    """
    check_output(path, overwrite=overwrite)
    check_format(path, picture)
    kind = FORMATS[os.path.splitext(path)[1].lower()]
    target = os.path.realpath(path)
    partial = f"{target}.{os.getpid()}.part"
    try:
        data = _encode(picture, kind)
        try:
            with open(partial, "xb") as file:
                file.write(data)
            if os.path.exists(target):
                check_output(path, overwrite=overwrite)
                shutil.copymode(target, partial)
            os.replace(partial, target)
        finally:
            if os.path.exists(partial):
                os.unlink(partial)
    except ImportError as error:
        raise PictureError(f"cannot write {path}: {error}; {INSTALL}") from None
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror or error}") from None


def enlarge(picture: Picture, pixels: NDArray[Any], factor: int) -> Picture:
    """The picture with pixels so many times larger, of the same size on paper and on the map.

    Extra channels are enlarged pixel by pixel.
    """
    extra = picture.extra
    if extra is not None:
        extra = extra.repeat(factor, axis=0).repeat(factor, axis=1)
    dpi = None if picture.dpi is None else (factor * picture.dpi[0], factor * picture.dpi[1])
    native = dict(picture.native)
    if "png" in native:
        from fastepll._png import finer_chunks

        native["png"] = finer_chunks(native["png"], factor)
    if "tiff" in native:
        from fastepll._tiff import finer_tags

        tags = finer_tags(native["tiff"]["extratags"], factor)
        native["tiff"] = native["tiff"] | {"extratags": tags}
    return replace(picture, pixels=pixels, extra=extra, dpi=dpi, native=native)


def split(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Colour and the other channels of (height, width[, channels])."""
    if array.ndim == 2:
        return array, None
    n = 3 if array.shape[-1] >= 3 else 1
    pixels, extra = array[..., :n], array[..., n:]
    return (pixels[..., 0] if n == 1 else pixels), (extra if extra.size else None)


def _decode(data: bytes) -> Picture:
    """Picture from the bytes of a file."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from fastepll._tiff import decode_tiff

        return decode_tiff(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        from fastepll._png import decode_png

        return decode_png(data)
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
    except UnidentifiedImageError:
        raise ValueError("not a PNG, JPEG or TIFF file") from None
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"JPEG of colour mode {image.mode}; gray or RGB wanted")
    pixels, info = np.asarray(image), image.info
    dpi = (float(info["dpi"][0]), float(info["dpi"][1])) if "dpi" in info else None
    exif = info.get("exif", b"").removeprefix(b"Exif\0\0") or None
    return Picture(pixels, None, info.get("icc_profile"), exif, dpi)


def _encode(picture: Picture, kind: str) -> bytes:
    """Bytes of a file of that format."""
    if kind == "TIFF":
        from fastepll._tiff import encode_tiff

        return encode_tiff(picture)
    if kind == "PNG":
        from fastepll._png import encode_png

        return encode_png(picture)
    from PIL import Image

    options: dict[str, Any] = {"icc_profile": picture.icc, "dpi": picture.dpi}
    if picture.exif is not None:
        options["exif"] = b"Exif\0\0" + picture.exif
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.pixels)).save(
        buffer, "JPEG", quality=95, subsampling=0, **options
    )
    return buffer.getvalue()


def _one_line(error: Exception) -> str:
    """First line of what an exception says, or its kind."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
