"""The tables of `priors.py` and `gap.py` for docs/training.md."""

from __future__ import annotations

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


def two_priors(kind: str = "gray") -> str:
    """What the priors of BSDS300 restore, and what the free ones have on top."""
    figures = result("priors")
    found = [row for row in figures["rows"] if row["kind"] == kind]
    at = {(row["quality"], row["set"], row["sigma"]): row for row in found}
    models = list(found[0]["psnr"])
    rows: list[list[object]] = []
    for old, new in zip(models[::2], models[1::2], strict=True):
        for quality, name in dict.fromkeys((row["quality"], row["set"]) for row in found):
            cells = [at[quality, name, sigma] for sigma in (15, 25, 50)]
            words = [f"{c['psnr'][old]:.2f} ({signed(c[f'{new} - {old}'])})" for c in cells]
            rows.append([NAMES[name], f"`{old}`", f"`{quality}`", cells[0]["images"], *words])
    header = ["set", "prior", "quality", "images", "sigma 15", "sigma 25", "sigma 50"]
    return (
        table(header, rows)
        + "\n\nMean PSNR in dB, and in brackets what the free prior of the same kind has on top, "
        + "with the standard error over images"
        + ("; gray priors restore the opponent planes. " if kind == "colour" else ". ")
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
