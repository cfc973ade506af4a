"""Every generative model by the same questions: ``python bench/studies/generative.py``.

``--train NAME --minutes M`` trains one, or goes on where it stopped; models are kept in
``work/generative``. What is measured of those that there are is kept in
``bench/results/studies/generative.jsonl``, and the page is written from that; ``--write`` computes
nothing.
"""

from __future__ import annotations

import csv
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
from gen_models import OF_DIGITS, OF_PATCHES, TRAINED, model_of, path_of, train, training_seconds
from harness import Cells, Row, Study, Values, table
from likelihood import CROP, IMAGES, SPARSE, image_psnr, patch_values
from measures import kept_patches, log_likelihood, protocol_nats
from protocol import RESULTS
from recipes import RECIPES

from fastepll.priors import SymmetricAverage

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
    "rnade": 153.0,
    "made-mog": 153.71,
    "maf": 155.69,
    "conditional-scale-mixture": 156.4,
}
"""Nats, of another binarisation of the digits; recurrent and attention: the PixelRNN."""
LABORATORY = ("mixture", "student-t-mixture")
"""Priors of `recipes` whose densities are averaged over the flips and transposes of a patch too."""
SECTIONS: dict[str, Any] = {
    "messages": gen_page_messages,
    "tables": gen_page_tables,
    "leaves": gen_page_leaves,
    "marginal": gen_page_marginal,
    "latent": gen_page_latent,
}
GAINS = {"nats": ".2f", "gain": ".2f", "gain error": ".2f", "image": ".2f", "averaged": ".2f"}
N_IMAGES = 100  # of bsds300/test
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
PATCHES = {
    "nats": ".2f",
    "error": ".2f",
    "published": ".2f",
    "patch": ".2f",
    "image": ".2f",
    "parameters": ".0f",
    "training": ".0f",
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
    for name in study.pick(OF_PATCHES, ()):
        if not told.write and re.search(told.only, name):
            of_patches(study, name)
    for name in study.pick(LABORATORY, ()):
        if not told.write and re.fullmatch(told.only, name):  # which may be trained for that
            prior = study.prior(name)
            average = SymmetricAverage.average_of(prior)
            study.cell("symmetry", name, compute=lambda p=prior, a=average: symmetry(p, a))
            tagged = f"{name}@{RECIPES[name].tag} averaged"
            for which, one in ((name, prior), (tagged, average)):
                image_psnr(study, which, one, 25, IMAGES, settings=SPARSE, crop=CROP)
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


def of_patches(study: Study, name: str) -> None:
    """How probable test patches are to a prior, and how well it restores, if it is there."""
    prior = model_of(study, name)
    if prior is None:
        return
    study.cell("training", name, compute=lambda: {"seconds": training_seconds(study, name)})
    study.cell("nats", name, compute=lambda: log_likelihood(prior, "test", 100_000))
    study.cell("parameters", name, compute=lambda: {"parameters": prior.n_parameters})
    study.cell("patches", name, compute=lambda: patch_values(prior, 25, 1000, "map"))
    image_psnr(study, name, prior, 25, IMAGES, settings=SPARSE, crop=CROP)
    if prior.exact:
        average = SymmetricAverage.average_of(prior)
        study.cell("symmetry", name, compute=lambda: symmetry(prior, average))


def symmetry(prior: Any, average: SymmetricAverage, n: int = 100_000) -> Values:
    """Nats of the average over flips and transposes, its gain, the standard error over images."""
    rows = kept_patches("test", n, True, 0)
    nats = average.log_prob(rows)
    gain = (nats - prior.log_prob(rows)).reshape(N_IMAGES, -1).mean(axis=1)
    error = gain.std(ddof=1) / np.sqrt(N_IMAGES)
    return {"nats": protocol_nats(nats).mean(), "gain": gain.mean(), "gain error": error}


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
    patches = [patch_row(known, name) for name in OF_PATCHES if f"nats {name}" in known]
    shown = [section.show(study) for section in SECTIONS.values()]
    csv_rows = [{"table": "digits", **row} for row in rows]
    csv_rows += [{"table": "patches", **row} for row in patches]
    study.csv(csv_rows + [row for more, _ in shown for row in more])
    parts = [
        *gen_families.show([*rows, *patches]),
        "## Digits",
        DIGITS_TEXT.format(**references(known)),
        table(rows, {"model": ""} | DIGITS),
    ]
    parts += gen_sheets.figures(study, OF_DIGITS)
    if patches:
        parts += ["## Patches", PATCHES_TEXT, table(patches, {"model": ""} | PATCHES)]
        parts += correlation(patches)
    gains = [row for name in (*LABORATORY, *OF_PATCHES) if (row := gain_row(known, name))]
    if gains:
        parts += [
            "## The average over symmetries",
            GAINS_TEXT,
            table(gains, {"prior": ""} | GAINS),
        ]
    parts += [part for _, more in shown for part in more]
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
PATCHES_TEXT = (
    "*nats*: on the 63-dimension protocol, bsds300/test, and its standard error over images. "
    "*patch* and *image*: PSNR in dB at sigma 25 of patches (most probable) and of the middle of "
    "five images of bsd68 by EPLL, as in [the study of likelihood](likelihood.md)."
)

GAINS_TEXT = (
    "*nats* of the average of a density over the 8 flips and transposes of a patch, what it gains "
    "on the same test patches, and the gain's standard error over images. *image*: as above, "
    "*averaged* by the average, of those priors whose average is a mixture, too."
)


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


def patch_row(known: dict[str, Any], name: str) -> Row:
    """All that was measured of a prior."""
    return {
        "model": name,
        "published": PUBLISHED.get(name),
        **known[f"nats {name}"],
        **known.get(f"parameters {name}", {}),
        "patch": known.get(f"patches {name}", {}).get("dB"),
        "image": image_of(known, name),
        "training": known.get(f"training {name}", {}).get("seconds"),
    }


def image_of(known: dict[str, Any], name: str, more: str = "") -> float | None:
    """Mean PSNR over the images, if they have all been restored."""
    pattern = rf"image {name}(@\w+)?{more} \d+ 25 .*"
    found = [values["dB"] for key, values in known.items() if re.fullmatch(pattern, key)]
    return float(np.mean(found)) if len(found) == len(IMAGES) else None


def gain_row(known: dict[str, Any], name: str) -> Row | None:
    """What the average over symmetries of a prior gains, if that was measured."""
    key = next((k for k in known if re.fullmatch(rf"symmetry {name}(@\w+)?", k)), None)
    if key is None:
        return None
    images = {"image": image_of(known, name), "averaged": image_of(known, name, " averaged")}
    return {"prior": name, **known[key], **images}


def correlation(rows: Sequence[Row]) -> list[str]:
    """Whether likelihood still goes with restoration, these models among the laboratory's."""
    from scipy.stats import pearsonr, spearmanr

    with (RESULTS / "studies" / "likelihood.csv").open() as file:
        pairs = [(float(row["nats"]), float(row["image 25"])) for row in csv.DictReader(file)]
    here = [(row["nats"], row["image"]) for row in rows if row["image"] is not None]
    if not here:
        return []
    every = [*pairs, *here]
    told = [
        f"{words}: linear correlation {pearsonr(*zip(*some, strict=True))[0]:.3f}, "
        f"rank {spearmanr(*zip(*some, strict=True))[0]:.3f}"
        for words, some in (
            (f"the laboratory's {len(pairs)} priors", pairs),
            (f"with these {len(here)}", every),
            ("those above 152 nats", [pair for pair in every if pair[0] > 152]),
        )
    ]
    return ["Log-likelihood and the PSNR of images, " + "; ".join(told) + "."]


if __name__ == "__main__":
    main()
