"""The file format of the laboratory's priors: an ``.npz`` of float64 arrays and a JSON header.

``header`` is the bytes of a JSON object: format, format_version, kind, patch_shape, arrays (their
names), metadata, and sha256 over the rest of the header and the arrays.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastepll.models._npz import naming, read_arrays
from fastepll.models.storage import checksum, write_file

if TYPE_CHECKING:
    from fastepll.priors.base import Prior

FORMAT = "fastepll-prior"
VERSION = 1
KEYS = {"format", "format_version", "kind", "patch_shape", "arrays", "metadata", "sha256"}
MOST = 32  # arrays of a prior


def save_prior(prior: Prior, path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a prior; see `Prior.save`."""
    target = os.path.abspath(os.fspath(path))
    if not target.lower().endswith(".npz"):
        raise ValueError(f"path must end in .npz, got {os.fspath(path)!r}")
    arrays = {
        name: np.ascontiguousarray(value, "<f8") for name, value in prior.parameters().items()
    }
    header: dict[str, Any] = {
        "format": FORMAT,
        "format_version": VERSION,
        "kind": prior.kind,
        "patch_shape": list(prior.patch_shape),
        "arrays": list(arrays),
        "metadata": dict(prior.metadata),
    }
    header["sha256"] = checksum(header, arrays)
    buffer = io.BytesIO()
    members: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    members.update(arrays)
    np.savez(buffer, **members)
    write_file(target, buffer.getbuffer(), overwrite=overwrite)


def is_prior(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is one of these, not of a Gaussian mixture; ValueError if bad."""
    with open(path, "rb") as file, naming(path):
        header = json.loads(read_arrays(file, ("header",))["header"].tobytes())
        return isinstance(header, dict) and header.get("format") == FORMAT


def read_prior(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Kind of the prior in a file, and the arguments that make it."""
    with open(path, "rb") as file, naming(path):
        header = json.loads(read_arrays(file, ("header",))["header"].tobytes())
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError(f"its header does not say {FORMAT!r}")
        if header.get("format_version") != VERSION:
            raise ValueError(
                f"its format_version is {header.get('format_version')!r}, "
                f"this fastepll reads {VERSION}"
            )
        if header.keys() != KEYS:
            raise ValueError(f"its header must have the keys {sorted(KEYS)}, got {sorted(header)}")
        names = header["arrays"]
        if (
            not isinstance(names, list)
            or len(names) > MOST
            or not all(isinstance(name, str) and name.isidentifier() for name in names)
        ):
            raise ValueError("its header must name the arrays")
        arrays = read_arrays(file, names)
        stored = header.pop("sha256")
        if stored != checksum(header, arrays):
            raise ValueError("its checksum does not match its contents")
    given = {"patch_shape": header["patch_shape"], "metadata": header["metadata"], **arrays}
    return header["kind"], given
