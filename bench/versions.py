"""Which code ran: version and commit of the package that was imported."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

import fastepll

HERE = Path(__file__).resolve().parents[1]
CODE = ("fastepll", "csrc", "bench/*.py", "CMakeLists.txt", "pyproject.toml")


def git(folder: Path, *words: str) -> str | None:
    """What git answers about a checkout; None if it is none, or there is no git."""
    command = ["git", "-C", str(folder), *words]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def sources(package: Path) -> dict[str, bytes]:
    """The Python files of a package."""
    found = (path for path in package.rglob("*") if path.suffix in {".py", ".json"})
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in found}


def code(package: Path | None = None, checkout: Path = HERE) -> dict[str, Any]:
    """Version, commit, and whether the package that was imported is what the commit says.

    An installed package has the commit of this checkout if its Python files are the same.
    ``changed`` lists what differs from the commit; a core that was built before its sources were
    last written counts too. ``commit`` is None where it cannot be known.
    """
    folders = [package] if package else [Path(folder) for folder in fastepll.__path__]
    package = (package or Path(fastepll.__file__).parent).resolve()
    own = package == checkout / "fastepll"
    commit = git(checkout, "rev-parse", "--short=12", "HEAD")
    if not own and sources(package) != sources(checkout / "fastepll"):
        commit = None
    changed: list[str] = []
    if commit is not None:
        status = git(checkout, "status", "--porcelain", "--", *CODE) or ""
        changed = [line.split()[-1] for line in status.splitlines()]
        if own and core_is_old(checkout, folders):
            changed.append("csrc, after the core was built")
    return {"fastepll": fastepll.__version__, "commit": commit, "changed": changed}


def core_is_old(checkout: Path, folders: list[Path]) -> bool:
    """Whether a source of the core was written to after the core in these folders was built."""
    found = (path for folder in folders for path in folder.glob("_core.*"))
    cores = [path for path in found if path.suffix in {".so", ".pyd"}]
    built = max((path.stat().st_mtime for path in cores), default=math.inf)
    return any(path.stat().st_mtime > built for path in (checkout / "csrc").rglob("*.?pp"))


def in_words(machine: dict[str, Any]) -> str:
    """Machine, instruction set, version and commit of a result."""
    isa = machine.get("isa") or machine["level"]  # as older results call it
    words = f"{machine['cpu']}, {isa}; "
    if not machine.get("commit"):
        known = machine["fastepll"] != "0+unknown"  # results from before commits were recorded
        return words + (f"fastepll {machine['fastepll']}" if known else "version not recorded")
    changes = " with changes" if machine["changed"] else ""
    return f"{words}fastepll {machine['fastepll']}, commit {machine['commit']}{changes}"
