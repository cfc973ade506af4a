"""Priors of patches on the page: nats, averages over symmetries, what they restore."""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np
from gen_means import modes, posterior_mean
from gen_models import OF_PATCHES, model_of, training_seconds
from harness import Row, Study, Values, table
from likelihood import CROP, IMAGES, SPARSE, image_psnr, patch_values
from measures import kept_patches, log_likelihood, protocol_nats
from protocol import RESULTS
from recipes import RECIPES, SHIPPED

from fastepll.priors import SymmetricAverage

PUBLISHED = {
    "rnade": 153.0,
    "made-mog": 153.71,
    "maf": 155.69,
    "conditional-scale-mixture": 156.4,
}
LABORATORY = (SHIPPED, "student-t-mixture")
"""Priors of `recipes` that are measured beside them."""
MIDDLE = 64  # pixels a side of what networks restore, which takes them minutes
N_IMAGES = 100  # of bsds300/test
COLUMNS = {
    "nats": ".2f",
    "error": ".2f",
    "published": ".2f",
    "patch": ".2f",
    "mean": ".2f",
    "mean gain": ".2f",
    "effective": ".0f",
    "image": ".2f",
    "image gain": ".2f",
    "parameters": ".0f",
    "training": ".0f",
}
GAINS = {"nats": ".2f", "gain": ".2f", "gain error": ".2f", "image": ".2f", "averaged": ".2f"}
TEXT = (
    "*nats*: on the 63-dimension protocol, bsds300/test, and its standard error over images; of "
    "`patch-vae` and `patch-vae-t` a lower bound. "
    "*patch*: PSNR in dB of most probable patches at sigma 25; *mean*: of posterior means, by "
    "draws from the shipped mixture's posterior that are weighted with the ratio of the two "
    "densities, and its gain over the mixture's own mean of the same patches; *effective*: how "
    "many of the 2000 draws count, in the median. *image*: PSNR of the middle 64×64 pixels of five "
    "images of bsd68 at sigma 25 by EPLL, every fourth patch of a grid that moves, and its gain "
    "over the shipped mixture's ({mixture:.2f}). *training*: CPU seconds."
)
GAINS_TEXT = (
    "*nats* of the average of a density over the 8 flips and transposes of a patch, what it gains "
    "on the same test patches, and the gain's standard error over images. *image*: PSNR as in "
    "[the study of likelihood](likelihood.md), *averaged* by the average, of those priors whose "
    "average is a mixture, too."
)


def measure(study: Study, only: str) -> None:
    """Of those models whose names are meant, if they are there."""
    for name in OF_PATCHES:
        prior = model_of(study, name) if re.search(only, name) else None
        if prior is not None:
            of_network(study, name, prior)
    for name in LABORATORY:
        if re.fullmatch(only, name):  # which may be trained for that
            of_laboratory(study, name)


def of_network(study: Study, name: str, prior: Any) -> None:
    """How probable test patches are to a prior, and how well it restores."""
    study.cell("training", name, compute=lambda: {"seconds": training_seconds(study, name)})
    study.cell("nats", name, compute=lambda: log_likelihood(prior, "test", 100_000))
    study.cell("parameters", name, compute=lambda: {"parameters": prior.n_parameters})
    if prior.exact:
        average = SymmetricAverage.average_of(prior)
        study.cell("symmetry", name, compute=lambda: symmetry(prior, average))
        study.cell("mean", name, 25, compute=lambda: posterior_mean(prior, 25))
    study.cell("modes", name, 25, compute=lambda: modes(prior, 25))
    study.cell("patches", name, compute=lambda: patch_values(prior, 25, 1000, "map"))
    for which, one in ((SHIPPED, study.prior(SHIPPED)), (name, prior)):
        image_psnr(study, which, one, 25, IMAGES, settings=SPARSE, crop=MIDDLE)


def of_laboratory(study: Study, name: str) -> None:
    """What the average of a mixture gains, and restores."""
    prior, tagged = study.prior(name), f"{name}@{RECIPES[name].tag} averaged"
    average = SymmetricAverage.average_of(prior)
    study.cell("symmetry", name, compute=lambda: symmetry(prior, average))
    for which, one in ((name, prior), (tagged, average)):
        image_psnr(study, which, one, 25, IMAGES, settings=SPARSE, crop=CROP)


