"""What this installation is and why it does what it does: `show_config`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args, overload

from fastepll import _threads
from fastepll.backends import get_backend, why_not
from fastepll.typing import BackendName

Config: TypeAlias = dict[str, dict[str, Any]]

_LIBRARIES = ("numpy", "numba", "torch")


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> Config: ...
def show_config(mode: Literal["stdout", "dict"] = "stdout") -> Config | None:
    """Show which backend, instruction set, thread count and libraries are in use, and why.

    Nothing is computed and no optional library is imported, so it also works, and says what is
    wrong, where an environment variable would make `fastepll.denoise` raise.

    Parameters
    ----------
    mode : {"stdout", "dict"}
        Print the facts, or return them.

    Returns
    -------
    dict or None
        With ``mode="dict"``, sections ``backend``, ``simd``, ``threads``, ``versions`` and
        ``platform``, each a dict of plain values. A section has an ``error`` if a call would raise.

    Raises
    ------
    ValueError
        Unknown mode.

    Examples
    --------
    >>> import fastepll
    >>> config = fastepll.show_config("dict")
    >>> config["backend"]["in use"] in ("native", "numba", "reference")
    True
    """
    if mode not in ("stdout", "dict"):
        raise ValueError(f"mode must be 'stdout' or 'dict', got {mode!r}")
    import platform

    config = {
        "backend": _backend(),
        "simd": _simd(),
        "threads": _thread_count(),
        "versions": _versions(),
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processors": f"{os.cpu_count()}, {_threads.affinity()} of them for this process",
        },
    }
    if mode == "dict":
        return config
    print("\n".join(_lines(config)))
    return None


def _backend() -> dict[str, Any]:
    """Backend of a call that does not name one, and why the faster ones are not it."""
    names = get_args(BackendName)
    facts: dict[str, Any] = {
        "in use": get_backend().name,
        "why": f"the first of {', '.join(names)} that works here",
    }
    for name in names:
        facts[name] = why_not(name) or "works"
    return facts


def _simd() -> dict[str, Any]:
    """Instruction set of the native backend."""
    wanted = os.environ.get("FASTEPLL_SIMD") or None
    facts: dict[str, Any] = {"in use": None, "FASTEPLL_SIMD": wanted}
    if why_not("native"):
        return facts
    from fastepll import _core
    from fastepll.backends.native import backend

    facts["compiled"] = _core.compiled_isas()
    facts["run here"] = _core.supported_isas()
    try:
        facts["in use"] = backend.isa()
    except ValueError as error:
        facts["error"] = str(error)
    return facts


def _thread_count() -> dict[str, Any]:
    """Threads of a call that does not name a number."""
    facts: dict[str, Any] = {"in use": None}
    try:
        facts["in use"], facts["from"] = _threads.default_threads()
        facts["layer"] = _threads.threading_layer()
    except ValueError as error:
        facts["error"] = str(error)
    for name in ("FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS", "FASTEPLL_THREADING"):
        facts[name] = os.environ.get(name) or None
    return facts


def _versions() -> dict[str, Any]:
    """Versions of this package and what it computes with, without importing any of it."""
    from importlib.metadata import PackageNotFoundError, version

    from fastepll._version import __version__

    facts: dict[str, Any] = {"fastepll": __version__, "python": sys.version.split()[0]}
    for name in _LIBRARIES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = None
    return facts


def _lines(config: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Return the sections as indented text."""
    for section, facts in config.items():
        yield f"{section}:"
        for name, value in facts.items():
            text = ", ".join(value) if isinstance(value, list) else value
            yield f"  {name}: {'-' if text is None else text}"
