"""How many threads a call uses."""

from __future__ import annotations

import os


def _from_environment(name: str) -> int | None:
    text = os.environ.get(name, "").split(",")[0].strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"environment variable {name} must be a positive integer, got {text!r}")
    return int(text)


def affinity() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_threads(n_threads: int | None) -> int:
    """Threads to use: the argument, else the environment, else the processor affinity.

    Without an argument, a limit set on OpenMP in this thread (``threadpoolctl``) is kept too.

    Raises
    ------
    ValueError
        FASTEPLL_NUM_THREADS or OMP_NUM_THREADS is not a positive integer.
    """
    if n_threads is not None:
        return n_threads
    wanted = _from_environment("FASTEPLL_NUM_THREADS") or _from_environment("OMP_NUM_THREADS")
    return min(wanted or affinity(), _openmp_limit())


def _openmp_limit() -> int:
    """Limit that somebody set on OpenMP since the core was loaded; a huge number if nobody did."""
    try:
        from fastepll import _core
    except ImportError:
        return 1 << 30
    current = _core.openmp_max_threads()
    return current if 0 < current < _core.openmp_max_threads_at_import else 1 << 30
