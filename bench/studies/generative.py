"""Every generative model by the same questions: ``python bench/studies/generative.py``.

``--train NAME --minutes M`` trains one, or goes on where it stopped; models are kept in
``work/generative``. What is measured of those that there are is kept in
``bench/results/studies/generative.jsonl``, and the page is written from that; ``--write`` computes
nothing.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import gen_families
import gen_page_latent
import gen_page_leaves
import gen_page_marginal
import gen_page_messages
import gen_page_patches
import gen_page_tables
import gen_sheets
import numpy as np
from digits import digits
from gen_measures import (
    completion,
    discrepancy,
    likelihood,
    probe,
    sampling,
)
from gen_models import (
    OF_DIGITS,
    TRAINED,
    checkpoint_of,
    course,
    model_of,
    path_of,
    train,
    training_seconds,
)
from harness import Cells, Row, Study, table
from protocol import RESULTS

PUBLISHED = {
    "fvsbn": -97.0,
    "nade": -88.33,
    "made-1": -88.40,
    "made-32": -86.64,
    "recurrent": -79.20,
    "attention": -79.20,
    "pixelcnn": -81.30,
    "pixelcnn-gated": -81.30,
    "vae": -86.76,
}
"""Nats, of another binarisation of the digits; recurrent and attention: the PixelRNN."""
SECTIONS: dict[str, Any] = {
    "messages": gen_page_messages,
    "tables": gen_page_tables,
    "leaves": gen_page_leaves,
    "marginal": gen_page_marginal,
    "latent": gen_page_latent,
}
DIGITS = {
    "nats": ".2f",
    "error": ".2f",
    "published": ".2f",
    "bits per pixel": ".4f",
    "discrepancy": ".2f",
    "deviation": ".2f",
    "accuracy": ".1f",
    "completion": ".2f",
    "parameters": ".0f",
    "training": ".0f",
    "seconds per sample": ".1e",
}


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("generative", __doc__, argv, options=options)
    told = study.arguments
    if not study.quick:
        study.cells = Cells(RESULTS / "studies" / f"{study.name}.jsonl", fresh=told.fresh)
    if told.train:
        for name in TRAINED:
            if re.fullmatch(told.train, name) and not path_of(study, name).exists():
                with suppress(TimeoutError):
                    train(study, name, told.minutes)
        return
    for name in study.pick(OF_DIGITS, ("independent", "tree")):
        if not told.write and re.search(told.only, name):
            of_digits(study, name)
    if not (told.write or study.quick):
        gen_page_patches.measure(study, told.only)
    if not told.write and re.search(told.only, "pixels"):
        study.cell("probe", "pixels", compute=lambda: probe(None, study.pick(10_000, 300)))
        study.cell("samples", "digits", compute=lambda: discrepancy(others()))
    of_sections(study)
    write(study)


def options(parser: ArgumentParser) -> None:
    """Which models."""
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="measure those models and sections"
    )
    parser.add_argument("--train", metavar="REGEX", help="train those models, measure none")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop training after that")
    parser.add_argument("--write", action="store_true", help="compute nothing, write the page")


def others() -> Any:
    """Digits, 1000, of the held-out ones."""
    return np.random.default_rng(1).permutation(digits()[1])[:1000]


def of_digits(study: Study, name: str) -> None:
    """Measure a model of digits, if it is there."""
    model = model_of(study, name)
    if model is None:
        return
    n = study.pick(0, 100)
    few = {"n": n} if n else {}

    def sheet(what: str, found: tuple[Any, Any]) -> Any:
        gen_sheets.keep(study, name, {what: found[1]})
        return found[0]

    study.cell("likelihood", name, compute=lambda: likelihood(model, **few))
    study.cell("samples", name, compute=lambda: sheet("samples", sampling(model, **few)))
    study.cell("probe", name, compute=lambda: probe(model, **few))
    study.cell("completion", name, compute=lambda: sheet("completions", completion(model, **few)))
    if name in TRAINED:
        study.cell("training", name, compute=lambda: {"seconds": training_seconds(study, name)})
    if checkpoint_of(study, name).exists():
        study.cell("course", name, compute=lambda: course(study, name))


def of_sections(study: Study) -> None:
    """Compute what the other sections of the page show."""
    told = study.arguments
    for name, section in SECTIONS.items():
        if not told.write and re.search(told.only, name):
            section.measure(study)


def write(study: Study) -> None:
    """The page, its figures, and the table."""
    known = {key: cell["values"] for key, cell in study.cells.known.items()}
    study.seconds = sum(cell["seconds"] for cell in study.cells.known.values())
    rows = [digit_row(known, name) for name in OF_DIGITS if f"likelihood {name}" in known]
    shown = [section.show(study) for section in (gen_page_patches, *SECTIONS.values())]
    more = [row for some, _ in shown for row in some]
    study.csv([*({"table": "digits", **row} for row in rows), *more])
    patches = [row for row in more if row["table"] == "patches"]
    parts = [
        *gen_families.show([*rows, *patches]),
        "## Digits",
        DIGITS_TEXT.format(**references(known)),
        table(rows, {"model": ""} | DIGITS),
        *courses(known),
    ]
    parts += gen_sheets.figures(study, OF_DIGITS)
    parts += [part for _, some in shown for part in some]
    study.page("Generative models on one bench", SENTENCES, parts)


SENTENCES = (
    "How probable is this datum, give me a new one, what represents it: three questions to each "
    "model, of handwritten digits that were binarised once (`bench/studies/digits.py`) and of "
    "patches of photographs."
)
DIGITS_TEXT = (
    "*nats*: mean log-likelihood of the 10 000 test digits (28×28), *error* its standard error "
    "over digits; of `vae` and `vae-iwae` the importance-weighted bound of 5000 samples on the "
    "first 2000. *published*: of another binarisation, which moves figures by some tenths. "
    "*discrepancy*: squared maximum mean discrepancy of 1000 samples from test digits, times 1000 "
    "(held-out digits: {digits:.2f}). *accuracy*: of a linear classifier of the representation, "
    "in percent (of the pixels: {pixels:.1f}). *completion*: PSNR in dB of the lower half that is "
    "drawn given the upper one. *training*: CPU seconds."
)
COURSES_TEXT = (
    "What more time gave: nats of held-out digits after parts of the training, of `vae` and "
    "`vae-iwae` the bounds that they are trained by."
)


def courses(known: dict[str, Any]) -> list[str]:
    """What more time gave."""
    rows = [{"model": n, **at} for n in OF_DIGITS if (at := known.get(f"course {n}"))]
    columns = {"model": ""} | {column: ".2f" for row in rows for column in row if column != "model"}
    return [COURSES_TEXT, table(rows, columns)] if rows else []


def references(known: dict[str, Any]) -> dict[str, float]:
    """What pixels and digits themselves reach."""
    return {
        "pixels": known.get("probe pixels", {}).get("accuracy", np.nan),
        "digits": known.get("samples digits", {}).get("discrepancy", np.nan),
    }


def digit_row(known: dict[str, Any], name: str) -> Row:
    """All that was measured of a model of digits."""
    row: dict[str, Any] = {"model": name, "published": PUBLISHED.get(name)}
    for what in ("likelihood", "samples", "probe", "completion"):
        row |= known.get(f"{what} {name}", {})
    row["training"] = known.get(f"training {name}", {}).get("seconds")
    return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}


if __name__ == "__main__":
    main()
