"""Zoran and Weiss's struct in a ``.mat`` file of version 5, or of 7.3 through h5py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array, real_array
from fastepll.models._matfile import MAX_BYTES, read_version5
from fastepll.models._moments import Means, square_patch_shape, zero_mean

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


def read_zoran_weiss(
    file: BinaryIO, patch_shape: Sequence[int] | None = None, means: Means = "error"
) -> tuple[Array, Array, tuple[int, ...]]:
    """Weights, covariances and patch shape of `fastepll.models.load_zoran_weiss`."""
    fields = read_struct(file, "GS", ("covs", "mixweights"), ("dim", "nmodels", "means"))
    weights = real_array("GS.mixweights", fields["mixweights"]).ravel()
    covs = real_array("GS.covs", fields["covs"])
    k, d = weights.size, covs.shape[0] if covs.ndim else 0
    if covs.size != d * d * k:
        raise ValueError(f"GS.covs must have shape (d, d, {k}), got {covs.shape}")
    for name, value in (("dim", d), ("nmodels", k)):
        if name in fields and np.any(np.asarray(fields[name]) != value):
            raise ValueError(f"GS.{name} must be {value}, got {fields[name]}")
    mu = real_array("GS.means", fields.get("means", np.zeros((d, k))))
    shape = tuple(patch_shape) if patch_shape is not None else square_patch_shape(d)
    if len(shape) != 2 or math.prod(shape) != d:
        raise ValueError(f"patch_shape must be two numbers with product {d}, got {shape}")
    weights, covariances = zero_mean(
        weights,
        mu.reshape(d, k).T,
        np.moveaxis(covs.reshape(d, d, k), 2, 0),
        order=np.arange(d).reshape(shape[::-1]).T.ravel(),
        means=means,
    )
    return weights, covariances, shape
