"""How many threads a call uses, who said so, and where they come from."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from typing import Any

try:
    from fastepll import _core
except ImportError:
    HAS_CORE = False
else:
    HAS_CORE = True

MAX_THREADS = 1024
"""Most threads that may be asked for: more would only fail to start."""

LAYERS = ("team", "openmp")
"""Where the threads of the native core come from, the default first."""


def resolve_threads(n_threads: int | None) -> int:
    """Threads to use: the argument, else FASTEPLL_NUM_THREADS, else OMP_NUM_THREADS, else affinity.

    Without an argument, a lower limit that ``threadpoolctl`` set in this thread is kept too. Also
    sees to it that they come from the layer that FASTEPLL_THREADING asks for.

    Raises
    ------
    ValueError
        FASTEPLL_NUM_THREADS or OMP_NUM_THREADS is used and is not a positive integer, or
        FASTEPLL_THREADING asks for what is not there.
    """
    use_layer(os.environ.get("FASTEPLL_THREADING", ""))
    return n_threads if n_threads is not None else default_threads()[0]


def default_threads() -> tuple[int, str]:
    """Threads of a call that does not name a number, and where that number comes from."""
    wanted, source = unlimited_threads()
    limit = _core.thread_limit() if HAS_CORE else 0
    if 0 < limit < wanted:
        return limit, "limit set by threadpoolctl in this thread"
    return wanted, source


def unlimited_threads() -> tuple[int, str]:
    """`default_threads` where nobody has set a limit."""
    for name in ("FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (wanted := _from_environment(name)) is not None:
            return wanted, f"environment variable {name}"
    return affinity(), "processor affinity"


def affinity() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threading_layer() -> str:
    """The layer that FASTEPLL_THREADING asks for: one of `LAYERS`."""
    name = os.environ.get("FASTEPLL_THREADING", "").strip() or LAYERS[0]
    if name not in LAYERS:
        raise ValueError(
            f"environment variable FASTEPLL_THREADING must be one of {', '.join(LAYERS)}, "
            f"got {name!r}"
        )
    return name


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


_in_use = ""


def use_layer(wanted: str) -> None:
    """Have the core take its threads from the layer of that value of FASTEPLL_THREADING."""
    global _in_use  # noqa: PLW0603
    if wanted == _in_use or not HAS_CORE:
        return
    runner: object = None
    if threading_layer() == "openmp":
        try:
            from fastepll import _openmp

            runner = _openmp.runner
        except ImportError as error:
            raise ValueError(
                f"environment variable FASTEPLL_THREADING must be team here, got {wanted!r}: "
                f"there is no OpenMP layer ({error})"
            ) from None
    _core.use_runner(runner)
    _in_use = wanted


@cache
def register_with_threadpoolctl() -> None:
    """Let ``threadpoolctl.threadpool_limits`` limit the threads of the core, if it is installed."""
    with contextlib.suppress(ImportError):
        import threadpoolctl

        if not hasattr(threadpoolctl, "register"):  # before 3.2
            return

        class Core(threadpoolctl.LibController):  # type: ignore[misc]
            user_api, internal_api, filename_prefixes = "openmp", "fastepll", ("_core",)
            check_symbols = ("fastepll_core",)

            def get_num_threads(self) -> int:
                return default_threads()[0]

            def set_num_threads(self, num_threads: int) -> None:
                unlimited = unlimited_threads()[0]
                _core.set_thread_limit(num_threads if num_threads < unlimited else 0)

            def get_version(self) -> Any:
                from fastepll._version import __version__

                return __version__

        threadpoolctl.register(Core)


if HAS_CORE:  # at once, so that limits set between `import fastepll` and the first call hold
    register_with_threadpoolctl()
