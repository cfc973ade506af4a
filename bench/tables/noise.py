"""The table of the noise estimate."""

from __future__ import annotations

from versions import in_words

from .markdown import result, table


def noise() -> str:
    """Errors of the estimated sigma, of floats and of 8-bit images."""
    figures = result("noise")
    rows = []
    for row in figures["rows"]:
        if row["method"] in {"fastepll float", "fastepll uint8"} and row["flat"] in {0, 0.25}:
            ratios = [f"{row[which]:.3f}" for which in ("mean", "min", "max")]
            kind = row["method"].removeprefix("fastepll ")
            flat = f"{100 * row['flat']:.0f} %"
            rows.append([kind, row["sigma"], flat, *ratios, row["within 10 %"]])
    return (
        table(["values", "sigma", "flat", "mean", "least", "most", "within 10 %"], rows)
        + "\n\nEstimated over true sigma on the images of `bsd68`; flat is the part of each image "
        + "that was made exactly flat, without noise. "
        + f"{in_words(figures['machine'])}. Command: `python bench/noise.py`."
    )
