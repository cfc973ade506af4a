"""fastepll priors: every patch prior, with its likelihood and PSNR."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastepll
from fastepll import priors

PACKAGE = Path(fastepll.__file__).resolve().parent
FIGURES = PACKAGE / "priors" / "figures.json"
MIXTURE = "mixture"
SIGMA = "25"  # of 255, of the figures that are shown


def run(arguments: argparse.Namespace) -> None:
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
