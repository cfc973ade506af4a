"""Tables on the page: divergence in bits, convergence of the likelihood, small digits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from gen_tables import convergence, divergences, factorised
from harness import Row, Study, canvas, table

BITS = {
    "model": "",
    "KL(truth, model)": ".4f",
    "KL(model, truth)": ".4f",
    "bits per datum": ".4f",
    "extra bits": ".4f",
    "expected extra": ".4f",
}
SMALL = {"model": "", "nats": ".2f", "error": ".2f", "parameters": ".0f"}
CODED = ("truth", "tree", "chain", "independent")
FACTORISED = ("independent", "chain", "chain-8", "tree", "naive-bayes")


def sizes_of(study: Study) -> tuple[int, ...]:
    """Numbers of samples of an estimate."""
    return study.pick((100, 400, 1600, 6400, 25_600), (100, 400))


def measure(study: Study) -> None:
    """All cells."""
    sizes, repeats, n = sizes_of(study), study.pick(200, 20), study.pick(20_000, 500)
    bits = cache(lambda: named(divergences(n)))
    falling = cache(lambda: convergence(sizes, repeats))
    small = cache(lambda: named(factorised()))
    for name in CODED:
        study.cell("bits", name, compute=lambda name=name: bits()[name])
    study.cell("convergence", compute=lambda: {k: falling()[k] for k in ("KL", "slope")})
    for i, size in enumerate(sizes):
        study.cell("convergence", size, compute=lambda i=i: falling()["rows"][i])
    for name in FACTORISED:
        study.cell("small digits", name, compute=lambda name=name: small()[name])


def named(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By the names of models."""
    return {row["model"]: {k: v for k, v in row.items() if k != "model"} for row in rows}


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    bits: list[Any] = [{"model": k, **v} for k in CODED if (v := study.known("bits", k))]
    small = [{"model": k, **v} for k in FACTORISED if (v := study.known("small digits", k))]
    falling: list[Any] = [v for n in sizes_of(study) if (v := study.known("convergence", n))]
    whole = study.known("convergence")
    if not (bits and small and whole):
        return [], []
    off = max(abs(row["extra bits"] - row["expected extra"]) for row in bits)
    inside = np.mean([row["within two"] for row in falling])
    best = sorted(small, key=lambda row: -row["nats"])[:2]
    return (
        [
            *({"table": "bits", **row} for row in bits),
            *({"table": "convergence", **row} for row in falling),
            *({"table": "small digits", **row} for row in small),
        ],
        [
            "## Tables: divergence in bits",
            "The truth is the joint table of 12 pixels of the digits, known exactly; models are "
            "fitted to 20 000 samples of it. *extra bits*: what an arithmetic coder "
            "(`fastepll.generative.coding`) that believes the model writes per datum more than one "
            "that believes the truth, counted on "
            f"{study.pick('20 000', '500')} samples and decoded again; *expected extra*: E log p − "
            f"E log q of the same samples, in bits. They differ by at most {off:.1e} bits.",
            table(bits, BITS),
            f"The divergence of the tree ({whole['KL']:.4f} nats) by n samples from the truth: the "
            f"error falls as n to the power {whole['slope']:.3f}, and is within two of the "
            f"standard errors told in {100 * inside:.1f} % of estimates.",
            study.figure(
                "convergence",
                draw(falling, whole["slope"]),
                "Error of the divergence that n samples estimate: root mean square over "
                f"{study.pick(200, 20)} estimates, and as their standard errors tell it.",
            ),
            "Factorised models of the 8×8 digits of scikit-learn, 1297 to train and 500 to test, "
            "in nats: "
            + " and ".join(f"{r['model']} ({r['nats']:.2f} ± {r['error']:.2f})" for r in best)
            + " are ahead.",
            table(small, SMALL),
        ],
    )


def draw(rows: list[Any], slope: float) -> Any:
    """Error by number of samples, and the line of slope -1/2."""
    drawn, axis = canvas(size=(6.0, 3.6))
    n = np.array([row["n"] for row in rows])
    error = np.array([row["error"] for row in rows])
    axis.plot(n, error, "o", label=f"error (slope {slope:.3f})")
    axis.plot(n, [row["error told"] for row in rows], "x", label="standard error told")
    middle = np.exp(np.mean(np.log(error * np.sqrt(n))))
    axis.plot(n, middle / np.sqrt(n), "k:", label="slope −1/2")
    axis.set(xscale="log", yscale="log", xlabel="samples", ylabel="error (nats)")
    axis.legend()
    return drawn
