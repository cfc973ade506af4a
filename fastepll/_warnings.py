"""Warnings that point at the line outside this package that led to them, once a call."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
QUIET: ContextVar[bool] = ContextVar("QUIET", default=False)
SAID: ContextVar[set[str] | None] = ContextVar("SAID", default=None)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn the caller of the public function; within `once`, of the same thing once."""
    if QUIET.get():
        return
    said = SAID.get()
    if said is not None:
        if message in said:
            return
        said.add(message)
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def once() -> Iterator[None]:
    """Say in here nothing twice, as where one call restores many images."""
    token = SAID.set(SAID.get() or set())
    try:
        yield
    finally:
        SAID.reset(token)


def quietly(make: Callable[..., T], *arguments: object) -> T:
    """Make again, from a pickle, what was told of when it was first made."""
    token = QUIET.set(True)
    try:
        return make(*arguments)
    finally:
        QUIET.reset(token)
