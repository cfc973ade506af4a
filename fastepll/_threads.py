"""How many threads a call uses, and who said so."""

from __future__ import annotations

import os

try:  # at once, so that limits set between `import fastepll` and the first call reach OpenMP
    from fastepll import _core
except ImportError:
    HAS_OPENMP = False
else:
    HAS_OPENMP = _core.openmp_max_threads() > 0

MAX_THREADS = 1024
"""Most threads that may be asked for: more would only fail to start."""


def resolve_threads(n_threads: int | None) -> int:
    """Threads to use: the argument, else FASTEPLL_NUM_THREADS, else OMP_NUM_THREADS, else affinity.

    Without an argument, a lower limit that somebody set on OpenMP in this thread (as
    ``threadpoolctl`` does) is kept too.

    Raises
    ------
    ValueError
        FASTEPLL_NUM_THREADS or OMP_NUM_THREADS is used and is not a positive integer.
    """
    return n_threads if n_threads is not None else default_threads()[0]


def default_threads() -> tuple[int, str]:
    """Threads of a call that does not name a number, and where that number comes from."""
    for name in ("FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (wanted := _from_environment(name)) is not None:
            source = f"environment variable {name}"
            break
    else:
        wanted, source = affinity(), "processor affinity"
    limit = openmp_limit()
    if limit is not None and limit < wanted:
        return limit, "limit set on OpenMP in this thread"
    return wanted, source


def affinity() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def openmp_default() -> int:
    """Threads that OpenMP uses until somebody limits it, which may have happened already."""
    by_affinity = 0 if os.environ.get("OMP_NUM_THREADS") else affinity()
    return max(_core.openmp_max_threads(), by_affinity)


def openmp_limit() -> int | None:
    """Threads that OpenMP is limited to in this thread, None if nobody limited it."""
    if not HAS_OPENMP:
        return None
    current = _core.openmp_max_threads()
    return current if current < _OPENMP_DEFAULT else None


def _from_environment(name: str) -> int | None:
    """Value of an environment variable that counts threads, None if it is unset or empty."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    # OMP_NUM_THREADS may list a number for each level of nesting: ours is the outermost.
    number = text.split(",")[0].strip() if name == "OMP_NUM_THREADS" else text
    if not number.isdecimal() or not 1 <= int(number) <= MAX_THREADS:
        raise ValueError(
            f"environment variable {name} must be an integer from 1 to {MAX_THREADS}, got {text!r}"
        )
    return int(number)


_OPENMP_DEFAULT = openmp_default() if HAS_OPENMP else 0
