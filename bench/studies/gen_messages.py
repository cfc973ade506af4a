"""Messages and spam: naive Bayes against logistic regression, and what only the former can do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from measures import data_dir
from numpy.typing import NDArray

from fastepll.generative import ChowLiuTree, Independent, NaiveBayes

Values = dict[str, Any]
Rows = NDArray[np.float64]

N_TEST = 1074
SIZES = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 4500)
STRENGTHS = (1.0, 10.0, 0.1, 100.0)
"""C of logistic regression, chosen by cross-validation inside the training messages."""
SMOOTHINGS = (0.1, 0.01, 0.3, 1.0)
"""Of naive Bayes, chosen alike."""


@cache
def words() -> tuple[Rows, NDArray[np.intp], list[str]]:
    """Messages (n, words) as 0 and 1, whether each is spam, and the words."""
    with np.load(data_dir() / "sms-spam" / "words.npz") as file:
        vocabulary = [str(word) for word in file["vocabulary"]]
        present = np.unpackbits(file["present"], axis=1, count=len(vocabulary))
        return present.astype(np.float64), file["spam"].astype(np.intp), vocabulary


def split(seed: int, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Training messages, n, and `N_TEST` others, with the same share of spam in both."""
    from sklearn.model_selection import StratifiedShuffleSplit

    _, spam, _ = words()
    chosen = StratifiedShuffleSplit(1, train_size=n, test_size=N_TEST, random_state=seed)
    train, test = next(chosen.split(spam, spam))
    return train, test


def logistic(x: Rows, spam: NDArray[np.intp], strength: float) -> Any:
    """Logistic regression with an L2 penalty."""
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, solver="liblinear").fit(csr_array(x), spam)


def bayes(x: Rows, spam: NDArray[np.intp], smoothing: float) -> NaiveBayes:
    """Naive Bayes."""
    return NaiveBayes.fit(x, spam, smoothing=smoothing)


def wrong(model: Any, x: Rows, spam: NDArray[np.intp]) -> float:
    """Share of messages that are misclassified."""
    own = isinstance(model, NaiveBayes)
    told = model.posterior(x).argmax(1) if own else model.predict(x)
    return float(np.mean(told != spam))


def chosen(fit: Any, options: Sequence[float], x: Rows, spam: NDArray[np.intp]) -> Any:
    """Fit with the option that 5-fold cross-validation finds best, the first of equals.

    With fewer of a class there are as many folds; with one alone it is the first option.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(5, int(np.bincount(spam, minlength=2).min()))
    errors = np.zeros(len(options))
    if folds > 1:
        for one, other in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, spam):
            for k, option in enumerate(options):
                errors[k] += wrong(fit(x[one], spam[one], option), x[other], spam[other])
    return fit(x, spam, options[int(errors.argmin())])


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Over splits; their test messages overlap, so the error is that of the choice alone."""
    array = np.asarray(values)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))


def learning_curves(sizes: Sequence[int] = SIZES, n_splits: int = 20) -> list[Values]:
    """Shares of test messages misclassified by naive Bayes and by logistic regression.

    ``difference`` is logistic less Bayes, with the error of the paired splits; ``laplace`` is naive
    Bayes with a smoothing of 1, which takes every word for half as likely as not.
    """
    x, spam, _ = words()
    rows = []
    for n in sizes:
        errors: dict[str, list[float]] = {"bayes": [], "logistic": [], "laplace": []}
        for seed in range(n_splits):
            train, test = split(seed, n)
            seen, unseen = (x[train], spam[train]), (x[test], spam[test])
            errors["bayes"].append(wrong(chosen(bayes, SMOOTHINGS, *seen), *unseen))
            errors["logistic"].append(wrong(chosen(logistic, STRENGTHS, *seen), *unseen))
            errors["laplace"].append(wrong(bayes(*seen, 1.0), *unseen))
        row: Values = {"n": n}
        for name, values in errors.items():
            row[name], row[f"{name} error"] = mean_and_error(values)
        paired = np.subtract(errors["logistic"], errors["bayes"])
        row["difference"], row["difference error"] = mean_and_error(list(paired))
        rows.append(row)
    return rows


