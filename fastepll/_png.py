"""PNG files: Pillow for 8 bits, imagecodecs for 16 (Pillow would drop half), chunks kept."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._files import Picture, split

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = (b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"pHYs", b"eXIf", b"tIME", b"tEXt", b"zTXt", b"iTXt")
"""Chunks that stay true when the pixels change."""
METRE = 1 / 0.0254  # inches


def decode_png(data: bytes) -> Picture:
    """Picture from the bytes of a PNG file."""
    chunks = [(name, body) for name, body in _chunks(data) if name in KEPT]
    known = dict(chunks)
    dpi = icc = None
    if b"pHYs" in known:
        x, y, unit = struct.unpack(">IIB", known[b"pHYs"])
        dpi = (x / METRE, y / METRE) if unit == 1 else None
    if b"iCCP" in known:
        icc = zlib.decompress(known[b"iCCP"].partition(b"\0")[2][1:])
    pixels, extra = split(_pixels(data))
    return Picture(pixels, extra, icc, known.get(b"eXIf"), dpi, {"png": chunks})


def encode_png(picture: Picture) -> bytes:
    """Bytes of a PNG file."""
    channels = np.ascontiguousarray(picture.channels)
    if channels.dtype == np.uint8:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(channels).save(buffer, "PNG")
        data = buffer.getvalue()
    else:
        import imagecodecs

        data = bytes(imagecodecs.png_encode(channels.astype(np.uint16, copy=False)))
    header = len(SIGNATURE) + 25
    chunks = picture.native.get("png", _chunks_from(picture))
    extra = b"".join(_chunk(name, body) for name, body in chunks)
    return data[:header] + extra + data[header:]


def finer_chunks(chunks: Sequence[tuple[bytes, bytes]], factor: int) -> list[tuple[bytes, bytes]]:
    """The chunks for so many times more pixels in a metre."""
    result = []
    for name, body in chunks:
        if name == b"pHYs":
            x, y, unit = struct.unpack(">IIB", body)
            result.append((name, struct.pack(">IIB", factor * x, factor * y, unit)))
        else:
            result.append((name, body))
    return result


def _pixels(data: bytes) -> NDArray[Any]:
    """All channels of a PNG file, uint8 or uint16."""
    if data[24:25] == b"\x10":
        import imagecodecs

        array: NDArray[Any] = imagecodecs.png_decode(data)
        return array
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(data), formats=("PNG",))
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise ValueError(f"{frames} animated frames; one picture wanted")
    transparent = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if transparent else "RGB")
    elif transparent:
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    return np.asarray(image)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies of the chunks of a PNG file, up to the first that is cut short."""
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, start)
        body = data[start + 8 : start + 8 + size]
        if len(body) < size:
            return
        yield data[start + 4 : start + 8], body
        start += 12 + size


def _chunks_from(picture: Picture) -> Iterator[tuple[bytes, bytes]]:
    """Chunks that hold what came from a file of another format."""
    if picture.icc is not None:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)
    if picture.dpi is not None:
        x, y = (round(value * METRE) for value in picture.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if picture.exif is not None:
        yield b"eXIf", picture.exif


def _chunk(name: bytes, body: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
