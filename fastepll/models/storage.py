"""The file format of fastepll models: an ``.npz`` of three arrays and a JSON header.

``weights`` (k,) and ``eigenvalues`` (k, d) are float64. ``eigenvectors`` are (k, d, d) float32 or
float64 in version 1, and (k, d (d - 1) / 2) int16 in version 2, as `fastepll.models._reflectors`
has it. ``header`` is the bytes of a JSON object: format, format_version, patch_shape, metadata, and
sha256 over the rest of the header and the arrays.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import MAX_D, MAX_K, Array
from fastepll.models._npz import read_arrays
from fastepll.models._reflectors import pack, unpack

if TYPE_CHECKING:
    from fastepll.models.mixture import GaussianMixture

FORMAT = "fastepll-gaussian-mixture"
VERSIONS = (1, 2)
_ARRAYS = ("weights", "eigenvalues", "eigenvectors")
_PRECISIONS = {"float32": "<f4", "float64": "<f8", "int16": "<i2"}


def save_npz(
    model: GaussianMixture, path: str | os.PathLike[str], *, overwrite: bool, precision: str
) -> None:
    """Write a model; see `GaussianMixture.save`."""
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be one of {tuple(_PRECISIONS)}, got {precision!r}")
    target = os.path.abspath(os.fspath(path))
    if not target.lower().endswith(".npz"):
        raise ValueError(f"path must end in .npz, got {os.fspath(path)!r}")
    compact = precision == "int16"
    vectors: NDArray[Any] = pack(model.eigenvectors) if compact else model.eigenvectors
    arrays: dict[str, NDArray[Any]] = {
        "weights": model.weights.astype("<f8"),
        "eigenvalues": model.eigenvalues.astype("<f8"),
        "eigenvectors": vectors.astype(_PRECISIONS[precision]),
    }
    header = {
        "format": FORMAT,
        "format_version": 2 if compact else 1,
        "patch_shape": list(model.patch_shape),
        "metadata": dict(model.metadata),
    }
    header["sha256"] = checksum(header, arrays)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        weights=arrays["weights"],
        eigenvalues=arrays["eigenvalues"],
        eigenvectors=arrays["eigenvectors"],
    )
    write_file(target, buffer.getbuffer(), overwrite=overwrite)


class Parts(NamedTuple):
    """The arguments of `GaussianMixture`, not checked yet."""

    weights: Array
    eigenvectors: Array
    eigenvalues: Array
    patch_shape: tuple[int, ...]
    metadata: dict[str, Any]


def read_npz(file: BinaryIO) -> Parts:
    """Read a file written by `save_npz`; any Exception if it is anything else."""
    arrays = read_arrays(file, ("header", *_ARRAYS))
    header = _parse_header(arrays.pop("header"))
    stored = header.pop("sha256")
    if stored != checksum(header, arrays):
        raise ValueError("its checksum does not match its contents")
    return Parts(
        arrays["weights"],
        _bases(arrays["eigenvectors"], arrays["eigenvalues"], header["format_version"]),
        arrays["eigenvalues"],
        header["patch_shape"],
        header["metadata"],
    )


def _bases(vectors: NDArray[Any], eigenvalues: NDArray[Any], version: int) -> Array:
    """Return the eigenvectors (k, d, d) of a file, checked for shape and kind."""
    d = eigenvalues.shape[-1] if eigenvalues.ndim else 0
    k = vectors.shape[0] if vectors.ndim else 0
    wanted = (k, d, d) if version == 1 else (k, d * (d - 1) // 2)
    if vectors.shape != wanted or not 1 <= k <= MAX_K or not 1 <= d <= MAX_D:
        raise ValueError(
            f"eigenvectors must have shape {wanted}, k <= {MAX_K}, d <= {MAX_D}, "
            f"got {vectors.shape}"
        )
    kinds = ("<f4", "<f8") if version == 1 else ("<i2",)
    if vectors.dtype.str not in kinds:
        raise ValueError(
            f"eigenvectors must be {' or '.join(kinds)} in version {version}, got {vectors.dtype}"
        )
    if version == 2:
        return unpack(vectors, d)
    return vectors if vectors.dtype.itemsize == 8 else _orthonormalise(vectors)


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
    version = header.get("format_version")
    if type(version) is not int or version not in VERSIONS:
        raise ValueError(f"its format_version is {version!r}, this fastepll reads {VERSIONS}")
    wanted = {"format", "format_version", "patch_shape", "metadata", "sha256"}
    if header.keys() != wanted:
        raise ValueError(f"its header must have the keys {sorted(wanted)}, got {sorted(header)}")
    return header


def checksum(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of a header without its checksum and of the arrays, in their order."""
    import hashlib

    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in arrays:
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def write_file(target: str, data: memoryview, *, overwrite: bool) -> None:
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
