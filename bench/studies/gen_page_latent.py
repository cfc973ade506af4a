"""Variational autoencoders on the page: bounds, gaps, units in use, gradients, latent variables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from digits import digits
from gen_latent import (
    collapse,
    elbo_terms,
    encoder_gap,
    gradient_variances,
    interpolations,
    traversals,
)
from gen_models import OF_PATCHES, TRAINED, model_of, path_of
from harness import Row, Study, Values, canvas, draw_patches, shown, table
from measures import PROTOCOL, kept_patches

NAMES = tuple(name for name, where in TRAINED.items() if where == "gen_latent")
SHIFTED = ("reconstruction", "elbo", "log p", "bound")  # on the protocol, of patches
COLUMNS = {
    "model": "",
    "reconstruction": ".2f",
    "divergence": ".2f",
    "elbo": ".2f",
    "log p": ".2f",
    "error": ".2f",
    "gap": ".2f",
    "bound": ".2f",
    "active": ".0f",
    "of": ".0f",
    "score": ".1f",
    "reparameterisation": ".3f",
}
UNITS, STEPS = 6, 9
COUNTS = (2000, 50)  # test data, and those that chains are run for


def measure(study: Study) -> None:
    """Of each model, if it is there."""
    for name in NAMES:
        model = model_of(study, name)
        if model is not None:
            measure_one(study, name, model)


def data(name: str, n: int) -> Any:
    """Test digits or test patches, which stand in the order of writers and images, mixed."""
    test = kept_patches("test", 10_000, True, 0) if name in OF_PATCHES else digits()[2]
    return np.random.default_rng(0).permutation(test)[:n]


def measure_one(study: Study, name: str, model: Any) -> None:
    """All cells of a model, and its sheets."""
    many, few = study.pick(COUNTS, (50, 4))
    chains: Values = study.pick({}, {"n_chains": 2, "n_steps": 5, "n_samples": 5})
    shift = PROTOCOL if name in OF_PATCHES else 0.0

    def shifted(found: dict[str, Any]) -> Values:
        return {k: v + shift * (k in SHIFTED) for k, v in found.items()}

    def gap() -> Values:
        return shifted(encoder_gap(model, data(name, few), **chains))

    study.cell("elbo", name, compute=lambda: shifted(elbo_terms(model, data(name, many))))
    study.cell("gap", name, compute=gap)
    study.cell("units", name, compute=lambda: flat(collapse(model, data(name, many))))
    gradients = partial(gradient_variances, repeats=study.pick(100, 3))
    study.cell("gradients", name, compute=lambda: gradients(model, data(name, few)))
    path = sheets_path(study, name)
    if not path.exists():
        x = data(name, 2 * UNITS)
        units = np.argsort(-model.represent(data(name, many)).var(0))[:UNITS]
        np.savez_compressed(
            path,
            traversals=traversals(model, x[:1], units.tolist(), steps=STEPS),
            interpolations=interpolations(model, x[:UNITS], x[UNITS:], steps=STEPS),
        )


def sheets_path(study: Study, name: str) -> Path:
    """Where pictures of the latent variables of a model are kept."""
    return path_of(study, name).with_suffix(".latent.npz")


def flat(found: dict[str, Any]) -> Values:
    """With a name for each number of a list."""
    return {k: v for k, v in found.items() if not isinstance(v, list)} | {
        f"{k} {i}": x for k, v in found.items() if isinstance(v, list) for i, x in enumerate(v)
    }


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    rows: list[dict[str, Any]] = []
    units = {}
    for name in NAMES:
        elbo, gap, slopes, of = (
            study.known(what, name) for what in ("elbo", "gap", "gradients", "units")
        )
        if elbo and gap and slopes and of:
            found = {**elbo, **gap, **slopes, **of, "elbo": elbo["elbo"], "model": name}
            units[name] = [v for k, v in found.items() if k.startswith("divergences ")]
            rows.append({k: found[k] for k in COLUMNS})
    if not rows:
        return [], []
    many, few = study.pick(COUNTS, (50, 4))
    ratios = [row["score"] / row["reparameterisation"] for row in rows]
    text = (
        f"Nats per datum. *reconstruction* less *divergence* is the evidence lower bound *elbo*, "
        f"of {many} test data; on {few} of them *log p* is by annealing from the encoder (*error*: "
        "of its chains), *gap* how far their evidence lower bound is below it, and *bound* the "
        "importance-weighted bound of as many samples as the chains have steps. *active*: latent "
        "variables whose posterior means vary by more than 0.01. *score* and *reparameterisation*: "
        "variance of the encoder's gradient on one batch over its squared length, 4 samples each: "
        f"the score function has {min(ratios):.0f} times the variance"
        + (f" or more, up to {max(ratios):.0f} times." if len(rows) > 1 else ".")
    )
    return [{"table": "latent variables", **row} for row in rows], [
        "## Variational autoencoders",
        text,
        table(rows, COLUMNS),
        study.figure(
            "units",
            draw_units(units),
            "Divergence of each latent variable from its prior, mean over data in nats, from the "
            "most used one on: those at 0 have collapsed to the prior.",
        ),
        *sheets(study),
    ]


def draw_units(units: dict[str, list[float]]) -> Any:
    """Sorted divergences."""
    drawn, axis = canvas(size=(6.4, 3.2))
    for name, values in units.items():
        axis.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, label=name)
    axis.set(xlabel="latent variable", ylabel="nats", ylim=(0, None))
    axis.legend()
    return drawn


def sheets(study: Study) -> list[str]:
    """What the latent variables of each model do."""
    return [part for name in NAMES if (part := sheet(study, name))]


def sheet(study: Study, name: str) -> str:
    """Those of a model that left it; else the picture there is."""
    caption = (
        f"Latent variables of {name}. Left: the {UNITS} most used ones of a test datum, each from "
        "−3 to 3. Right: between two test data, along a line of their latent variables."
    )
    if name in OF_PATCHES:
        caption += " Each line has its own contrast."
    tag, path = f"latent-{name}", sheets_path(study, name)
    if not path.exists():
        drawn = study.pages / f"{study.name}-{tag}.png"
        return shown(drawn, caption) if drawn.exists() else ""
    kept = np.load(path)
    drawn, axes = canvas(1, 2, size=(8.4, 3.0))
    for axis, what in zip(axes, ("traversals", "interpolations"), strict=True):
        rows = 2 * kept[what] - 1  # of digits; patches are scaled line by line
        if name in OF_PATCHES:
            rows = kept[what] / np.abs(kept[what]).max(axis=(1, 2), keepdims=True)
        draw_patches(axis, rows.reshape(-1, rows.shape[2]), columns=STEPS, limit=1)
        axis.set_title(f"{name}: {what}")
    return study.figure(tag, drawn, caption)
