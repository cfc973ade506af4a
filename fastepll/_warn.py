"""Warnings that point at the line of the caller."""

from __future__ import annotations

import sys
import warnings

PACKAGE = __name__.partition(".")[0]


def warn(message: str) -> None:
    """Give a UserWarning at the innermost line outside this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def is_ours(module: str) -> bool:
    """Whether a module belongs to the package."""
    return module == PACKAGE or module.startswith(PACKAGE + ".")
