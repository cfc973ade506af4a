"""Numeric fields of a struct in a MATLAB version 5 file, read without trusting it.

The format is a list of elements (tag, bytes, padding to 8); a matrix is an element made of
elements. SciPy's reader is not used: a file with one changed byte can crash the interpreter in it.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 2 << 30  # one variable may not unpack to more
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_DTYPES[13] = "u8"
_MATRIX, _COMPRESSED = 14, 15
_STRUCT = 2  # class of a matrix; 6 to 15 are the numeric ones
_COMPLEX = 0x800


def read_version5(data: bytes, name: str, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return those fields of the 1×1 struct `name` that are there, with MATLAB's order of axes."""
    order = "<" if data[126:128] == b"IM" else ">"
    for kind, view in _elements(memoryview(data)[128:], order):
        content = _unpack(view, order) if kind == _COMPRESSED else view
        if kind in (_MATRIX, _COMPRESSED):
            parts = _elements(content, order)
            flags, dims, found = _matrix_head(parts, order)
            if found == name and flags & 0xFF == _STRUCT and dims == (1, 1):
                return _struct_fields(parts, order, wanted)
    raise ValueError(f"it holds no struct {name}")


def _elements(view: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield (kind, bytes) of the elements one after the other."""
    at = 0
    while at < len(view):
        kind, size = struct.unpack_from(f"{order}II", view, at)
        start, room, at = at + 8, len(view) - at - 8, at + 8
        if kind >> 16:  # up to four bytes packed into the tag itself
            kind, size, start, room = kind & 0xFFFF, kind >> 16, start - 4, 4
        else:
            at += size if kind == _COMPRESSED else size + -size % 8
        if size > room:
            raise ValueError("an element is longer than what holds it")
        yield kind, view[start : start + size]


def _unpack(view: memoryview, order: str) -> memoryview:
    """Return the contents of the one matrix inside a compressed element."""
    data = zlib.decompressobj().decompress(view, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
    for kind, content in _elements(memoryview(data), order):
        if kind == _MATRIX:
            return content
    raise ValueError("a compressed element holds no matrix")


def _numbers(element: tuple[int, memoryview], order: str) -> NDArray[Any]:
    """Return the numbers of a plain element."""
    kind, view = element
    if kind not in _DTYPES:
        raise ValueError(f"an element of type {kind} is where numbers should be")
    return np.frombuffer(view, order + _DTYPES[kind])


def _matrix_head(
    parts: Iterator[tuple[int, memoryview]], order: str
) -> tuple[int, tuple[int, ...], str]:
    """Return flags, dimensions and name of a matrix."""
    flags = int(_numbers(_next(parts), order)[0])
    dims = tuple(int(n) for n in _numbers(_next(parts), order))
    return flags, dims, bytes(_next(parts)[1]).decode("ascii")


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    """Return the next element; it must be there."""
    for part in parts:
        return part
    raise ValueError("a matrix ends too early")


def _struct_fields(
    parts: Iterator[tuple[int, memoryview]], order: str, wanted: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Read the wanted fields of a struct, the others are passed over."""
    width = int(_numbers(_next(parts), order)[0])
    if width < 1:
        raise ValueError(f"field names of a struct have length {width}")
    names = bytes(_next(parts)[1])
    fields: dict[str, NDArray[Any]] = {}
    for at in range(0, len(names), width):
        key = names[at : at + width].split(b"\0")[0].decode("ascii")
        kind, view = _next(parts)
        if key in wanted:
            if kind != _MATRIX:
                raise ValueError(f"field {key!r} is no matrix")
            fields[key] = _array(key, view, order)
    return fields


def _array(key: str, view: memoryview, order: str) -> NDArray[Any]:
    """Return a real numeric matrix."""
    parts = _elements(view, order)
    flags, dims, _ = _matrix_head(parts, order)
    if not 6 <= flags & 0xFF <= 15 or flags & _COMPLEX:
        raise ValueError(f"field {key!r} is no array of real numbers")
    numbers = _numbers(_next(parts), order)
    if min(dims, default=0) < 0 or math.prod(dims) != numbers.size:
        raise ValueError(f"field {key!r} has not the size its dimensions say, {dims}")
    return numbers.reshape(dims, order="F")