def crossings(curves: Sequence[Values]) -> list[float]:
    """Numbers of messages at which the mean errors are equal, between sizes in log n."""
    found = []
    for one, two in pairwise(curves):
        a, b = one["difference"], two["difference"]
        if a * b < 0:
            part = a / (a - b)
            found.append(float(one["n"] * (two["n"] / one["n"]) ** part))
    return found


def missing_words(
    shares: Sequence[float] = (0.0, 0.5, 0.8), n: int = 4500, n_splits: int = 20
) -> list[Values]:
    """Errors on messages of which a share of the words is not observed, present or not.

    Naive Bayes sums them out; both may also take them for absent ("zeros"), logistic regression for
    their mean over the training messages ("means").
    """
    x, spam, _ = words()
    errors: dict[float, dict[str, list[float]]] = {}
    for seed in range(n_splits):
        train, test = split(seed, n)
        own = chosen(bayes, SMOOTHINGS, x[train], spam[train])
        other = chosen(logistic, STRENGTHS, x[train], spam[train])
        rows, uniform = x[test], np.random.default_rng(seed).random((len(test), x.shape[1]))
        for share in shares:
            known = uniform >= share
            filled = np.where(known, rows, x[train].mean(0))
            told = {
                "bayes, summed out": own.posterior(rows, known).argmax(1),
                "bayes, zeros": own.posterior(rows * known).argmax(1),
                "logistic, zeros": other.predict(rows * known),
                "logistic, means": other.predict(filled),
            }
            for name, classes in told.items():
                lists = errors.setdefault(share, {}).setdefault(name, [])
                lists.append(float(np.mean(classes != spam[test])))
    return [
        {"missing": share}
        | {name: mean_and_error(values)[0] for name, values in each.items()}
        | {f"{name} error": mean_and_error(values)[1] for name, values in each.items()}
        for share, each in errors.items()
    ]


def sampled_words(n: int = 3, seed: int = 0) -> dict[str, list[str]]:
    """Words of messages that naive Bayes draws of each class, in the order of the vocabulary."""
    x, spam, vocabulary = words()
    model = chosen(bayes, SMOOTHINGS, x, spam)
    return {
        name: [
            " ".join(vocabulary[k] for k in np.flatnonzero(row))
            for row in model.sample_of(label, n, seed)
        ]
        for label, name in enumerate(("ham", "spam"))
    }


def anomalies(n: int = 4500, n_splits: int = 5) -> list[Values]:
    """Area under the ROC curve of log p under models of ham, for ham against what is not.

    ``spam``: real spam. ``shuffled``: each word's column of the ham messages in another order, so
    that words have their frequencies but not their company. ``uniform``: each ham message with as
    many words, any of the vocabulary; ``paired`` is the share of them less probable than the
    message itself.
    """
    from sklearn.metrics import roc_auc_score

    x, spam, _ = words()
    areas: dict[str, dict[str, list[float]]] = {}
    for seed in range(n_splits):
        train, test = split(seed, n)
        rng = np.random.default_rng(seed)
        ham = x[test][spam[test] == 0]
        known = x[train][spam[train] == 0]
        others = {
            "spam": x[test][spam[test] == 1],
            "shuffled": rng.permuted(ham, axis=0),
            "uniform": rng.permuted(ham, axis=1),
        }
        for model in (
            Independent.fit(known, levels=2, smoothing=0.1),
            ChowLiuTree.fit(known, levels=2, smoothing=0.1),
        ):
            usual = model.log_prob(ham)
            lists = areas.setdefault(model.kind, {})
            for name, rows in others.items():
                scores = -np.concatenate([usual, np.asarray(model.log_prob(rows))])
                truth = np.arange(len(scores)) >= len(usual)
                lists.setdefault(name, []).append(float(roc_auc_score(truth, scores)))
            lower = np.asarray(model.log_prob(others["uniform"])) < usual
            lists.setdefault("paired", []).append(float(lower.mean()))
    return [
        {"model": kind}
        | {name: mean_and_error(values)[0] for name, values in each.items()}
        | {f"{name} error": mean_and_error(values)[1] for name, values in each.items()}
        for kind, each in areas.items()
    ]
