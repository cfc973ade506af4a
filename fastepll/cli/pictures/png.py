"""PNG files: pixels by imagecodecs, of all depths, and the chunks that stay true."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll.cli.pictures.picture import Picture, check_size, split

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"sBIT")
TEXT = (b"tEXt", b"zTXt", b"iTXt")
PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"hIST")
XMP, COMMENT = b"XML:com.adobe.xmp\0", b"Comment\0"
METRE = 1 / 0.0254  # inches
LARGEST = 2**26  # bytes of a profile or packet
PALETTE, RGB = 3, 2  # types of colour


def decode_png(data: bytes) -> list[Picture]:
    """The picture in the bytes of a PNG file."""
    import imagecodecs

    chunks = list(read_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ValueError("PNG without a header")
    known = dict(chunks)
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    if b"acTL" in known:
        raise ValueError("PNG with animated frames; one picture wanted")
    check_size((height, width, 4), max(bits // 8, 1), len(data))
    plain = [(name, body) for name, body in chunks if name in PIXELS]
    array: NDArray[Any] = imagecodecs.png_decode(
        SIGNATURE + b"".join(_chunk(*one) for one in plain)
    )
    pixels, extra = split(array, 3 if array.ndim == 3 and array.shape[-1] >= 3 else 1)
    kept: list[tuple[bytes, bytes]] = []
    left: list[str] = []
    values: dict[str, Any] = {}
    for name, body in chunks:
        unit = body[8:9]
        if name == b"pHYs" and unit == b"\1":
            x, y = struct.unpack(">II", body[:8])
            values["dpi"] = (x / METRE, y / METRE) if x and y else None
        elif name == b"iCCP":
            values["icc"] = inflate(body.partition(b"\0")[2][1:])
        elif name == b"eXIf":
            values["exif"] = body
        elif name == b"iTXt" and body.startswith(XMP):
            values["xmp"] = text_of(name, body)
        elif name in TEXT and body.startswith(COMMENT):
            kept.append((name, body))
            values["comment"] = text_of(name, body)
        elif name == b"sBIT":
            n = 1 if array.ndim == 2 else array.shape[-1]
            kept.append((name, body.ljust(n, bytes([8 * array.itemsize]))))
        elif name == b"bKGD" and (kind == PALETTE or bits < 8):
            left.append("PNG bKGD")
        elif name in (*COLOUR, b"bKGD", b"tIME") or (name[3:].islower() and name[:1].islower()):
            kept.append((name, body))
        elif name not in PIXELS:
            left.append(f"PNG {name.decode('latin-1')}")
    return [Picture(pixels, extra, native={"png": kept}, left=left, **values)]


def encode_png(frames: list[Picture], lost: list[str]) -> bytes:
    """Bytes of a PNG file; what it cannot hold is told."""
    import imagecodecs

    (picture,) = frames
    data = bytes(imagecodecs.png_encode(straight(picture)))
    header = len(SIGNATURE) + 25
    chunks = list(chunks_from(picture, lost))
    return data[:header] + b"".join(_chunk(*one) for one in chunks) + data[header:]


def straight(picture: Picture) -> NDArray[Any]:
    """The channels with colours that were not multiplied with alpha, as PNG has them."""
    channels = picture.channels
    if picture.extra is None or picture.native.get("tiff", {}).get("extrasamples") != [1]:
        return channels
    white, alpha = np.iinfo(channels.dtype).max, picture.extra
    colour = np.atleast_3d(picture.pixels) * (white / np.maximum(alpha, 1))
    colour = np.rint(colour.clip(0, white)).astype(channels.dtype)
    return np.concatenate([colour, alpha], axis=-1)


def chunks_from(picture: Picture, lost: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of what describes the picture."""
    native = picture.native.get("png")
    yield from native or ()
    if picture.icc is not None:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)
    if picture.dpi is not None:
        x, y = (round(value * METRE) for value in picture.dpi)
        if min(x, y) > 0 and max(x, y) < 2**31:
            yield b"pHYs", struct.pack(">IIB", x, y, 1)
        else:
            lost.append("the resolution")
    if picture.exif is not None:
        yield b"eXIf", picture.exif
    if picture.xmp is not None:
        yield b"iTXt", XMP + bytes(4) + picture.xmp
    if picture.comment is not None and native is None:
        yield text_chunk(b"Comment", picture.comment)
    if picture.photoshop is not None:
        lost.append("Photoshop's resources (IPTC)")
    if picture.native.get("jpeg"):
        lost.append("extended XMP")


def text_of(name: bytes, body: bytes) -> bytes:
    """The text of a chunk in UTF-8."""
    _, _, rest = body.partition(b"\0")
    if name == b"iTXt":  # compressed or not, how, language, keyword in it
        text = rest[2:].split(b"\0", 2)[-1]
        return inflate(text) if rest[:1] == b"\1" else text
    text = inflate(rest[1:]) if name == b"zTXt" else rest
    return text.decode("latin-1").encode()


def text_chunk(keyword: bytes, text: bytes) -> tuple[bytes, bytes]:
    """Name and body of the chunk for a text in UTF-8, or else in Latin 1."""
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return b"iTXt", keyword + bytes(5) + text
    return b"tEXt", keyword + b"\0" + text.replace(b"\0", b" ")


def lost_chunks(picture: Picture) -> list[str]:
    """In words, the chunks of a picture that another format than PNG cannot hold."""
    chunks = picture.native.get("png", [])
    known = dict(chunks)
    implied = [b"sRGB"]  # what is assumed of a file that says nothing
    if b"sRGB" in known or picture.icc or known.get(b"gAMA") == b"\0\0\xb1\x8f":
        implied += [b"gAMA", b"cHRM"]
    if picture.comment is not None:
        chunks = [one for one in chunks if not one[1].startswith(COMMENT)]
    texts = [body.partition(b"\0")[0].decode("latin-1") for name, body in chunks if name in TEXT]
    names = {name.decode("latin-1"): 0 for name in known if name not in (*TEXT, *implied)}
    return [f"PNG text {text}" for text in dict.fromkeys(texts)] + [f"PNG {name}" for name in names]


def inflate(data: bytes) -> bytes:
    """Decompressed data of a bearable size."""
    machine = zlib.decompressobj()
    result = machine.decompress(data, LARGEST)
    if machine.unconsumed_tail:
        raise ValueError(f"PNG with more than {LARGEST} bytes of metadata")
    return result


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies of the chunks of a PNG file.

    Raises
    ------
    ValueError
        It ends before its last chunk does, or a checksum is wrong.
    """
    start, name = len(SIGNATURE), b""
    while name != b"IEND":
        if start + 12 > len(data):
            raise ValueError("PNG that is cut short")
        size, name = struct.unpack_from(">I4s", data, start)
        body, check = data[start + 8 : start + 8 + size], data[start + 8 + size : start + 12 + size]
        if check != struct.pack(">I", zlib.crc32(name + body)):
            raise ValueError(f"PNG with a damaged chunk {name.decode('latin-1')!r}")
        yield name, body
        start += 12 + size


def _chunk(name: bytes, body: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
