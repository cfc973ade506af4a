"""What a file says of its size, for so many times more pixels on the same paper and map."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from fastepll.cli.pictures.exif import Directory, Entry, read_block, write_block
from fastepll.cli.pictures.picture import Picture

DESCRIPTION, RESOLUTION, IMAGEJ = 270, (282, 283), (50838, 50839)
SIDES = (256, 257, 37396, 40962, 40963)  # width and length in pixels; the subject's place
FOCAL_PLANE = (41486, 41487)  # pixels per unit of length on the sensor
TIES = 33922  # of GeoTIFF: column, row, level, x, y, z of each point
STEPS = {33550: ((0, 1), 3), TIES: ((0, 1), 6), 34264: ((0, 1), 4)}
"""GeoTIFF's numbers along columns and rows: which of each group of how many."""
COUNTS = re.compile(
    rb"\b(SizeX|SizeY|(?:tiff:Image|exif:Pixel[XY]?)(?:Width|Length|Dimension))(=[\"']|>)(\d+)"
)
LENGTHS = re.compile(rb"\b(PhysicalSize[XY])(=[\"'])([-+.\deE]+)")


def enlarge(picture: Picture, factor: int) -> Picture:
    """The picture with metadata and extra channels for so many times more pixels a side.

    Extra channels are enlarged pixel by pixel; the pixels are left to the caller.
    """
    extra = picture.extra
    if extra is not None:
        extra = extra.repeat(factor, axis=0).repeat(factor, axis=1)
    directory = read_block(picture.exif)
    left = list(picture.left)
    if any(directory.pop(code, None) for code in IMAGEJ):
        left.append("ImageJ's overlays and labels")
    return replace(
        picture,
        extra=extra,
        exif=picture.exif and write_block(finer_directory(directory, factor)),
        dpi=picture.dpi and (factor * picture.dpi[0], factor * picture.dpi[1]),
        xmp=picture.xmp and finer_xml(picture.xmp, factor),
        native={**picture.native, "png": finer_chunks(picture.native.get("png", []), factor)},
        left=left,
    )


def finer_directory(directory: Directory, factor: int) -> Directory:
    """The entries, those that count pixels multiplied, those that measure one divided."""
    result: Directory = {}
    for code, value in directory.items():
        if isinstance(value, dict):
            result[code] = finer_directory(value, factor)
        elif code == DESCRIPTION:
            result[code] = Entry(value.kind, finer_xml(value.data, factor))
        elif code in SIDES:
            result[code] = value.changed(value.numbers * factor)
        elif code in (*RESOLUTION, *FOCAL_PLANE):
            result[code] = denser(value, factor)
        elif code in STEPS:
            first, period = STEPS[code]
            numbers = value.numbers.astype(float)
            for k in first:
                numbers[k::period] *= factor if code == TIES else 1 / factor
            result[code] = value.changed(numbers)
        else:
            result[code] = value
    return result


def denser(value: Entry, factor: int) -> Entry:
    """So many times more pixels per unit, a rational or a number."""
    numbers = value.numbers.astype(float)
    if value.kind != 5 or numbers[0] * factor < 2**32:
        numbers[0] *= factor
    else:
        numbers[1] /= factor
    return value.changed(numbers)


def finer_xml(text: bytes, factor: int) -> bytes:
    """OME-XML or XMP with the new sizes; other text as it is."""
    text = COUNTS.sub(lambda m: m[1] + m[2] + b"%d" % (int(m[3]) * factor), text)
    return LENGTHS.sub(lambda m: m[1] + m[2] + repr(float(m[3]) / factor).encode(), text)


def finer_chunks(chunks: list[tuple[bytes, bytes]], factor: int) -> list[tuple[bytes, bytes]]:
    """PNG chunks, with the offset of the picture on its page in the new pixels."""
    result = []
    for name, body in chunks:
        if name == b"oFFs" and body[8:] == b"\0":
            x, y = struct.unpack(">ii", body[:8])
            result.append((name, struct.pack(">iib", factor * x, factor * y, 0)))
        else:
            result.append((name, body))
    return result
