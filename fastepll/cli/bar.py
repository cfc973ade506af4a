"""A bar of progress on a terminal's standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastepll.cli.say import plain
from fastepll.typing import Poll

WIDTH = 40


class Bar:
    """Progress over a number of files; draws nothing unless shown."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self.total, self.shown = total, shown
        self.number, self.start = 0, time.perf_counter()

    @contextmanager
    def of(self, name: str) -> Iterator[Poll | None]:
        """The next file: gives what to call with the fraction of it that is done."""
        try:
            yield (lambda fraction: self.draw(fraction, name)) if self.shown else None
        finally:
            self.number += 1
            if self.shown:
                print("\r\033[K", end="", file=sys.stderr, flush=True)

    def draw(self, fraction: float, name: str) -> None:
        """Draw it over the last one."""
        done = (self.number + fraction) / self.total
        filled = int(WIDTH * done)
        text = f"[{'#' * filled}{' ' * (WIDTH - filled)}] {done:4.0%}"
        if self.total > 1 and done > 0:
            each = (time.perf_counter() - self.start) / (self.number + fraction)
            left = each * self.total * (1 - done)
            text += f" {self.number + 1}/{self.total}, {each:.2g} s each, {left:.0f} s left, "
            text += plain(os.path.basename(name))
        text = text[: shutil.get_terminal_size().columns - 1]
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
