"""What is printed: one line each, whatever the terminal can show and the libraries warn of."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

UNTOLD = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line; what the stream cannot show, or would break the line, is escaped."""
    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    print(plain(text).encode(encoding, "backslashreplace").decode(encoding), file=file)


def plain(text: str) -> str:
    """The text with line breaks, surrogates and the like escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def fail(message: str) -> int:
    """Tell a mistake in one line; exit code 2."""
    say(f"fastepll: error: {message}", sys.stderr)
    return 2


def warn(path: str, message: str) -> None:
    """Tell in one line what the user should know of a file."""
    say(f"fastepll: warning: {path}: {message}", sys.stderr)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Catch warnings; the list has each of them once, on one line, when the block is left."""
    lines: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield lines
        finally:
            told = [str(one.message) for one in caught if not issubclass(one.category, UNTOLD)]
            lines += dict.fromkeys(" ".join(text.split()) for text in told)
