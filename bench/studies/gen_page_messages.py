"""Messages and spam on the page: learning curves, missing words, anomalies, words drawn."""

from __future__ import annotations

from functools import cache
from typing import Any

from gen_messages import (
    SIZES,
    anomalies,
    crossings,
    learning_curves,
    missing_words,
    sampled_words,
    words,
)
from harness import Row, Study, canvas, table

CURVES = {
    "bayes": "naive Bayes, smoothing chosen",
    "laplace": "naive Bayes, smoothing 1",
    "logistic": "logistic regression",
}
SHARES = (0.0, 0.5, 0.8)
MISSING = ("bayes, summed out", "bayes, zeros", "logistic, zeros", "logistic, means")
MODELS = ("independent", "chow-liu-tree")
SHOWN = 3
ANOMALIES = ("spam", "shuffled", "uniform", "paired")


def options(study: Study) -> tuple[tuple[int, ...], int, int]:
    """Sizes of the training set, the largest of them, and splits."""
    return study.pick((SIZES, SIZES[-1], 20), ((40, 320), 320, 2))


def measure(study: Study) -> None:
    """All cells."""
    sizes, most, splits = options(study)
    missing = cache(lambda: {row["missing"]: row for row in missing_words(SHARES, most, splits)})
    odd = cache(lambda: {r["model"]: r for r in anomalies(most, study.pick(5, 2))})
    drawn = cache(lambda: sampled_words(SHOWN))
    study.cell("spam", compute=lambda: {"share": words()[1].mean()})
    for n in sizes:
        study.cell("messages", n, compute=lambda n=n: learning_curves((n,), splits)[0])
    for share in SHARES:
        study.cell("missing words", share, compute=lambda share=share: missing()[share])
    for kind in MODELS:
        study.cell("anomalies", kind, compute=lambda kind=kind: numbers(odd()[kind]))
    for name in ("ham", "spam"):
        for i in range(SHOWN):
            study.cell(
                "words",
                name,
                i,
                compute=lambda k=name, i=i: dict.fromkeys(drawn()[k][i].split(), 1),
            )


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """Without its name."""
    return {name: value for name, value in row.items() if name != "model"}


def show(study: Study) -> tuple[list[Row], list[str]]:
    """Rows of the CSV, and parts of the page."""
    sizes, most, splits = options(study)
    curves: list[Any] = [row for n in sizes if (row := study.known("messages", n))]
    missing: list[Any] = [row for x in SHARES if (row := study.known("missing words", x))]
    odd = [{"model": k, **row} for k in MODELS if (row := study.known("anomalies", k))]
    drawn = {k: [study.known("words", k, i) or {} for i in range(SHOWN)] for k in ("ham", "spam")}
    share = study.known("spam")
    if not (curves and missing and odd and share):
        return [], []
    found = {
        name: crossings(
            [{"n": row["n"], "difference": row["logistic"] - row[name]} for row in curves]
        )
        for name in ("bayes", "laplace")
    }
    text = (
        "Messages of the SMS Spam Collection as sets of words "
        f"(`bench/studies/gen_messages.py`), means over {splits} splits; smoothing of naive Bayes "
        "and penalty of logistic regression chosen by cross-validation inside the training "
        "messages. Ng & Jordan (2002): the generative classifier comes to its error with fewer "
        "data, and the discriminative one to a lower error with many. "
        f"Of the messages {100 * share['share']:.1f} % are spam. {crossed(curves, found)}"
    )
    return (
        [
            *({"table": "learning curves", **row} for row in curves),
            *({"table": "missing words", **row} for row in missing),
            *({"table": "anomalies", **row} for row in odd),
        ],
        [
            "## Generative and discriminative: messages",
            text,
            study.figure(
                "messages",
                draw(curves, found),
                "Errors on messages that were not trained on, and standard errors over splits. "
                "Vertical lines: where mean errors are equal, between sizes in log n.",
            ),
            f"Of the test messages a share of the words is not observed, present or not "
            f"({most:.0f} messages for training; errors in percent). Naive Bayes sums them out "
            "exactly; *zeros* takes them for absent, *means* puts their frequency in their place.",
            table(
                [{"missing": row["missing"]} | percent(row, MISSING) for row in missing],
                {"missing": "", **dict.fromkeys(MISSING, "")},
            ),
            "Area under the ROC curve of log p by models of ham alone. *spam*: ham against spam; "
            "*shuffled*: against messages whose words have their frequencies but not their "
            "company; *uniform*: against as many words, any of the vocabulary; *paired*: share of "
            "those that are less probable than their message.",
            table(odd, {"model": "", **dict.fromkeys(ANOMALIES, ".3f")}),
            "Messages that naive Bayes draws: "
            + "; ".join(f"{k}: {', '.join(map(quoted, rows))}" for k, rows in drawn.items())
            + ".",
        ],
    )


def crossed(curves: list[Any], found: dict[str, list[float]]) -> str:
    """Where naive Bayes and logistic regression are equal, and which is ahead in the end."""
    first, last = curves[0], curves[-1]
    sentences = []
    for name, places in found.items():
        ahead = "naive Bayes" if last[name] < last["logistic"] else CURVES["logistic"]
        at = " and ".join(f"{place:.3g}" for place in places)
        told = f"equal at {at} messages, then" if places else "never equal:"
        smoothing = CURVES[name].partition("smoothing ")[2]
        sentences.append(f"With smoothing {smoothing} they are {told} {ahead} has fewer errors.")
    more, error = 100 * last["difference"], 100 * last["difference error"]
    sentences.append(
        f"With {first['n']:.0f} messages the errors are "
        + ", ".join(f"{100 * first[k]:.2f} % ({name})" for k, name in CURVES.items())
        + f", with {last['n']:.0f} "
        + ", ".join(f"{100 * last[k]:.2f} %" for k in CURVES)
        + f"; there logistic regression errs on {more:+.2f} ± {error:.2f} % of messages against "
        "naive Bayes of the chosen smoothing, by paired splits"
        + (": it has not overtaken it." if more > 0 else ", as predicted.")
    )
    return " ".join(sentences).replace("smoothing chosen they", "the smoothing chosen they")


def percent(row: Row, names: tuple[str, ...]) -> dict[str, str]:
    """Errors and their standard errors as texts."""
    return {k: f"{100 * row[k]:.2f} ± {100 * row[f'{k} error']:.2f}" for k in names}


def quoted(message: Row) -> str:
    """Of a message."""
    return f"“{' '.join(message)}”"


def draw(curves: list[Any], found: dict[str, list[float]]) -> Any:
    """The learning curves, and where they cross."""
    drawn, axis = canvas(size=(7.0, 3.8))
    colors = dict(zip(CURVES, ("C0", "C2", "C1"), strict=True))
    for name, label in CURVES.items():
        axis.errorbar(
            [row["n"] for row in curves],
            [100 * row[name] for row in curves],
            yerr=[100 * row[f"{name} error"] for row in curves],
            fmt="o-",
            capsize=3,
            color=colors[name],
            label=label,
        )
    top = axis.get_ylim()[1]
    for name, places in found.items():
        for place in places:
            axis.axvline(place, color=colors[name], linestyle=":")
            axis.text(place, top, f" {place:.3g}", color=colors[name], va="top")
    axis.set(xscale="log", xlabel="training messages", ylabel="error (%)", ylim=(0, top))
    axis.legend()
    return drawn
