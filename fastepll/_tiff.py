"""TIFF files by tifffile: one page of integers or floats, with the tags that stay true."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile

from fastepll._files import Picture, split

KEPT = (271, 272, 274, 306, 315, 316, 700, 33432, 33550, 33723, 33922, 34735, 34736, 34737, 42112)
"""Make, model, orientation, dates, XMP, IPTC, copyright, GeoTIFF and GDAL tags."""
SCALE, TIES = 33550, 33922  # of GeoTIFF
UNITS = {2: 1.0, 3: 2.54}  # ResolutionUnit: inch, centimetre; per inch

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it logs, it raises too


def decode_tiff(data: bytes) -> Picture:
    """Picture from the bytes of a TIFF file."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        if len(tiff.pages) != 1:
            raise ValueError(f"TIFF of {len(tiff.pages)} pages; one picture wanted")
        page: Any = tiff.pages[0]
        array = page.asarray()
        if page.axes == "SYX":
            array = np.moveaxis(array, 0, -1)
        if page.axes not in ("YX", "YXS", "SYX"):
            raise ValueError(f"TIFF with axes {page.axes}; a picture (YX or YXS) wanted")
        if page.photometric.name not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR"):
            raise ValueError(f"TIFF of colour kind {page.photometric.name}; gray or RGB wanted")
        pixels, extra = split(array)
        tags = page.tags
        unit = int(tags.valueof("ResolutionUnit", 2))
        options = {
            "photometric": "rgb" if pixels.ndim == 3 else page.photometric.name.lower(),
            "compression": None if page.compression == 1 else "zlib",
            "description": tags.valueof(270),
            "software": tags.valueof(305, False),
            "extrasamples": [int(value) for value in page.extrasamples] or None,
            "extratags": [
                (tag.code, tag.dtype, tag.count, tag.value, True)
                for tag in tags
                if tag.code in KEPT
            ],
        }
        dpi = None
        if unit in UNITS and "XResolution" in tags and "YResolution" in tags:
            per = [tags[name].value for name in ("XResolution", "YResolution")]
            if all(bottom for _, bottom in per):
                dpi = (per[0][0] / per[0][1] * UNITS[unit], per[1][0] / per[1][1] * UNITS[unit])
        return Picture(pixels, extra, tags.valueof(34675), None, dpi, {"tiff": options})


def encode_tiff(picture: Picture) -> bytes:
    """Bytes of a TIFF file."""
    options = {
        "photometric": "rgb" if picture.pixels.ndim == 3 else "minisblack",
        "compression": "zlib",
        "software": False,
        "extrasamples": None if picture.extra is None else [2] * picture.extra.shape[-1],
        **picture.native.get("tiff", {}),
    }
    if picture.dpi is not None:
        options |= {"resolution": picture.dpi, "resolutionunit": "INCH"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(picture.channels),
        iccprofile=picture.icc,
        planarconfig="contig" if picture.channels.ndim == 3 else None,
        metadata=None,
        **options,
    )
    return buffer.getvalue()


def finer_tags(tags: Sequence[tuple[Any, ...]], factor: int) -> list[tuple[Any, ...]]:
    """The tags for so many times more pixels: GeoTIFF's size of a pixel, and its tie points."""
    result = []
    for code, dtype, count, value, once in tags:
        finer = value
        if code == SCALE:
            finer = (value[0] / factor, value[1] / factor, *value[2:])
        elif code == TIES:
            points = np.reshape(value, (-1, 6)) * [factor, factor, 1, 1, 1, 1]
            finer = tuple(points.ravel().tolist())
        result.append((code, dtype, count, finer, once))
    return result
