"""Picture files in, restored ones out: where they go, what is told, what a mistake costs."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

import fastepll
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.cli.bar import Bar
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
from fastepll.cli.say import fail, heard, say, warn
from fastepll.typing import Poll

MISTAKES = (PictureError, OSError, ValueError, TypeError)
"""What goes wrong by what the user gave: told in one line, without a traceback."""


@dataclass(frozen=True, eq=False)
class Result:
    """The restored pictures of a file, what is to say of them, and the panels of its figure."""

    frames: Sequence[Picture]
    note: str
    panels: Sequence[NDArray[Any]]


Restore: TypeAlias = Callable[[Sequence[Picture], "Poll | None"], Result]


@dataclass(frozen=True)
class Job:
    """One file to read and those to write."""

    source: str
    target: str
    figure: str | None


def run_batch(
    arguments: argparse.Namespace, prepare: Callable[[argparse.Namespace], Restore]
) -> int:
    """Restore every input; the exit code. One that fails does not stop those after it."""
    jobs = plan(arguments.inputs, arguments.output, arguments.figure)
    for job in jobs:
        for path in (job.target, job.figure):
            if path is not None:
                check_output(path, overwrite=arguments.overwrite)
    restore = prepare(arguments)
    bar = Bar(len(jobs), shown=sys.stderr.isatty() and not arguments.quiet)
    code, done, start = 0, 0, time.perf_counter()
    for job in jobs:
        known: list[str] = []
        try:
            with heard() as warned:
                told = run_job(job, arguments, restore, bar, known)
        except MISTAKES as error:
            tell(job, [*warned, *known])
            code = fail(prefixed(job.source, describe(error)))
        else:
            done += 1
            tell(job, [*warned, *known])
            if not arguments.quiet:
                say(told)
    if done and not arguments.quiet:
        count = f"{done} of {len(jobs)} pictures, " if len(jobs) > 1 else ""
        say(f"{count}{time.perf_counter() - start:.2f} s, {machinery(arguments)}")
    return code


def run_job(
    job: Job, arguments: argparse.Namespace, restore: Restore, bar: Bar, known: list[str]
) -> str:
    """Read, restore, write; what is to say of it, and what should be known in the list."""
    with bar.of(job.source) as progress:
        frames = read_frames(job.source)
        if len(frames) > 1 and not arguments.stack:
            raise PictureError(
                f"cannot restore {job.source}: it has {len(frames)} pictures; --stack restores each"
            )
        lost = rehearse(job.target, frames, getattr(arguments, "factor", 1))
        result = restore(frames, progress)
        write_frames(job.target, result.frames, overwrite=arguments.overwrite)
        if lost:
            known.append(f"not kept: {', '.join(lost)}")
        if frames[0].extra is not None and frames[0].alpha is None:
            known.append(f"{frames[0].extra.shape[-1]} extra channels are not restored, but kept")
        if job.figure is not None:
            figure = side_by_side(result.panels, arguments.data_range)
            write_picture(job.figure, Picture(figure), overwrite=arguments.overwrite)
    count = f"{len(frames)} times " if len(frames) > 1 else ""
    return f"{job.target}: {count}{result.frames[0]}; {result.note}"


def tell(job: Job, known: Sequence[str]) -> None:
    """Tell what should be known of a file."""
    for message in known:
        warn(job.target if message.startswith("not kept") else job.source, message)


def plan(inputs: Sequence[str], output: str, figure: str | None) -> list[Job]:
    """Where each input goes: to the output itself, or under its own name if that is a folder."""
    into_folder = os.path.isdir(output) or output.endswith(("/", os.sep))
    if not into_folder:
        if len(inputs) > 1:
            raise PictureError(f"cannot write {len(inputs)} pictures to {output}: no such folder")
        jobs = [Job(inputs[0], output, figure)]
    else:
        if figure is not None and not os.path.isdir(figure):
            raise PictureError(f"cannot write figures to {figure}: no such folder")
        names = [os.path.basename(path) for path in inputs]
        jobs = [
            Job(
                path,
                os.path.join(output, name),
                None
                if figure is None
                else os.path.join(figure, os.path.splitext(name)[0]) + ".png",
            )
            for path, name in zip(inputs, names, strict=True)
        ]
    written: dict[str, str] = {}
    for job in jobs:
        for path in (job.target, job.figure):
            if path is not None and os.path.realpath(path) in written:
                raise PictureError(
                    f"cannot write {path} twice, for {written[path]} and {job.source}"
                )
            if path is not None:
                written[os.path.realpath(path)] = job.source
    return jobs


def machinery(arguments: argparse.Namespace) -> str:
    """Threads and backend that the arguments lead to."""
    engine = get_backend(arguments.backend)
    level = (
        f" ({fastepll.show_config('dict')['simd']['in use']})" if engine.name == "native" else ""
    )
    return f"{resolve_threads(arguments.threads)} threads, {engine.name} backend{level}"


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
