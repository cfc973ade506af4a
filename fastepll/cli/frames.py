"""Frames of a file as the array that the library takes, and its answer as frames again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastepll.cli.bar import Draw
from fastepll.cli.pictures import Picture, enlarge


@dataclass(frozen=True, eq=False)
class Result:
    """The pictures of a file, restored, what is to say of them, and the panels of its figure.

    ``interrupted``: whether Ctrl-C came before they were done.
    """

    before: Sequence[Picture]
    frames: Sequence[Picture]
    facts: Mapping[str, str]
    panels: Sequence[NDArray[Any]]
    interrupted: bool = False

    @property
    def size(self) -> str:
        """How many, how large and of which kind, in words."""
        count = f"{len(self.frames)} times " if len(self.frames) > 1 else ""
        return f"{count}{self.frames[0]}"


Restore: TypeAlias = Callable[[Sequence[Picture], "Draw | None"], Result]


def pixels_of(frames: Sequence[Picture]) -> NDArray[Any]:
    """The pixels of one picture, or those of several as a stack."""
    return frames[0].pixels if len(frames) == 1 else np.stack([one.pixels for one in frames])


def where(picture: Picture, value: float) -> NDArray[np.bool_]:
    """Where all channels have the value."""
    same = np.isnan(picture.pixels) if math.isnan(value) else picture.pixels == value
    unknown: NDArray[np.bool_] = same.all(axis=-1) if same.ndim == 3 else same
    return unknown


def result(
    frames: Sequence[Picture],
    pixels: NDArray[Any],
    facts: dict[str, str],
    between: Sequence[NDArray[Any]] = (),
    *,
    factor: int = 1,
    interrupted: bool = False,
) -> Result:
    """The pictures with new pixels, and the figure before | between | after, of the first."""
    each = [pixels] if len(frames) == 1 else list(pixels)
    larger = frames if factor == 1 else [enlarge(one, factor) for one in frames]
    restored = [dataclasses.replace(one, pixels=new) for one, new in zip(larger, each, strict=True)]
    panels = [frames[0].pixels, *between, each[0]]
    return Result(frames, restored, facts, panels, interrupted)
