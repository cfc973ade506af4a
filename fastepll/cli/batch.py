"""Picture files in, restored ones out: where they go, what is told, what a mistake costs."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

import fastepll
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.cli.bar import bar
from fastepll.cli.figure import side_by_side
from fastepll.cli.pictures import (
    Picture,
    PictureError,
    check_output,
    read_frames,
    rehearse,
    write_frames,
    write_picture,
)
from fastepll.cli.plan import Job, plan
from fastepll.cli.report import MAX_CASES, SUFFIXES, Case, Page
from fastepll.cli.say import fail, heard, say, warn
from fastepll.typing import Poll

MISTAKES = (PictureError, OSError, ValueError, TypeError)
"""What goes wrong by what the user gave: told in one line, without a traceback."""


SHOWN = (0, 0.5, 1)
"""Frames of a stack that a page shows: the first, that in the middle, the last."""


@dataclass(frozen=True, eq=False)
class Result:
    """The restored pictures of a file, what is to say of them, and the panels of its figure."""

    frames: Sequence[Picture]
    facts: Mapping[str, str]
    panels: Sequence[NDArray[Any]]


Restore: TypeAlias = Callable[[Sequence[Picture], "Poll | None"], Result]


def run_batch(
    arguments: argparse.Namespace, prepare: Callable[[argparse.Namespace], Restore]
) -> int:
    """Restore every input; the exit code. One that fails does not stop those after it."""
    jobs = plan(arguments.inputs, arguments.output, arguments.figure)
    for job in jobs:
        for path in (job.target, job.figure):
            if path is not None:
                check_output(path, overwrite=arguments.overwrite)
    if arguments.report is not None:
        check_output(arguments.report, overwrite=arguments.overwrite, suffixes=SUFFIXES)
    restore = prepare(arguments)
    page = Page(min(len(jobs), MAX_CASES) * (len(SHOWN) if arguments.stack else 1))
    code, done, start = 0, 0, time.perf_counter()
    for number, job in enumerate(jobs):
        shown = page if arguments.report is not None and number < MAX_CASES else None
        try:
            with (
                heard() as warned,
                bar(job.source, number, len(jobs), quiet=arguments.quiet) as progress,
            ):
                told = run_job(job, arguments, restore, progress, shown)
        except MISTAKES as error:
            tell(job, warned)
            code = fail(prefixed(job.source, describe(error)))
        else:
            done += 1
            tell(job, warned)
            if not arguments.quiet:
                say(told)
    if page.sections:
        page.write(
            arguments.report,
            f"fastepll {arguments.command}: before and after",
            facts_of(arguments, len(jobs)),
            overwrite=arguments.overwrite,
        )
    if done and not arguments.quiet:
        count = f"{done} of {len(jobs)} pictures, " if len(jobs) > 1 else ""
        say(f"{count}{time.perf_counter() - start:.2f} s, {machinery(arguments)}")
    return code


def run_job(
    job: Job,
    arguments: argparse.Namespace,
    restore: Restore,
    progress: Poll | None,
    page: Page | None,
) -> str:
    """Read, restore, write; what is to say of it. What should be known of it is warned of."""
    frames = read_frames(job.source)
    if len(frames) > 1 and not arguments.stack:
        raise PictureError(
            f"cannot restore {job.source}: it has {len(frames)} pictures; --stack restores each"
        )
    lost = rehearse(job.target, frames, getattr(arguments, "factor", 1))
    start = time.perf_counter()
    result = restore(frames, progress)
    seconds = time.perf_counter() - start
    write_frames(job.target, result.frames, overwrite=arguments.overwrite)
    if lost:
        warnings.warn(f"not kept: {', '.join(lost)}", stacklevel=1)
    if frames[0].extra is not None and frames[0].alpha is None:
        n = frames[0].extra.shape[-1]
        warnings.warn(f"{n} extra channels are not restored, but kept", stacklevel=1)
    if job.figure is not None:
        figure = side_by_side(result.panels, arguments.data_range)
        write_picture(job.figure, Picture(figure), overwrite=arguments.overwrite)
    count = f"{len(frames)} times " if len(frames) > 1 else ""
    size = f"{count}{result.frames[0]}"
    if page is not None:
        facts = {"file": job.source, "restored": f"{job.target}, {size}", **result.facts}
        facts |= {
            "quality": arguments.quality,
            "prior": arguments.model,
            "time": f"{seconds:.2f} s",
        }
        for case in cases(frames, result.frames, facts, arguments.data_range):
            page.add(case)
    return f"{job.target}: {size}; {', '.join(f'{k} {v}' for k, v in result.facts.items())}"


def cases(
    before: Sequence[Picture],
    after: Sequence[Picture],
    facts: Mapping[str, str],
    data_range: float | str | None,
) -> Iterator[Case]:
    """What to compare on a page: a picture, or some frames of a stack."""
    name, last = os.path.basename(facts["file"]), len(before) - 1
    for k in sorted({round(part * last) for part in SHOWN}):
        title = f"{name}, frame {k + 1} of {len(before)}" if last else name
        yield Case(title, before[k].pixels, after[k].pixels, facts, data_range)


def facts_of(arguments: argparse.Namespace, n_pictures: int) -> dict[str, str]:
    """What holds for all pictures of a page."""
    facts = {"command": shlex.join(["fastepll", *arguments.argv]), "machine": machine(arguments)}
    if n_pictures > MAX_CASES:
        facts["shown"] = f"the first {MAX_CASES} of {n_pictures} pictures"
    return facts


def tell(job: Job, known: Sequence[str]) -> None:
    """Tell what should be known of a file."""
    for message in known:
        warn(job.target if message.startswith("not kept") else job.source, message)


def machinery(arguments: argparse.Namespace) -> str:
    """Threads and backend that the arguments lead to."""
    engine = get_backend(arguments.backend)
    level = (
        f" ({fastepll.show_config('dict')['simd']['in use']})" if engine.name == "native" else ""
    )
    return f"{resolve_threads(arguments.threads)} threads, {engine.name} backend{level}"


def machine(arguments: argparse.Namespace) -> str:
    """The machine and what the arguments use of it."""
    return f"{platform.platform()}, {os.cpu_count()} processors; {machinery(arguments)}"


def describe(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, PictureError):
        return str(error)
    return " ".join(str(error).split()) or type(error).__name__


def prefixed(path: str, message: str) -> str:
    """The message with the file it is about."""
    return message if path in message else f"{path}: {message}"
