"""fastepll study, now ``python bench/study.py`` in a checkout; it goes with version 0.3."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from fastepll.cli.say import say

RUNNER = Path("bench", "study.py")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of study: those of its successor."""
    parser.add_argument("options", metavar="...", nargs=argparse.REMAINDER)


def run(arguments: argparse.Namespace) -> int:
    """Name the new command, and run it; the exit code."""
    here = Path.cwd()
    found = next((one for one in (here, *here.parents) if (one / RUNNER).is_file()), None)
    words = " ".join(["python", str(RUNNER), *arguments.options])
    say(f"fastepll: warning: fastepll study is deprecated; use: {words}", sys.stderr)
    if found is None:
        raise ValueError(f"no {RUNNER} in {here} or above: studies are run in a checkout")
    command = [sys.executable, str(found / RUNNER), *arguments.options]
    return subprocess.run(command, check=False).returncode
