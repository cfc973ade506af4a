"""Estimates of log p on the page: probabilistic PCA, of which it is known."""

from __future__ import annotations

from functools import cache
from typing import Any

from gen_latent import METHODS, marginal_variances
from harness import Row, Study, canvas

MARKS = {"prior": "C3", "encoder": "C0", "annealing": "C2"}
WORDS = {
    "prior": "samples of the prior",
    "encoder": "samples of an encoder",
    "annealing": "annealed importance sampling",
}


def options(study: Study) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Numbers of latent variables, numbers of samples, repeats."""
    return study.pick(((1, 2, 5, 10, 20, 30), (10, 100, 1000, 10_000), 20), ((1, 10), (10, 100), 3))


def measure(study: Study) -> None:
    """A cell for each number of latent variables and of samples, and each method."""
    latents, counts, repeats = options(study)
    of = cache(lambda k: marginal_variances((k,), counts, n=study.pick(20, 4), repeats=repeats))
    for k in latents:
        for i, (method, n) in enumerate((method, n) for method in METHODS for n in counts):
            study.cell(
                "marginal",
                method,
                k,
                n,
                compute=lambda k=k, i=i: {x: of(k)[i][x] for x in ("bias", "deviation")},
            )


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    latents, counts, repeats = options(study)
    rows: list[dict[str, Any]] = [
        {"method": method, "latents": k, "samples": n, **found}
        for method in METHODS
        for k in latents
        for n in counts
        if (found := study.known("marginal", method, k, n))
    ]
    if not rows:
        return [], []
    at = {
        (row["method"], row["latents"], row["samples"]): {k: row[k] for k in ("bias", "deviation")}
        for row in rows
    }
    k, n = latents[-1], counts[-1]
    told = ", ".join(
        f"{at[m, k, n]['bias']:.2g} and {at[m, k, n]['deviation']:.2g} ({m})" for m in METHODS
    )
    text = (
        "Of probabilistic PCA (40 dimensions, variance 0.1 of the noise) log p is known, so that "
        "estimates that a variational autoencoder depends on can be held against it. *prior*: "
        "mean of p(x | z) over samples z of the prior; *encoder*: importance weights of an "
        "encoder that has the posterior's mean and a diagonal covariance, as networks have; "
        "*annealing*: chains from the prior to the posterior, ten, of a tenth as many steps. With "
        f"{k} latent variables and {n} samples bias and deviation in nats of a datum are {told}: "
        "all are bounds from below on average, and the prior's is of no use when data tell much "
        "of many latent variables."
    )
    return [{"table": "marginal likelihood", **row} for row in rows], [
        "## Log-likelihood with latent variables",
        text,
        study.figure(
            "marginal",
            draw(at, latents, counts),
            f"Size of the bias (points) and deviation (dashed) of estimates of log p, over "
            f"{repeats} repeats; a panel for each number of latent variables. Below 0.01 the axis "
            "is linear.",
        ),
    ]


def draw(
    at: dict[tuple[str, int, int], Any], latents: tuple[int, ...], counts: tuple[int, ...]
) -> Any:
    """Both by the number of samples."""
    columns = min(3, len(latents))
    n = -(-len(latents) // columns)
    drawn, axes = canvas(n, columns, size=(9.4, 2.7 * n), squeeze=False, sharex=True, sharey=True)
    for axis, k in zip(axes.flat, latents, strict=False):
        for method, color in MARKS.items():
            found = [at[method, k, count] for count in counts]
            size = [abs(row["bias"]) for row in found]
            axis.plot(counts, size, "o-", color=color, label=WORDS[method])
            axis.plot(counts, [row["deviation"] for row in found], "--", color=color)
        axis.set(title=f"{k} latent variable{'s' * (k > 1)}", xscale="log")
        axis.set_yscale("symlog", linthresh=0.01)
    axes[0, 0].set_ylim(0, 1.5 * max(abs(x) for row in at.values() for x in row.values()))
    for axis in axes[-1]:
        axis.set_xlabel("samples")
    for axis in axes[:, 0]:
        axis.set_ylabel("nats")
    axes[0, 0].legend(fontsize=8)
    return drawn
