"""Files read whole, and written whole or not at all; the format told by content or by name."""

from __future__ import annotations

import os
import re
import shutil
import stat
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from fastepll.cli.pictures.enlarge import enlarge
from fastepll.cli.pictures.picture import MAX_PIXELS, Picture, PictureError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
INSTALL = "install it with: pip install 'fastepll[cli]'"
SAMPLE = 8  # pixels a side that are written to see whether a file can be
OBJECT = re.compile(r"<[\w.]*(?:BytesIO|FileHandle)[^>]*>")
CONSTANT = re.compile(r"<([\w.]+): \d+>")  # as enumerations are shown
STUMBLES = (AttributeError, LookupError, TypeError, UnicodeError, ArithmeticError, AssertionError)
"""What libraries raise where they do not see that a file is damaged."""


def read_frames(path: str) -> list[Picture]:
    """Read a file, all its pages if it is a TIFF; its content, not its name, tells the format.

    Raises
    ------
    PictureError
        No such file, not a picture, damaged, or of a kind that is not supported.
    """
    try:
        with open(path, "rb") as file:
            if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
                raise PictureError(f"cannot read {path}: not a file")
            data = file.read()
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn of oddities in metadata
            frames = decode(data)
    except ImportError as error:
        raise PictureError(f"cannot read {path}: {error}; {INSTALL}") from None
    except Exception as error:  # decoders raise anything on damaged files
        raise PictureError(f"cannot read {path}: {one_line(error)}") from error
    pixels = frames[0].pixels
    if pixels.dtype.kind not in "iuf" or pixels.dtype.itemsize > 8:
        raise PictureError(f"cannot read {path}: pixels of type {pixels.dtype}")
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise PictureError(f"cannot read {path}: pixels of shape {pixels.shape}")
    return frames


def read_picture(path: str) -> Picture:
    """Read a file of one picture; `read_frames`, and PictureError if there are more."""
    frames = read_frames(path)
    if len(frames) > 1:
        raise PictureError(f"cannot use {path}: {len(frames)} pictures; one wanted")
    return frames[0]


