"""The version: of the source tree that the package lies in, else of the installed package."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def find_version(package: Path) -> str:
    """Version of the package in that folder, written in ``pyproject.toml`` alone.

    A package in its source tree may not be the one that is installed, so it has the version of the
    tree, marked ``+checkout``.
    """
    project = package.parent / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    if re.search(r'^name = "fastepll"$', text, re.MULTILINE):
        found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
        if found:
            return f"{found[1]}+checkout"
    try:
        return version("fastepll")
    except PackageNotFoundError:
        return "0+unknown"


__version__ = find_version(Path(__file__).resolve().parent)
