"""Run a study of patch priors: ``python bench/study.py NAME``; without a name they are listed."""

from __future__ import annotations

import argparse
import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

STUDIES = Path(__file__).parent / "studies"


def main(argv: Sequence[str] | None = None, folder: Path = STUDIES) -> None:
    """Run the study of that name with its options, or list them."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".")
    parser.add_argument("name", metavar="NAME", nargs="?", help="without it they are listed")
    parser.add_argument(
        "options",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="of the study: --quick for a trial, --fresh to compute everything anew, --help",
    )
    arguments = parser.parse_args(argv)
    known = studies(folder)
    if arguments.name is None:
        for name, line in known.items():
            print(f"{name:14} {line}")
        return
    if arguments.name not in known:
        parser.error(f"no study {arguments.name!r}; there are {', '.join(known)}")
    path = str(folder / f"{arguments.name}.py")
    sys.argv = [path, *arguments.options]
    sys.path[0] = str(folder)  # where a study finds what it shares with others
    runpy.run_path(path, run_name="__main__")


def studies(folder: Path) -> dict[str, str]:
    """Names of the files that have a main, and what they say of themselves."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("``")[0].rstrip(" :")
    return found


if __name__ == "__main__":
    main()
