"""The tables of `priors.py` and `gap.py` for docs/training.md."""

from __future__ import annotations

from typing import Any

from versions import in_words

from .markdown import result, table

NAMES = {
    "bsd68": "`bsd68`",
    "bsds300, other test": "other `bsds300/test`",
    "bsds300, held out": "`bsds300`, held out",
    "clic2025, held out": "`clic2025`, held out",
    "neither": "neither's",
}


def signed(pair: list[float]) -> str:
    """A mean difference with its standard error."""
    return f"{pair[0]:+.2f} ± {pair[1]:.2f}".replace("-", "−")


def row_of(row: dict[str, Any]) -> list[object]:
    """PSNR of the older models and what the newer ones have on top."""
    names = list(row["psnr"])
    pairs = list(zip(names[::2], names[1::2], strict=True))
    cells = [
        text
        for old, new in pairs
        for text in (f"{row['psnr'][old]:.2f}", signed(row[f"{new} - {old}"]))
    ]
    return [NAMES[row["set"]], row["images"], f"`{row['quality']}`", row["sigma"], *cells]


def two_priors(kind: str = "gray") -> str:
    """What the free priors restore beside those of BSDS300."""
    figures = result("priors")
    rows = [row_of(row) for row in figures["rows"] if row["kind"] == kind]
    heads = ["gray"] if kind == "gray" else ["gray, opponent planes", "RGB"]
    header = ["set", "images", "quality", "sigma"]
    header += [text for head in heads for text in (f"{head}: BSDS300, dB", "free − BSDS300")]
    return (
        table(header, rows)
        + "\n\nMean PSNR, and mean difference with its standard error over images; "
        + f"{in_words(figures['machine'])}. Command: `python bench/priors.py --kind {kind}`."
    )


def two_colour_priors() -> str:
    """The same for colour."""
    return two_priors("colour")


def two_likelihoods() -> str:
    """Log-likelihood of the patches of every set under both priors."""
    found = result("priors")["likelihood"]
    models = list(dict.fromkeys(row["model"] for row in found))
    at = {
        (row["model"], row["set"]): row
        for row in found
        if ("rgb" in row["model"]) == (row["kind"] == "colour")
    }
    rows = [
        [words, *(f"{at[m, s]['nats']:.1f}" if (m, s) in at else "" for m in models)]
        for s, words in NAMES.items()
    ]
    return table(["set", *(f"`{m}`" for m in models)], rows) + "\n\nNats per patch."


def gap() -> str:
    """What a prior learnt of the photographs that it saw."""
    columns = [
        "training of",
        "scored by",
        "seen",
        "same photographs",
        "held out",
        "seen - same",
        "same - held",
    ]
    rows = [[row[c] for c in columns] for row in result("gap")["rows"]]
    return table(columns, rows) + "\n\nNats per patch. Command: `python bench/gap.py`."
