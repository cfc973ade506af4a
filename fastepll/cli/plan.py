"""Where each input of a command goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from fastepll.cli.pictures import PictureError


@dataclass(frozen=True)
class Job:
    """One file to read and those to write."""

    source: str
    target: str
    figure: str | None


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
