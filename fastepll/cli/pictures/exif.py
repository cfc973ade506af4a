"""EXIF blocks and the directories of TIFF files: raw entries, so that any text comes through.

Pillow's `Exif` replaces what is not ASCII and tifffile writes no directories within directories.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

CAMERA, GPS, INTEROPERABILITY = 34665, 34853, 40965
POINTERS = (CAMERA, GPS, INTEROPERABILITY)  # entries that are directories
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value of each type."""
NUMBERS = {3: "u2", 4: "u4", 5: "u4", 8: "i2", 9: "i4", 10: "i4", 11: "f4", 12: "f8", 16: "u8"}
"""NumPy's names of the types; rationals are two numbers."""
HEADER = b"II*\0\x08\0\0\0"


@dataclass(frozen=True)
class Entry:
    r"""The type of a tag's values, and their bytes in little-endian order.

    Examples
    --------
    >>> Entry(3, b"\x06\0").numbers.tolist()
    [6]
    """

    kind: int
    data: bytes

    @property
    def numbers(self) -> np.ndarray:
        """The values; of rationals numerators and denominators in turn."""
        return np.frombuffer(self.data, f"<{NUMBERS.get(self.kind, 'u1')}")

    def changed(self, numbers: np.ndarray) -> Entry:
        """The same type with other values, clipped to what it holds."""
        dtype = np.dtype(f"<{NUMBERS.get(self.kind, 'u1')}")
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            numbers = np.rint(numbers).clip(limits.min, limits.max)
        return Entry(self.kind, numbers.astype(dtype).tobytes())


Directory: TypeAlias = "dict[int, Entry | Directory]"


def read_block(block: bytes | None) -> Directory:
    """Entries of an EXIF block by their tags; what is damaged is left out."""
    if block is None or len(block) < 8 or block[:2] not in (b"II", b"MM"):
        return {}
    order = "<" if block[:2] == b"II" else ">"
    return read_directory(block, struct.unpack_from(f"{order}I", block, 4)[0], order)


def read_directory(
    data: bytes, offset: int, order: str, *, big: bool = False, depth: int = 2
) -> Directory:
    """Entries of the directory there; ``big`` of a BigTIFF file."""
    count, pointer, step = ("Q", "Q", 20) if big else ("H", "I", 12)
    size = struct.calcsize(pointer)
    start = offset + struct.calcsize(count)
    if start > len(data):
        return {}
    (n,) = struct.unpack_from(order + count, data, offset)
    result: Directory = {}
    for at in range(start, min(start + n * step, len(data) - step + 1), step):
        code, kind, n_values = struct.unpack_from(f"{order}HH{pointer}", data, at)
        length = n_values * SIZES.get(kind, 0)
        value = at + 4 + size
        (there,) = struct.unpack_from(order + pointer, data, value)
        raw = data[value : value + length] if length <= size else data[there : there + length]
        if not length or len(raw) < length:
            continue
        if code in POINTERS:
            first = int.from_bytes(raw, "little" if order == "<" else "big")
            if depth and (inner := read_directory(data, first, order, big=big, depth=depth - 1)):
                result[code] = inner
        else:
            numbers = np.frombuffer(raw, f"{order}{NUMBERS.get(kind, 'u1')}")
            if kind == 16:  # only BigTIFF has it
                kind, numbers = 4, numbers.clip(0, 2**32 - 1).astype(np.uint32)
            little = numbers.astype(numbers.dtype.newbyteorder("<"))
            if kind != 13:  # a directory of its own
                result[code] = Entry(kind, little.tobytes())
    return result


def place_of(code: int, data: bytes | bytearray, offset: int) -> int:
    """Where the entry of a little-endian directory is."""
    (n,) = struct.unpack_from("<H", data, offset)
    entries = range(offset + 2, offset + 2 + 12 * n, 12)
    return next(at for at in entries if struct.unpack_from("<H", data, at)[0] == code)


def write_block(directory: Directory) -> bytes:
    """EXIF block of the entries."""
    return HEADER + write_directory(directory, len(HEADER))


def write_directory(directory: Directory, at: int) -> bytes:
    """The bytes of a little-endian directory that begins at that offset, directories within it."""
    head = struct.pack("<H", len(directory))
    start = at + len(head) + 12 * len(directory) + 4
    tail = b""
    for code, value in sorted(directory.items()):
        here = start + len(tail)
        if isinstance(value, dict):
            head += struct.pack("<HHII", code, 4, 1, here)
            tail += write_directory(value, here)
            continue
        head += struct.pack("<HHI", code, value.kind, len(value.data) // SIZES[value.kind])
        if len(value.data) <= 4:
            head += value.data.ljust(4, b"\0")
        else:
            head += struct.pack("<I", here)
            tail += value.data + b"\0" * (len(value.data) % 2)
    return head + bytes(4) + tail
