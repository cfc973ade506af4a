"""Numeric fields of a struct in a ``.mat`` file: version 5 through SciPy, 7.3 through h5py."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

MAX_BYTES = 2 << 30  # a file may not unpack to more
_HDF5 = b"\x89HDF\r\n\x1a\n"
_COMPRESSED = 15  # tag of a zlib-compressed element in a version 5 file


def read_struct(
    file: BinaryIO, name: str, required: Sequence[str], optional: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of struct `name` as arrays with MATLAB's order of axes."""
    head = file.read(520)
    if _HDF5 in (head[:8], head[512:]):
        fields = _read_hdf5(file, name, (*required, *optional))
    elif head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        _check_inflated(file, "<" if head[126:128] == b"IM" else ">")
        fields = _read_version5(file, name, (*required, *optional))
    else:
        raise ValueError("it is no MATLAB file of version 5 or 7.3")
    for key in required:
        if key not in fields:
            raise ValueError(f"struct {name} has no field {key!r}")
    return fields


def _read_version5(file: BinaryIO, name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """Read a version 5 file."""
    try:
        from scipy import io
    except ImportError:
        raise ImportError("reading MATLAB version 5 files needs SciPy: pip install scipy") from None
    file.seek(0)
    listed = [(shape, kind) for found, shape, kind in io.whosmat(file) if found == name]
    if listed != [((1, 1), "struct")]:
        raise ValueError(f"it holds no struct {name}")
    file.seek(0)
    record = io.loadmat(file, variable_names=[name])[name][0, 0]
    return {key: record[key] for key in wanted if key in (record.dtype.names or ())}


def _read_hdf5(file: BinaryIO, name: str, wanted: Sequence[str]) -> dict[str, Any]:
    """Read a version 7.3 file, which is HDF5 with the axes of every array reversed."""
    try:
        import h5py
    except ImportError:
        raise ImportError("reading MATLAB version 7.3 files needs h5py: pip install h5py") from None
    fields: dict[str, Any] = {}
    with h5py.File(file, "r") as root:
        group = root.get(name)
        if not isinstance(group, h5py.Group):
            raise ValueError(f"it holds no struct {name}")
        for key in wanted:
            dataset = group.get(key)
            if dataset is None:
                continue
            if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
                raise ValueError(f"field {key!r} of struct {name} is not numeric")
            if math.prod(dataset.shape) * max(dataset.dtype.itemsize, 8) > MAX_BYTES:
                raise ValueError(f"field {key!r} is too large, {dataset.shape}")
            fields[key] = np.transpose(dataset[()])
    return fields


def _check_inflated(file: BinaryIO, order: str) -> None:
    """Raise if the compressed elements of a version 5 file unpack to more than MAX_BYTES."""
    total = 0
    file.seek(128)
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        start = file.tell()
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            data = file.read(min(size, 1 << 16))
            while data and not unpacker.eof:
                total += len(unpacker.decompress(data, 1 << 20))
                if total > MAX_BYTES:
                    raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
                left = size - (file.tell() - start)
                data = unpacker.unconsumed_tail or file.read(min(left, 1 << 16))
        file.seek(start + size)
