"""Numeric fields of a struct in a ``.mat`` file of version 5, or of 7.3 through h5py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastepll.models._matfile import MAX_BYTES, read_version5

_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_struct(
    file: BinaryIO, name: str, required: Sequence[str], optional: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the fields of struct `name` as arrays with MATLAB's order of axes."""
    head = file.read(520)
    if _HDF5 in (head[:8], head[512:]):
        fields = _read_version73(file, name, (*required, *optional))
    elif head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        fields = read_version5(head + file.read(), name, (*required, *optional))
    else:
        raise ValueError("it is no MATLAB file of version 5 or 7.3")
    for key in required:
        if key not in fields:
            raise ValueError(f"struct {name} has no field {key!r}")
    return fields


def _read_version73(file: BinaryIO, name: str, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read a version 7.3 file, which is HDF5 with the axes of every array reversed."""
    try:
        import h5py
    except ImportError:
        raise ImportError("reading MATLAB version 7.3 files needs h5py: pip install h5py") from None
    fields: dict[str, NDArray[Any]] = {}
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
