"""A section of the page: a slider over the two pictures, their difference, their histograms."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll.cli.figure import eight_bits, limits
from fastepll.cli.pictures import Picture
from fastepll.cli.pictures.png import encode_png
from fastepll.cli.report.views import difference, histograms, views
from fastepll.cli.say import plain

SMALL = 512  # pixels of width up to which pictures are shown enlarged


@dataclass(frozen=True, eq=False)
class Case:
    """Two pictures to compare and what is to say of them.

    Attributes
    ----------
    title : str
        Heading.
    before : (height, width) or (height, width, 3) array
        Of any type; what is unknown (NaN) is shown black.
    after : array
        Of the same size, or a whole number of times larger.
    facts : mapping of str to str
        Names and values, such as ``{"sigma": "25 (given)"}``.
    data_range : float or "auto", optional
        Step from black to white. None: of integers their largest value, of floats 1. "auto": as
        far as the values of `before` go.
    """

    title: str
    before: NDArray[Any]
    after: NDArray[Any]
    facts: Mapping[str, str] = field(default_factory=dict)
    data_range: float | str | None = None


def section(case: Case, n_pixels: int) -> str:
    """HTML of a case that shows up to so many pixels."""
    factor = len(case.after) // max(len(case.before), 1)
    before = case.before
    if factor > 1:
        before = before.repeat(factor, axis=0).repeat(factor, axis=1)
    if before.shape != case.after.shape or not before.size:
        raise ValueError(
            f"{case.title}: after must be a whole number of times larger than before, got shapes "
            f"{case.before.shape} and {case.after.shape}"
        )
    black, white = limits(case.before, case.data_range)
    parts = [f"<h2>{text(case.title)}</h2>", described(case.facts)]
    if factor > 1:
        parts.append(f'<p class="note">before enlarged {factor} times, pixel by pixel</p>')
    parts += [view(a, b, black, white, note) for a, b, note in views(before, case.after, n_pixels)]
    return "\n".join([*parts, histograms(case.before, case.after, black, white)])


def view(before: NDArray[Any], after: NDArray[Any], black: float, white: float, note: str) -> str:
    """The slider over two pictures of one size, and their difference."""
    width = before.shape[1]
    zoom = max(1, SMALL // width)
    change, words = difference(before, after, white - black)
    shown = [
        picture(eight_bits(one, black, white), name, zoom)
        for one, name in ((before, "before"), (after, "after"))
    ]
    return f"""{f"<h3>{note}</h3>" if note else ""}
<div class="view" style="--width: {zoom * width}px; --at: 50%">
<div><div class="pair">
<figure class="before">{shown[0]}<figcaption>before</figcaption></figure>
<figure class="after">{shown[1]}<figcaption>after</figcaption></figure>
</div>
<label class="control"><span>Drag across the picture, or move this: before on the left, after on the
right</span><input type="range" min="0" max="100" step="0.5" value="50"></label></div>
<figure class="change">{picture(change, "difference", zoom)}
<figcaption>{words}</figcaption></figure>
</div>"""


def picture(pixels: NDArray[np.uint8], name: str, zoom: int) -> str:
    """The tag with the pixels in it."""
    data = base64.b64encode(encode_png([Picture(pixels)], [])).decode()
    height, width = pixels.shape[:2]
    kind = ' class="enlarged"' if zoom > 1 else ""
    return (
        f'<img{kind} alt="{name}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{data}">'
    )


def described(facts: Mapping[str, str]) -> str:
    """The facts as a list of definitions."""
    pairs = (f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in facts.items())
    return f"<dl>{''.join(pairs)}</dl>"


def text(words: str) -> str:
    """Words as HTML: names of files may hold anything."""
    return escape(plain(words))
