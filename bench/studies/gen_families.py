"""What each family of models is good for, written from what was measured of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from gen_models import OF_PATCHES
from harness import Row, table
from protocol import RESULTS


@dataclass(frozen=True)
class Family:
    """Models and their variants (NAME-…), of which the most probable one stands for the family.

    The two sentences are filled with what was measured of it, and with its nats less those of
    the best table, of the best fully connected network and of the laboratory's Gaussian mixture, of
    which the PSNR is compared too; ``bound``: whether its likelihood is a bound.
    """

    models: Sequence[str]
    first: str
    second: str
    bound: bool = False

    def has(self, model: str) -> bool:
        """Whether a model is of the family."""
        return any(model == name or model.startswith(f"{name}-") for name in self.models)


FAMILIES = {
    "tables": Family(
        ("independent", "chain", "tree"),
        (
            "Fitted by counting, {parameters:.0f} numbers; any pixels are drawn exactly given "
            "any others."
        ),
        (
            "Each pixel knows a few others alone, which costs {lost:.1f} nats against the best "
            "of the models here, and samples are {discrepancy:.2f} from digits."
        ),
    ),
    "naive Bayes": Family(
        ("naive-bayes",),
        (
            "Fitted by counting, and a classifier at once, whatever pixels are missing: its "
            "posterior over classes tells {accuracy:.1f} % of digits."
        ),
        (
            "Pixels are independent given the class, {over_factorised:+.1f} nats against the "
            "best table."
        ),
    ),
    "logistic regressions": Family(
        ("fvsbn",),
        (
            "The chain rule without hidden units, a convex fit of {training:.0f} s: "
            "{over_factorised:+.1f} nats against the best table."
        ),
        (
            "It represents nothing, and its {parameters:.0f} weights grow with the square of "
            "the pixels."
        ),
    ),
    "fully connected networks": Family(
        ("nade", "made-1", "made-32"),
        (
            "Exact likelihood, {over_factorised:+.1f} nats against the best table after "
            "{training:.0f} s of training, and hidden units from which a linear classifier "
            "tells {accuracy:.1f} % of digits."
        ),
        (
            "A new one takes a step for each pixel, and only what comes last in the order is "
            "completed exactly."
        ),
    ),
    "recurrent": Family(
        ("recurrent",),
        (
            "A state that is carried from row to row: {over_chain:+.2f} nats against "
            "fully connected ones, with {parameters:.0f} parameters."
        ),
        "Training takes {training:.0f} s.",
    ),
    "attention": Family(
        ("attention",),
        (
            "Every strip of pixels looks at all before it: {over_chain:+.2f} nats against "
            "fully connected ones, with {parameters:.0f} parameters."
        ),
        "Training takes {training:.0f} s, and a new one {seconds_per_sample:.1e} s.",
    ),
    "convolution": Family(
        ("pixelcnn",),
        (
            "The same weights at every pixel, {parameters:.0f} of them: {over_chain:+.2f} nats "
            "against fully connected ones."
        ),
        "Training takes {training:.0f} s, and a new one {seconds_per_sample:.1e} s.",
    ),
    "variational autoencoder": Family(
        ("vae",),
        (
            "A new one takes one pass ({seconds_per_sample:.1e} s), and a linear classifier of "
            "its latent variables tells {accuracy:.1f} % of digits."
        ),
        (
            "The likelihood is known only by a bound, {over_chain:+.2f} nats against "
            "fully connected ones, and completion needs Markov chains."
        ),
        bound=True,
    ),
    "conditional mixtures": Family(
        ("rnade", "made-mog"),
        "Of patches, {over_mixture:+.2f} nats against the shipped Gaussian mixture, exactly.",
        "In EPLL {image_gain:+.2f} dB against it, on the middle of five images.",
    ),
    "flow": Family(
        ("maf",),
        (
            "An invertible map to white noise, so that a density is exact: {over_mixture:+.2f} "
            "nats against the shipped mixture with {parameters:.0f} parameters."
        ),
        "In EPLL {image_gain:+.2f} dB against it.",
    ),
    "conditional scale mixtures": Family(
        ("conditional-scale-mixture", "causal-network"),
        (
            "Conditional densities that know of contrast: {over_mixture:+.2f} nats against the "
            "shipped mixture, after {training:.0f} s of training."
        ),
        "In EPLL {image_gain:+.2f} dB against it.",
    ),
    "variational autoencoder of patches": Family(
        ("patch-vae",),
        (
            "Few latent variables for a patch, by a bound of {over_mixture:+.2f} nats against "
            "the shipped mixture."
        ),
        "In EPLL {image_gain:+.2f} dB against it.",
        bound=True,
    ),
}


def show(rows: Sequence[Row]) -> list[str]:
    """Parts of the page, of the families of which a model was measured; rows are those of both."""
    best = {
        name: max(some, key=nats)
        for name, family in FAMILIES.items()
        if (some := [row for row in rows if family.has(row["model"])])
    }
    with (RESULTS / "studies" / "likelihood.csv").open() as file:
        mixture = next(row for row in csv.DictReader(file) if row["prior"] == "mixture")
    top = max(nats(row) for row in best.values() if row["model"] not in OF_PATCHES)
    told = []
    for name, row in best.items():
        found = {k.replace(" ", "_"): v for k, v in row.items() if v is not None}
        found["lost"] = top - nats(row)
        for other, key in (("tables", "factorised"), ("fully connected networks", "chain")):
            if other in best:
                found[f"over_{key}"] = nats(row) - nats(best[other])
        found["over_mixture"] = nats(row) - float(mixture["nats"])
        family = FAMILIES[name]
        sentences = " ".join(filled(s, found) for s in (family.first, family.second))
        told.append(f"- **{name}** (`{row['model']}`): {sentences}")
    return [
        "## Families",
        "By the model of each family that is the most probable. *exact*, or a *bound*; PSNR of "
        "the lower half completed, or of images that EPLL restores at sigma 25.",
        table([line(name, row) for name, row in best.items()], dict.fromkeys(QUESTIONS, "")),
        "\n".join(told),
    ]


QUESTIONS = (
    "family",
    "model",
    "how probable is this datum",
    "give me a new one",
    "what represents it",
    "completion, restoration",
    "training",
)


def filled(sentence: str, found: Row) -> str:
    """With its numbers; nothing if one of them was not measured."""
    try:
        return sentence.format_map(found)
    except KeyError:
        return ""


def nats(row: Row) -> float:
    """Mean log-likelihood."""
    return float(row["nats"])


def line(name: str, row: Row) -> Row:
    """Answers to the questions in words and numbers; nothing where nothing was measured."""
    exact = "bound" if FAMILIES[name].bound else "exact"
    texts = {"family": name, "model": f"`{row['model']}`"}
    texts["how probable is this datum"] = f"{exact}: {nats(row):.2f} ± {row['error']:.2f} nats"
    if row.get("discrepancy") is not None:
        cost = f"{1000 * row['seconds per sample']:.2g} ms"
        texts["give me a new one"] = f"{cost}, discrepancy {row['discrepancy']:.2f}"
    if row.get("accuracy") is not None:
        texts["what represents it"] = f"{row['accuracy']:.1f} % by a linear classifier"
    if row.get("completion") is not None:
        how = "exact" if row["exact completion"] else "Markov chains"
        texts["completion, restoration"] = f"{how}: {row['completion']:.2f} dB"
    elif row.get("image") is not None:
        texts["completion, restoration"] = f"EPLL: {row['image']:.2f} dB"
    if row.get("training") is not None:
        texts["training"] = f"{row['training']:.0f} s"
    return texts
