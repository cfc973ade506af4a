"""TIFF files by tifffile: pages of integers or floats, with the tags that stay true."""

from __future__ import annotations

import io
import logging
import math
import struct
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from fastepll.cli.pictures.exif import (
    CAMERA,
    GPS,
    Directory,
    Entry,
    place_of,
    read_directory,
    write_block,
    write_directory,
)
from fastepll.cli.pictures.picture import Picture, check_size, split
from fastepll.cli.pictures.tags import (
    DESCRIPTION,
    ICC,
    PHOTOSHOP,
    PIXELS,
    PLACES,
    UNIT,
    XMP,
    X,
    Y,
    dpi_of,
    shapeless,
    tags_of,
    taken,
)

STANDING = {CAMERA: 34664, GPS: 34854}
"""Unassigned tags that stand for directories until they are appended; tifffile writes none."""

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what it logs, it raises too


def decode_tiff(data: bytes) -> list[Picture]:
    """The pictures in the bytes of a TIFF file, one for each page or frame.

    The smaller copies of a pyramid are left out.
    """
    with tifffile.TiffFile(io.BytesIO(data), is_ome=False) as tiff:
        pages: list[Any] = [tiff.pages[k] for k in range(len(tiff.pages))]
        whole = [page for page in pages if not (page.is_reduced or page.is_mask)] or pages[:1]
        left = [f"{len(pages) - len(whole)} smaller copies or masks"] * (len(whole) < len(pages))
        if len({(page.shape, page.dtype, page.photometric) for page in whole}) > 1:
            raise ValueError(f"TIFF of {len(whole)} pages of different kinds; one picture wanted")
        for page in whole:
            check_page(page, len(data) // len(whole))
        arrays = frames_behind(tiff, len(data)) or [page.asarray() for page in whole]
        tags: list[Directory] = [
            read_directory(data, page.offset, tiff.byteorder, big=tiff.is_bigtiff) for page in whole
        ]
        if len(arrays) > len(whole):
            tags += [{}] * (len(arrays) - 1)
            whole *= len(arrays)
        return [
            picture_of(array, page, one, left)
            for array, page, one in zip(arrays, whole, tags, strict=True)
        ]


def frames_behind(tiff: Any, n_bytes: int) -> list[NDArray[Any]]:
    """The frames of a file that has one directory for many, as ImageJ writes; of others none."""
    page = tiff.pages[0]
    if len(tiff.pages) > 1 or tiff.series[0].size <= page.size:
        return []
    check_size((*page.shape[:2], tiff.series[0].size // max(page.size, 1)), 1, n_bytes)
    return list(tiff.series[0].asarray().reshape(-1, *page.shape))


def check_page(page: Any, n_bytes: int) -> None:
    """Raise ValueError unless it is a picture of a kind that can be restored."""
    kind, compression = page.photometric.name, page.compression.name
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"TIFF with axes {page.axes}; a picture (YX or YXS) wanted")
    if kind not in ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "YCBCR"):
        raise ValueError(f"TIFF of colour kind {kind}; gray or RGB wanted")
    if kind == "YCBCR" and "JPEG" not in compression:
        raise ValueError(f"TIFF of colour kind YCBCR, compression {compression}; RGB wanted")
    shape = page.shape if page.axes != "SYX" else (*page.shape[1:], page.shape[0])
    check_size(shape, page.dtype.itemsize, n_bytes)


def picture_of(array: NDArray[Any], page: Any, tags: Directory, left: list[str]) -> Picture:
    """Picture of a page's array and tags."""
    kind = page.photometric.name
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    if kind == "PALETTE":
        colours = page.colormap if page.colormap.max() < 256 else page.colormap >> 8
        array = np.moveaxis(colours.astype(np.uint8)[:, array], 0, -1)
    elif array.dtype.kind in "bu" and array.itemsize <= 2:
        array = stretch(array, page.bitspersample)
        if kind == "MINISWHITE":
            array = ~array
    pixels, extra = split(array, 3 if kind in ("RGB", "YCBCR", "PALETTE") else 1)
    lost = [f"TIFF tag {code}" for code in tags if code in PLACES]
    tags = {code: one for code, one in tags.items() if code not in PIXELS | PLACES}
    blobs = [taken(tags, code) for code in (ICC, XMP, PHOTOSHOP)]
    if isinstance(text := tags.get(DESCRIPTION), Entry) and not (text := shapeless(text)).data:
        del tags[DESCRIPTION]
    elif text is not None:
        tags[DESCRIPTION] = text
    options = {
        "photometric": kind.lower() if kind == "MINISWHITE" else None,
        "compression": None if page.compression == 1 else "zlib",
        "extrasamples": [int(value) for value in page.extrasamples] or None,
    }
    return Picture(
        pixels,
        extra,
        icc=blobs[0],
        xmp=blobs[1],
        photoshop=blobs[2],
        exif=write_block(tags) if tags else None,
        dpi=dpi_of(tags),
        native={"tiff": options},
        left=[*left, *lost],
    )


def stretch(array: NDArray[Any], bits: Any) -> NDArray[Any]:
    """Samples of fewer bits than their type over its range."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    full = 8 * array.itemsize
    if not isinstance(bits, int) or bits >= full:
        return array
    stretched: NDArray[Any] = np.rint(array * ((2**full - 1) / (2**bits - 1)))
    return stretched.astype(array.dtype)


def encode_tiff(frames: list[Picture], lost: list[str]) -> bytes:
    """Bytes of a TIFF file, a page for each picture; what it cannot hold is told."""
    buffer = io.BytesIO()
    directories = [tags_of(picture, lost) for picture in frames]
    big = sum(picture.channels.nbytes for picture in frames) > 2**32 - 2**25
    if big and any(isinstance(one, dict) for tags in directories for one in tags.values()):
        lost.append("EXIF in a file of more than 4 GB")
        directories = [
            {code: one for code, one in tags.items() if isinstance(one, Entry)}
            for tags in directories
        ]
    with tifffile.TiffWriter(buffer, byteorder="<", bigtiff=big) as writer:
        for picture, tags in zip(frames, directories, strict=True):
            write_page(writer, picture, tags)
    if not any(code in STANDING for tags in directories for code in tags):
        return buffer.getvalue()
    data = bytearray(buffer.getvalue())
    buffer.seek(0)
    with tifffile.TiffFile(buffer, is_ome=False) as tiff:
        offsets = [tiff.pages[k].offset for k in range(len(directories))]
    for tags, offset in zip(directories, offsets, strict=True):
        for code, value in tags.items():
            if isinstance(value, dict) and code in STANDING:
                data += bytes(len(data) % 2)
                place = place_of(STANDING[code], data, offset)
                struct.pack_into("<HHII", data, place, code, 4, 1, len(data))
                data += write_directory(value, len(data))
    return bytes(data)


def write_page(writer: Any, picture: Picture, tags: Directory) -> None:
    """Append a page."""
    options: dict[str, Any] = {"compression": "zlib", "extrasamples": None}
    if picture.extra is not None:
        options["extrasamples"] = [2] * picture.extra.shape[-1]
    options |= picture.native.get("tiff", {})
    channels = picture.channels
    if options.pop("photometric", None) and picture.pixels.ndim == 2:
        kind = "miniswhite"
        if channels.dtype.kind == "u" and channels.itemsize <= 2:
            channels = ~channels
    else:
        kind = "rgb" if picture.pixels.ndim == 3 else "minisblack"
    dpi, said = picture.dpi, dpi_of(tags)
    x, y, unit = (tags.pop(code, None) for code in (X, Y, UNIT))
    same = dpi is None or (said is not None and np.allclose(said, dpi, rtol=1e-3))
    if same and isinstance(x, Entry) and isinstance(y, Entry) and x.kind == y.kind == 5:
        options["resolution"] = [tuple(int(n) for n in one.numbers) for one in (x, y)]
        options["resolutionunit"] = int(unit.numbers[0]) if isinstance(unit, Entry) else 2
    elif dpi is not None and all(math.isfinite(one) and one > 0 for one in dpi):
        options |= {"resolution": dpi, "resolutionunit": 2}
    writer.write(
        channels,
        photometric=kind,
        planarconfig="contig" if channels.ndim == 3 else None,
        metadata=None,
        software=False,
        contiguous=False,
        extratags=[
            extratag(code, one)
            for code, one in tags.items()
            if isinstance(one, Entry) or code in STANDING
        ],
        **options,
    )


def extratag(code: int, one: Entry | Directory) -> tuple[int, int, int, Any, bool]:
    """An entry as tifffile takes it: bytes, but of rationals it would count the halves."""
    if isinstance(one, dict):
        return STANDING[code], 4, 1, 0, True
    if one.kind in (5, 10):
        return code, one.kind, len(one.data) // 8, tuple(one.numbers.tolist()), True
    return code, one.kind, 1, one.data.rstrip(b"\0") if one.kind == 2 else one.data, True