def decode(data: bytes) -> list[Picture]:
    """Pictures in the bytes of a file; what libraries raise on damaged ones is not caught."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from fastepll.cli.pictures.tiff import decode_tiff

        return decode_tiff(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        from fastepll.cli.pictures.png import decode_png

        return decode_png(data)
    if data[:3] == b"\xff\xd8\xff":
        from fastepll.cli.pictures.jpeg import decode_jpeg

        return decode_jpeg(data)
    raise ValueError("not a PNG, JPEG or TIFF file")


def encoder(path: str) -> Callable[[list[Picture], list[str]], bytes]:
    """What makes the bytes of a file of that name, and tells what is lost."""
    kind = FORMATS[os.path.splitext(path)[1].lower()]
    if kind == "TIFF":
        from fastepll.cli.pictures.tiff import encode_tiff

        return encode_tiff
    if kind == "PNG":
        from fastepll.cli.pictures.png import encode_png

        return encode_png
    from fastepll.cli.pictures.jpeg import encode_jpeg

    return encode_jpeg


def check_output(path: str, *, overwrite: bool, suffixes: Iterable[str] = FORMATS) -> None:
    """Raise PictureError if a file could not be written there, before work is spent on it."""
    folder = os.path.dirname(os.path.realpath(path))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in suffixes:
        raise PictureError(f"cannot write {path}: the name must end in {', '.join(suffixes)}")
    if os.path.isdir(path):
        raise PictureError(f"cannot write {path}: it is a folder")
    if os.path.exists(path) and not overwrite:
        raise PictureError(f"cannot write {path}: it exists; --overwrite replaces it")
    if not os.path.isdir(folder):
        raise PictureError(f"cannot write {path}: no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise PictureError(f"cannot write {path}: no permission to write into {folder}")


def rehearse(path: str, frames: Sequence[Picture], factor: int = 1) -> list[str]:
    """What a file of that name will not keep of such pictures so many times larger, in words.

    Writes them in memory, a few pixels of each, so that nothing is restored in vain.

    Raises
    ------
    PictureError
        The format cannot hold them.
    """
    kind = FORMATS[os.path.splitext(path)[1].lower()]
    picture, dtype = frames[0], frames[0].pixels.dtype
    height, width = (factor * side for side in picture.pixels.shape[:2])
    cannot = f"cannot write {path}: {kind} cannot hold"
    if kind != "TIFF" and len(frames) > 1:
        raise PictureError(f"{cannot} {len(frames)} pictures; use .tif")
    if kind == "JPEG" and (dtype != np.uint8 or picture.extra is not None):
        raise PictureError(f"{cannot} {picture}; use .png or .tif")
    several = picture.extra is not None and picture.extra.shape[-1] > 1
    if kind == "PNG" and (dtype not in (np.uint8, np.uint16) or several):
        raise PictureError(f"{cannot} {picture}; use .tif")
    if max(height, width) > (65500 if kind == "JPEG" else 10**6) or height * width > MAX_PIXELS:
        raise PictureError(f"{cannot} {width}x{height} pixels")
    few = slice(SAMPLE), slice(SAMPLE)
    samples = [
        replace(
            enlarge(one, factor) if factor > 1 else one,
            pixels=one.pixels[few],
            extra=None if one.extra is None else one.extra[few],
        )
        for one in frames
    ]
    lost: list[str] = []
    encode(path, samples, lost)
    told = [thing for one in samples for thing in one.left]
    return list(dict.fromkeys([*told, *lost]))


def encode(path: str, frames: Sequence[Picture], lost: list[str]) -> bytes:
    """Bytes of a file of that name; PictureError if it cannot hold the pictures."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return encoder(path)(list(frames), lost)
    except ImportError as error:
        raise PictureError(f"cannot write {path}: {error}; {INSTALL}") from None
    except Exception as error:  # libraries raise anything on metadata that they do not take
        raise PictureError(f"cannot write {path}: {one_line(error)}") from error


def write_frames(path: str, frames: Sequence[Picture], *, overwrite: bool = False) -> None:
    """Write a file whole or not at all; its name tells the format, several pictures need TIFF.

    JPEG is written with quality 95 and full colour resolution, TIFF uncompressed unless the file
    of origin was compressed.

    Raises
    ------
    PictureError
        As `check_output` and `rehearse`, or a disk that is full.
    """
    check_output(path, overwrite=overwrite)
    rehearse(path, frames)
    write_bytes(path, encode(path, frames, []), overwrite=overwrite)


def write_bytes(
    path: str, data: bytes, *, overwrite: bool, suffixes: Iterable[str] = FORMATS
) -> None:
    """Write a file whole or not at all; PictureError as `check_output`, or a disk that is full."""
    target = os.path.realpath(path)
    partial = f"{target}.{os.getpid()}.part"
    try:
        try:
            with open(partial, "xb") as file:
                file.write(data)
            if os.path.exists(target):
                check_output(path, overwrite=overwrite, suffixes=suffixes)
                shutil.copymode(target, partial)
            os.replace(partial, target)
        finally:
            if os.path.exists(partial):
                os.unlink(partial)
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror or error}") from None


def write_picture(path: str, picture: Picture, *, overwrite: bool = False) -> None:
    """Write a file of one picture, as `write_frames`."""
    write_frames(path, [picture], overwrite=overwrite)


def one_line(error: BaseException) -> str:
    """First line of what an exception says, without the objects of libraries, or its kind."""
    if isinstance(error, STUMBLES):
        return f"damaged ({type(error).__name__})"
    first = str(error).strip().partition("\n")[0]
    return CONSTANT.sub(r"\1", OBJECT.sub("the file", first)) or type(error).__name__
