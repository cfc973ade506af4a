"""A bar of progress on a terminal's standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from fastepll.cli.say import plain

FORMAT = "{percentage:3.0f}%|{bar}| {remaining} left{desc}{postfix}"


class Draw(Protocol):
    """What draws that a fraction is done, and what else is told of it."""

    def __call__(self, fraction: float, told: str = "") -> object:
        """Draw."""


@contextmanager
def bar(
    name: str, number: int = 0, total: int = 1, *, quiet: bool = False
) -> Iterator[Draw | None]:
    """Draw, while a block runs, how far a file is, after so many of a total.

    Gives what to call with the fraction that is done, or None: where no terminal looks on, or tqdm
    is not installed, nothing is drawn.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    which = f", {number + 1}/{total} {plain(os.path.basename(name))}" if total > 1 else ""
    with tqdm(
        total=total,
        initial=number,
        desc=which,
        bar_format=FORMAT,
        leave=False,
        mininterval=0,
        miniters=0,
        dynamic_ncols=True,
        file=sys.stderr,
    ) as drawn:

        def draw(fraction: float, told: str = "") -> None:
            drawn.set_postfix_str(told, refresh=False)
            drawn.update(number + fraction - drawn.n)

        yield draw
