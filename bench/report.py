"""Write figures into the documentation from bench/results: ``python bench/report.py [--check]``.

What stands between ``<!-- NAME -->`` and ``<!-- end NAME -->`` in the README and in the pages of
docs is a table (on lines of its own) or a figure in a sentence; nothing else is touched, nor is
what has no result.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tables import (
    adaptation,
    denoising,
    noise,
    peers,
    priors,
    size,
    tasks,
    threads,
    two_priors,
    volumes,
)
from tables.phrases import PHRASES

ROOT = Path(__file__).parents[1]
TABLES: tuple[Callable[[], str], ...] = (
    adaptation.adapted,
    adaptation.own_kind,
    denoising.restoration,
    denoising.beyond,
    denoising.cbsd68,
    denoising.startup,
    noise.noise,
    peers.pareto,
    peers.headline,
    priors.priors,
    size.scaling,
    size.kernels,
    tasks.tasks,
    tasks.turns,
    threads.contention,
    threads.pieces,
    two_priors.gap,
    two_priors.two_colour_priors,
    two_priors.two_likelihoods,
    two_priors.two_priors,
    volumes.volumes,
)
WRITERS = {table.__name__: table for table in TABLES} | PHRASES
MARKED = re.compile(r"<!-- ([\w ]+) -->(\n?)(.*?)<!-- end \1 -->", re.DOTALL)


def pages() -> list[Path]:
    """The files that may have figures."""
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def filled(text: str) -> str:
    """The text of a page with its figures as the results have them."""

    def write(found: re.Match[str]) -> str:
        name, newline, old = found.groups()
        try:
            new = WRITERS[name]() + newline
        except FileNotFoundError as error:
            print(f"{name}: no result {error.filename}")
            new = old
        return f"<!-- {name} -->{newline}{new}<!-- end {name} -->"

    return MARKED.sub(write, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a file would change")
    args = parser.parse_args()
    stale = []
    for page in pages():
        old = page.read_text()
        new = filled(old)
        if new != old:
            stale.append(page)
            if not args.check:
                page.write_text(new)
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'not as the results' if args.check else 'written'}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
