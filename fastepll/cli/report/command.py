"""What the page of --report shows of a command, and says of it."""

from __future__ import annotations

import argparse
import os
import shlex

from fastepll.cli.frames import Result
from fastepll.cli.machine import machine
from fastepll.cli.plan import Job
from fastepll.cli.report.page import MAX_CASES, Page
from fastepll.cli.report.section import Case

SHOWN = (0, 0.5, 1)
"""Frames of a stack that a page shows: the first, that in the middle, the last."""


def page_for(n_jobs: int, arguments: argparse.Namespace) -> Page:
    """A page with room for what is shown of so many files."""
    return Page(min(n_jobs, MAX_CASES) * (len(SHOWN) if arguments.stack else 1))


def compare(
    page: Page, job: Job, result: Result, seconds: float, arguments: argparse.Namespace
) -> None:
    """Add a picture, or some frames of a stack, to the page."""
    by_passes = "model" in arguments
    passes = {"quality": arguments.quality, "prior": arguments.model} if by_passes else {}
    facts = {
        "file": job.source,
        "restored": f"{job.target}, {result.size}",
        **result.facts,
        **passes,
        "time": f"{seconds:.2f} s",
    }
    name, last = os.path.basename(job.source), len(result.before) - 1
    for k in sorted({round(part * last) for part in SHOWN}):
        title = f"{name}, frame {k + 1} of {last + 1}" if last else name
        before, after = result.before[k].pixels, result.frames[k].pixels
        page.add(Case(title, before, after, facts, arguments.data_range))


def write(page: Page, n_jobs: int, arguments: argparse.Namespace) -> None:
    """Write the page, with what holds for all its pictures."""
    facts = {"command": shlex.join(["fastepll", *arguments.argv]), "machine": machine(arguments)}
    if n_jobs > MAX_CASES:
        facts["shown"] = f"the first {MAX_CASES} of {n_jobs} pictures"
    title = f"fastepll {arguments.command}: before and after"
    page.write(arguments.report, title, facts, overwrite=arguments.overwrite)
