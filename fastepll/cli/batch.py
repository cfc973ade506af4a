"""Picture files in, restored ones out: what is told, and what a mistake costs."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence

from fastepll.cli.bar import Draw, bar
from fastepll.cli.figure import side_by_side
from fastepll.cli.frames import Restore, Result
from fastepll.cli.machine import machinery
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
from fastepll.cli.report import MAX_CASES, SUFFIXES
from fastepll.cli.report.command import compare, page_for, write
from fastepll.cli.say import fail, heard, say, warn

MISTAKES = (PictureError, OSError, ValueError, TypeError, MemoryError)
"""What goes wrong by what the user gave: told in one line, without a traceback."""


def run_batch(
    arguments: argparse.Namespace, prepare: Callable[[argparse.Namespace], Restore]
) -> int:
    """Restore every input, but none after Ctrl-C; the exit code. One that fails stops no other."""
    jobs = plan(arguments.inputs, arguments.output, arguments.figure)
    for job in jobs:
        for path in (job.target, job.figure):
            if path is not None:
                check_output(path, overwrite=arguments.overwrite)
    if arguments.report is not None:
        check_output(arguments.report, overwrite=arguments.overwrite, suffixes=SUFFIXES)
    restore = prepare(arguments)
    page = None if arguments.report is None else page_for(len(jobs), arguments)
    code, done, start = 0, 0, time.perf_counter()
    for number, job in enumerate(jobs):
        try:
            with (
                heard() as warned,
                bar(job.source, number, len(jobs), quiet=arguments.quiet) as progress,
            ):
                result, seconds = run_job(job, arguments, restore, progress)
                if page is not None and number < MAX_CASES:
                    compare(page, job, result, seconds, arguments)
        except MISTAKES as error:
            tell(job, warned)
            code = fail(prefixed(job.source, describe(error)))
        else:
            done += 1
            tell(job, warned)
            if not arguments.quiet:
                say(
                    f"{job.target}: {result.size}; {', '.join(map(' '.join, result.facts.items()))}"
                )
            if result.interrupted:
                code = 130
                break
    if page is not None and page.sections:
        write(page, len(jobs), arguments)
    if done and not arguments.quiet:
        count = f"{done} of {len(jobs)} pictures, " if len(jobs) > 1 else ""
        say(f"{count}{time.perf_counter() - start:.2f} s, {machinery(arguments)}")
    return code


def run_job(
    job: Job, arguments: argparse.Namespace, restore: Restore, progress: Draw | None
) -> tuple[Result, float]:
    """Read, restore, write; what came out, and in how many seconds."""
    frames = read_frames(job.source)
    of_volume = getattr(arguments, "volume", False)
    if len(frames) > 1 and not (arguments.stack or of_volume):
        raise PictureError(
            f"cannot restore {job.source}: it has {len(frames)} pictures; --stack restores each, "
            "--volume of denoise all together"
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
    return result, seconds


def tell(job: Job, known: Sequence[str]) -> None:
    """Tell what should be known of a file."""
    for message in known:
        warn(job.target if message.startswith("not kept") else job.source, message)


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
