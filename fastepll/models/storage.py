"""The file format of fastepll models: an ``.npz`` of three arrays and a JSON header.

``weights`` (k,) and ``eigenvalues`` (k, d) are float64, ``eigenvectors`` (k, d, d) float32 or
float64, ``header`` the bytes of a JSON object: format, format_version, patch_shape, metadata, and
sha256 over the rest of the header and the arrays.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastepll.models._arrays import MAX_D, MAX_K, Array
from fastepll.models._npz import naming, read_arrays

if TYPE_CHECKING:
    from fastepll.models.mixture import GaussianMixture

FORMAT = "fastepll-gaussian-mixture"
FORMAT_VERSION = 1
_ARRAYS = ("weights", "eigenvalues", "eigenvectors")
_PRECISIONS = ("float32", "float64")


def save_npz(
    model: GaussianMixture, path: str | os.PathLike[str], *, overwrite: bool, precision: str
) -> None:
    """Write a model; see `GaussianMixture.save`."""
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be one of {_PRECISIONS}, got {precision!r}")
    target = os.path.abspath(os.fspath(path))
    if not target.lower().endswith(".npz"):
        raise ValueError(f"path must end in .npz, got {os.fspath(path)!r}")
    arrays: dict[str, NDArray[Any]] = {
        "weights": model.weights.astype("<f8"),
        "eigenvalues": model.eigenvalues.astype("<f8"),
        "eigenvectors": model.eigenvectors.astype("<f4" if precision == "float32" else "<f8"),
    }
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "patch_shape": list(model.patch_shape),
        "metadata": dict(model.metadata),
    }
    header["sha256"] = _checksum(header, arrays)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        weights=arrays["weights"],
        eigenvalues=arrays["eigenvalues"],
        eigenvectors=arrays["eigenvectors"],
    )
    _write(target, buffer.getbuffer(), overwrite=overwrite)


def load_npz(path: str | os.PathLike[str]) -> GaussianMixture:
    """Read a model written by `save_npz`; ValueError if the file is anything else."""
    with open(path, "rb") as file, naming(path):
        return read_npz(file)


def read_npz(file: BinaryIO) -> GaussianMixture:
    """Read a model from an open file."""
    from fastepll.models.mixture import GaussianMixture

    arrays = read_arrays(file, ("header", *_ARRAYS))
    header = _parse_header(arrays.pop("header"))
    stored = header.pop("sha256")
    if stored != _checksum(header, arrays):
        raise ValueError("its checksum does not match its contents")
    vectors = arrays["eigenvectors"]
    k, d = (vectors.shape[0], vectors.shape[-1]) if vectors.ndim else (0, 0)
    if vectors.shape != (k, d, d) or k > MAX_K or d > MAX_D:
        raise ValueError(
            f"eigenvectors must have shape (k, d, d), k <= {MAX_K}, d <= {MAX_D}, "
            f"got {vectors.shape}"
        )
    return GaussianMixture(
        arrays["weights"],
        vectors if vectors.dtype.itemsize == 8 else _orthonormalise(vectors),
        arrays["eigenvalues"],
        header["patch_shape"],
        header["metadata"],
    )


def _orthonormalise(vectors: NDArray[np.float32]) -> Array:
    """Take float32 bases to orthonormality at float64 rounding: one Newton-Schulz step."""
    result = np.empty(vectors.shape)
    diagonal = 1.5 * np.eye(vectors.shape[-1])
    for target, rounded in zip(result, vectors, strict=True):
        if not np.abs(rounded).max(initial=0) <= 2:
            raise ValueError("eigenvectors must be finite and orthonormal")
        basis = rounded.astype(np.float64)
        np.matmul(basis, diagonal - 0.5 * (basis.T @ basis), out=target)
    result.flags.writeable = False  # so that the mixture need not copy it
    return result


def _parse_header(raw: NDArray[Any]) -> dict[str, Any]:
    """Return the header after checking its kind and version."""
    header = json.loads(raw.tobytes())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"its header does not say {FORMAT!r}")
    if header.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"its format_version is {header.get('format_version')!r}, "
            f"this fastepll reads {FORMAT_VERSION}"
        )
    wanted = {"format", "format_version", "patch_shape", "metadata", "sha256"}
    if header.keys() != wanted:
        raise ValueError(f"its header must have the keys {sorted(wanted)}, got {sorted(header)}")
    return header


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of a header without its checksum and of the arrays."""
    import hashlib

    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _write(target: str, data: memoryview, *, overwrite: bool) -> None:
    """Write a file; one that is replaced is replaced whole or not at all."""
    if not overwrite:
        try:
            with open(target, "xb") as file:
                file.write(data)
        except FileExistsError:
            raise FileExistsError(
                f"path {target!r} exists; pass overwrite=True to replace it"
            ) from None
        return
    part = f"{target}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
