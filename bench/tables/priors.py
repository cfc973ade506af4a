"""The table of the laboratory of priors."""

from __future__ import annotations

import csv

from .markdown import RESULTS, table


def plus_minus(error: str) -> str:
    """Standard error of an estimate, if it is one."""
    return f" ± {float(error):.1f}" if error else ""


def priors() -> str:
    """What the study of likelihood found of each prior."""
    with (RESULTS / "studies" / "likelihood.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    columns = {
        "patch mean 25": "patches",
        "image 15": "images, sigma 15",
        "image 25": "sigma 25",
        "image 50": "sigma 50",
    }
    rows = [
        [f"`{row['prior']}`", f"{float(row['nats']):.1f}" + plus_minus(row["error"])]
        + [f"{float(row[column]):.2f}" for column in columns]
        for row in found
    ]
    return (
        table(["prior", "log-likelihood", *columns.values()], rows)
        + "\n\nNats per 8×8 patch of `bsds300/test`, protocol of 63 dimensions; PSNR in dB of "
        + "patches (posterior mean, sigma 25) and of the middle of five images (EPLL). "
        + "Command: `python bench/studies/likelihood.py`."
    )