def symmetry(prior: Any, average: SymmetricAverage, n: int = 100_000) -> Values:
    """Nats of the average over flips and transposes, its gain, the standard error over images."""
    rows = kept_patches("test", n, True, 0)
    nats = average.log_prob(rows)
    gain = (nats - prior.log_prob(rows)).reshape(N_IMAGES, -1).mean(axis=1)
    error = gain.std(ddof=1) / np.sqrt(N_IMAGES)
    return {"nats": protocol_nats(nats).mean(), "gain": gain.mean(), "gain error": error}


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    rows = [row for name in OF_PATCHES if (row := row_of(study, name))]
    gains = [row for name in (*LABORATORY, *OF_PATCHES) if (row := gain_of(study, name))]
    parts = []
    if rows:
        text = TEXT.format(mixture=image_of(study, SHIPPED, MIDDLE) or np.nan)
        parts += ["## Patches", text, table(rows, {"model": ""} | COLUMNS)]
        parts += [*(told for row in rows if (told := flatness(study, row["model"])))]
        parts += correlation(rows)
    if gains:
        parts += ["## The average over symmetries", GAINS_TEXT, table(gains, {"prior": ""} | GAINS)]
    told = [{"table": "patches", **row} for row in rows]
    return [*told, *({"table": "symmetries", **row} for row in gains)], parts


def row_of(study: Study, name: str) -> Row | None:
    """All that was measured of a prior."""
    nats = study.known("nats", name)
    if not nats:
        return None
    mean = study.known("mean", name, 25) or {}
    image, mixture = image_of(study, name, MIDDLE), image_of(study, SHIPPED, MIDDLE)
    return {
        "model": name,
        "published": PUBLISHED.get(name),
        **nats,
        **(study.known("parameters", name) or {}),
        "patch": (study.known("patches", name) or {}).get("dB"),
        "mean": mean.get("mean"),
        "mean gain": mean["mean"] - mean["mixture"] if mean else None,
        "effective": mean.get("effective"),
        "image": image,
        "image gain": image - mixture if image and mixture else None,
        "training": (study.known("training", name) or {}).get("seconds"),
    }


def flatness(study: Study, name: str) -> str:
    """What the most probable patches of a prior are, in words; nothing if it was not measured."""
    found = study.known("modes", name, 25)
    if not found:
        return ""
    told = (
        f"Most probable patches of `{name}` at sigma 25 have {found['contrast']:.2f} of the "
        f"contrast of clean ones, the mixture's estimates {found['mixture']:.2f}"
    )
    if "rise" in found:
        rise = f"{found['rise']:.0f} nats above that of the second"
        told += f"; the log posterior density of the first is {rise}"
    return told + "."


def image_of(study: Study, name: str, crop: int) -> float | None:
    """Mean PSNR over the images, if they have all been restored."""
    keys = [("image", name, i, 25, f"stride {SPARSE.stride}", crop) for i in IMAGES]
    found = [values["dB"] for key in keys if (values := study.known(*key))]
    return float(np.mean(found)) if len(found) == len(IMAGES) else None


def gain_of(study: Study, name: str) -> Row | None:
    """What the average over symmetries of a prior gains, if that was measured."""
    found = study.known("symmetry", name)
    if not found:
        return None
    images = {}
    if name in RECIPES:
        images["image"] = image_of(study, name, CROP)
        images["averaged"] = image_of(study, f"{name}@{RECIPES[name].tag} averaged", CROP)
    return {"prior": name, **found, **images}


def correlation(rows: list[Row]) -> list[str]:
    """Whether likelihood still goes with restoration, these models among the laboratory's."""
    from scipy.stats import pearsonr, spearmanr

    with (RESULTS / "studies" / "likelihood.csv").open() as file:
        laboratory = {row["prior"]: row for row in csv.DictReader(file)}
    base = float(laboratory[SHIPPED]["image 25"])
    known = [(float(row["nats"]), float(row["image 25"]) - base) for row in laboratory.values()]
    here = [(row["nats"], row["image gain"]) for row in rows if row["image gain"] is not None]
    if not here:
        return []
    told = [
        f"{words}: linear correlation {pearsonr(*zip(*some, strict=True))[0]:.3f}, "
        f"rank {spearmanr(*zip(*some, strict=True))[0]:.3f}"
        for words, some in (
            (f"the laboratory's {len(known)} priors", known),
            (f"with these {len(here)}", [*known, *here]),
        )
    ]
    return ["Nats, and the PSNR of images over the mixture's, " + "; ".join(told) + "."]
