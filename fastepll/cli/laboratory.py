"""fastepll study: run a study of the checkout; fastepll priors: the priors with their figures."""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastepll
from fastepll import priors

PACKAGE = Path(fastepll.__file__).resolve().parent
STUDIES = Path("bench", "studies")
FIGURES = PACKAGE / "priors" / "figures.json"
MIXTURE = "mixture"
SIGMA = "25"  # of 255, of the figures that are shown


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of study."""
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="of the study; without it they are listed")
    add(
        "options",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="of the study: --quick for a trial, --fresh to compute everything anew, --help",
    )


def run_study(arguments: argparse.Namespace) -> int:
    """Run a study in a process of its own, or list them; the exit code."""
    folder = find_studies()
    known = studies(folder)
    if arguments.name is None:
        for name, line in known.items():
            print(f"{name:14} {line}")
        return 0
    if arguments.name not in known:
        raise ValueError(
            f"no study {arguments.name!r} in {folder}; there are {', '.join(sorted(known))}"
        )
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(folder / f"{arguments.name}.py"), *arguments.options]
    return subprocess.run(command, env=environment, check=False).returncode


def find_studies() -> Path:
    """The folder of studies of this checkout: from here upward, then beside the package."""
    here = Path.cwd()
    for root in (here, *here.parents, PACKAGE.parent):
        if (root / STUDIES).is_dir():
            return root / STUDIES
    raise ValueError(
        f"no folder {STUDIES} in {here}, above it, or in {PACKAGE.parent}: studies are run in a "
        "checkout of the repository, a wheel has none"
    )


def studies(folder: Path) -> dict[str, str]:
    """Names of the files that have a main, and what they say of themselves."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("``")[0].rstrip(" :")
    return found


def run_priors(arguments: argparse.Namespace) -> None:
    """List every prior: its figures, its class and file, what it is."""
    print(f"{'prior':30}{'nats':>8}{'error':>7}{'patch dB':>10}{'image dB':>10}")
    given = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    figures: Mapping[str, Any] = given.get("priors", {})
    classes = {**priors.KINDS, MIXTURE: "GaussianMixture"}
    for kind, name in classes.items():
        file = "models/mixture.py" if kind == MIXTURE else f"priors/{kind.replace('-', '_')}.py"
        for row in [other for other in figures if kind_of(other, classes) == kind] or [kind]:
            print(line(row, figures.get(row, {})))
        text = ast.get_docstring(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))) or ""
        print(f"    fastepll.priors.{name}, fastepll/{file}")
        print(f"    {text.partition(chr(10))[0]}")
    protocol = given.get("protocol", "none yet; python bench/studies/likelihood.py measures them")
    print(f"\nnats: log-likelihood of an 8x8 patch; PSNR at sigma {SIGMA}. Figures: {protocol}")


def kind_of(row: str, kinds: Mapping[str, Any]) -> str | None:
    """The kind of a prior in a study, "pca" of "pca-laplace": the longest that begins it."""
    fitting = [kind for kind in kinds if row == kind or row.startswith(f"{kind}-")]
    return max(fitting, key=len, default=None)


def line(name: str, figures: Mapping[str, Any]) -> str:
    """Name and figures, dashes where there are none."""

    def number(value: float | None, width: int) -> str:
        return f"{'-' if value is None else format(value, '.2f'):>{width}}"

    psnr = (figures.get(f"{what}_psnr", {}).get(SIGMA) for what in ("patch", "image"))
    nats = number(figures.get("log_likelihood"), 8) + number(figures.get("error"), 7)
    return f"{name:30}{nats}{''.join(number(value, 10) for value in psnr)}"
