"""Reading arrays from untrusted ``.npz`` files: memory used is bounded by the size of the file."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import zipfile

_DTYPES = ("<f2", "<f4", "<f8", "<i2", "|u1")


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong in reading a model file into a ValueError that names the file."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # hostile bytes reach a dozen kinds of error in zipfile and NumPy
        raise ValueError(f"{os.fspath(path)} is not a usable model file: {error}") from error


def read_arrays(file: BinaryIO, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the named arrays; stored members only, so that nothing can inflate."""
    import zipfile  # a tenth of the package's import time

    with zipfile.ZipFile(file) as archive:
        return {name: _read_member(archive, name) for name in names}


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one ``.npy`` member, believing its header only where the data agree."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it has no array {name!r}") from None
    if info.compress_type != 0:
        raise ValueError(f"array {name!r} is compressed; it must be stored (numpy.savez)")
    data = archive.read(info)
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"array {name!r} is of an unknown .npy version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.str not in _DTYPES or fortran:
        raise ValueError(f"array {name!r} must be C-ordered {' or '.join(_DTYPES)}, got {dtype}")
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"array {name!r} has not the size its header says, {shape}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)
