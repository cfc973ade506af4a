"""Files of models that say what they are: an ``.npz`` of arrays and a JSON header.

``header`` is the bytes of a JSON object: format, format_version, kind, the shape of a datum, arrays
(their names), metadata, and sha256 over the rest of the header and the arrays.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll.models._npz import naming, read_arrays
from fastepll.models.storage import checksum, write_file

MOST = 256  # arrays of a model
KEPT = {"float16": "<f2", "float32": "<f4"}  # data types


@dataclass(frozen=True)
class Form:
    """One kind of such files.

    Attributes
    ----------
    format : str
        What its header says it is.
    version : int
        Of the format.
    shape : str
        What the header calls the shape of a datum.
    """

    format: str
    version: int
    shape: str

    def save(
        self,
        path: str | os.PathLike[str],
        kind: str,
        shape: tuple[int, ...],
        arrays: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, Any],
        *,
        overwrite: bool,
    ) -> None:
        """Write a model; arrays are kept as float16 or float32 if they are that, else float64."""
        target = os.path.abspath(os.fspath(path))
        if not target.lower().endswith(".npz"):
            raise ValueError(f"path must end in .npz, got {os.fspath(path)!r}")
        values = {
            name: np.asarray(value, KEPT.get(value.dtype.name, "<f8"), order="C")
            for name, value in arrays.items()
        }
        header: dict[str, Any] = {
            "format": self.format,
            "format_version": self.version,
            "kind": kind,
            self.shape: list(shape),
            "arrays": list(values),
            "metadata": dict(metadata),
        }
        header["sha256"] = checksum(header, values)
        buffer = io.BytesIO()
        members: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
        members.update(values)
        np.savez(buffer, **members)
        write_file(target, buffer.getbuffer(), overwrite=overwrite)

    def is_of(self, path: str | os.PathLike[str]) -> bool:
        """Whether a model file says that it is one of these; ValueError if damaged."""
        with open(path, "rb") as file, naming(path):
            header = json.loads(read_arrays(file, ("header",))["header"].tobytes())
            return isinstance(header, dict) and header.get("format") == self.format

    def read(self, path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
        """Kind of the model in a file, and the arguments that make it."""
        with open(path, "rb") as file, naming(path):
            header = json.loads(read_arrays(file, ("header",))["header"].tobytes())
            if not isinstance(header, dict) or header.get("format") != self.format:
                raise ValueError(f"its header does not say {self.format!r}")
            if header.get("format_version") != self.version:
                raise ValueError(
                    f"its format_version is {header.get('format_version')!r}, "
                    f"this fastepll reads {self.version}"
                )
            keys = {"format", "format_version", "kind", "arrays", "metadata", "sha256", self.shape}
            if header.keys() != keys:
                raise ValueError(
                    f"its header must have the keys {sorted(keys)}, got {sorted(header)}"
                )
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
        given = {self.shape: header[self.shape], "metadata": header["metadata"], **arrays}
        return header["kind"], given
