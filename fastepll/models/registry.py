"""Named pretrained models: packaged files, checked against a table of checksums, loaded once."""

from __future__ import annotations

import io
import os
from functools import lru_cache

from fastepll.models._npz import naming
from fastepll.models.mixture import GaussianMixture
from fastepll.models.storage import read_npz

_WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")
_TABLE = "SHA256SUMS"  # lines of `sha256sum *.npz`
_LICENSES = "LICENSES"  # lines of an SPDX expression and a file


def list_models() -> list[str]:
    """Return the names that `load_model` knows, sorted.

    Examples
    --------
    >>> import fastepll
    >>> isinstance(fastepll.list_models(), list)
    True
    """
    return sorted(_table(_WEIGHTS, _TABLE))


def model_license(name: str) -> str:
    """Return the SPDX expression of the licence of a packaged model.

    Parameters
    ----------
    name : str
        One of `list_models`.

    Returns
    -------
    str
        ``"BSD-3-Clause"`` where anyone may use the weights for anything.
        ``"LicenseRef-BSDS-NonCommercial"`` where the photographs behind them are for
        non-commercial research and education.

    Raises
    ------
    ValueError
        Unknown name.

    Examples
    --------
    >>> import fastepll
    >>> fastepll.models.model_license("gray-8x8-200")
    'LicenseRef-BSDS-NonCommercial'
    """
    known = _table(_WEIGHTS, _LICENSES)
    if name not in known:
        raise ValueError(f"name must be one of {sorted(known)}, got {name!r}")
    return known[name]


def load_model(name_or_path: str | os.PathLike[str]) -> GaussianMixture:
    """Return a pretrained model by name, or one from a file; repeated calls share one object.

    Parameters
    ----------
    name_or_path : str or path
        A name of `list_models`, or a path ending in ``.npz`` or ``.mat`` as for
        `GaussianMixture.load`. A file that has changed since is read again.

    Raises
    ------
    ValueError
        Unknown name, a file that is no model, or a packaged file that fails its checksum.

    Examples
    --------
    >>> from fastepll import load_model
    >>> load_model("gray-8x8-200")
    GaussianMixture(n_components=200, n_features=64, patch_shape=(8, 8))
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(f"model must be a name or a path, got {type(name_or_path).__name__}")
    path = os.fspath(name_or_path)
    checksums = _table(_WEIGHTS, _TABLE)
    if path in checksums:
        return _packaged(os.path.join(_WEIGHTS, f"{path}.npz"), checksums[path])
    if isinstance(name_or_path, str) and not path.lower().endswith((".npz", ".mat")):
        raise ValueError(
            f"model must be one of {sorted(checksums)} or a path ending in .npz or .mat, "
            f"got {path!r}"
        )
    status = os.stat(path)
    return _file(os.path.abspath(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _table(folder: str, name: str) -> dict[str, str]:
    """Return what a table of packaged files has for each name: the other word of its line."""
    with open(os.path.join(folder, name), encoding="ascii") as table:
        pairs = [line.rsplit(maxsplit=1) for line in table if line.strip()]
    return {file.lstrip("*").removesuffix(".npz"): word.strip() for word, file in pairs}


@lru_cache(maxsize=8)
def _packaged(path: str, checksum: str) -> GaussianMixture:
    """Read a packaged model."""
    import hashlib

    with open(path, "rb") as file:
        data = file.read()
    found = hashlib.sha256(data).hexdigest()
    if found != checksum:
        raise ValueError(f"packaged model {path} has sha256 {found}, expected {checksum}")
    with naming(path):
        return GaussianMixture(*read_npz(io.BytesIO(data)))


@lru_cache(maxsize=2)  # no more: what is kept here, with its tables, stays when users let go of it
def _file(path: str, mtime_ns: int, size: int) -> GaussianMixture:
    """Read a model file; modification time and size are there to key the cache."""
    return GaussianMixture.load(path)
