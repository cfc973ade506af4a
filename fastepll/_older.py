"""Positional arguments as older versions took them, which are told and still understood."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fastepll._told import tell

P = ParamSpec("P")
R = TypeVar("R")


def older_order(
    *names: str, when: Callable[[tuple[Any, ...]], bool], now: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function be called by position as it once was.

    Parameters
    ----------
    *names : str
        What the positional arguments were.
    when : callable
        Tells positional arguments that are meant in that order.
    now : str
        How to call it, for the DeprecationWarning.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given = dict(zip(names, args, strict=False))
            if len(args) > len(names) or not when(args) or given.keys() & kwargs.keys():
                return function(*args, **kwargs)
            tell(f"this order of positional arguments is deprecated: {now}", DeprecationWarning)
            moved: Callable[..., R] = function
            return moved(**given, **kwargs)

        return call

    return wrap
