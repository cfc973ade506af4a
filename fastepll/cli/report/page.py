"""The page: one file of HTML, with a section for each case, that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

import fastepll
from fastepll.cli.pictures import check_output, write_bytes
from fastepll.cli.report.section import Case, described, section, text

SUFFIXES = (".html", ".htm")
PIXELS = 2**22  # of all pictures that a page has to compare: it stays below some 50 MB
MAX_CASES = 64


class Page:
    """A page that grows by a case at a time and is written at the end.

    Parameters
    ----------
    n_cases : int
        How many there will be, at most: the more, the smaller they are shown.
    """

    def __init__(self, n_cases: int) -> None:
        self.n_pixels = PIXELS // max(4, n_cases)
        self.titles: list[str] = []
        self.sections: list[str] = []

    def add(self, case: Case) -> None:
        """Add a section; ValueError if the sizes of the two pictures do not fit."""
        self.sections.append(section(case, self.n_pixels))
        self.titles.append(case.title)

    def write(self, path: str, title: str, facts: Mapping[str, str], *, overwrite: bool) -> None:
        """Write it, with what holds for all cases; PictureError if that cannot be done."""
        check_output(path, overwrite=overwrite, suffixes=SUFFIXES)
        links = [
            f'<li><a href="#case{k}">{text(one)}</a></li>' for k, one in enumerate(self.titles)
        ]
        several = f'<nav aria-label="Pictures"><ul>{"".join(links)}</ul></nav>'
        template = files("fastepll.cli.report").joinpath("page.html").read_text("utf-8")
        page = Template(template).substitute(
            title=text(title),
            version=text(fastepll.__version__),
            contents=several if len(links) > 1 else "",
            sections="\n".join(
                f'<section id="case{k}">\n{one}\n</section>' for k, one in enumerate(self.sections)
            ),
            facts=described({"made by": f"fastepll {fastepll.__version__}", **facts}),
        )
        write_bytes(path, page.encode(), overwrite=overwrite, suffixes=SUFFIXES)


def write_report(
    path: str,
    cases: Sequence[Case],
    *,
    title: str = "Before and after",
    facts: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a page with a slider, the difference and the histograms of each case.

    Parameters
    ----------
    path : str
        Name that ends in .html.
    cases : sequence of Case
        At most `MAX_CASES`. The more there are, the smaller they are shown.
    title : str
        Heading of the page.
    facts : mapping of str to str, optional
        What holds for all of them: the command, the machine.
    overwrite : bool
        Replace the file if it exists.

    Raises
    ------
    PictureError
        The file cannot be written, or exists.
    ValueError
        No case, more than `MAX_CASES`, or sizes that do not fit.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> noisy = np.random.default_rng(0).normal(0.5, 0.1, (32, 32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(f"{folder}/page.html", [Case("flat", noisy, np.full((32, 32), 0.5))])
    """
    if not 0 < len(cases) <= MAX_CASES:
        raise ValueError(f"cases must be 1 to {MAX_CASES}, got {len(cases)}")
    page = Page(len(cases))
    for case in cases:
        page.add(case)
    page.write(path, title, facts or {}, overwrite=overwrite)
