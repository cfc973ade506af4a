"""What models of tables can do: ``python bench/studies/gen_tables.py`` prints the numbers.

Naive Bayes against logistic regression on messages, what only the generative one of them can do,
divergences as they are defined and as they are counted in bits, and factorised models of digits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from digits import digits, labels
from gen_messages import (
    Rows,
    Values,
    anomalies,
    crossings,
    learning_curves,
    missing_words,
    sampled_words,
)
from leaves import photographs
from numpy.typing import NDArray

from fastepll import priors
from fastepll.generative import (
    ChowLiuTree,
    GenerativeModel,
    Independent,
    JointTable,
    MarkovChain,
    NaiveBayes,
)
from fastepll.generative.coding import decode, encode
from fastepll.generative.divergence import kl_divergence, kl_estimate

PIXELS = np.array([28 * i + j for i in (10, 13, 16) for j in (8, 12, 16, 20)])
"""Of a digit, 12 that a joint table can hold."""


@cache
def few_pixels() -> JointTable:
    """A distribution that is known exactly: the joint table of 12 pixels of the digits."""
    return JointTable.fit(digits()[0][:, PIXELS], levels=2, smoothing=0.01)


def tables_of(truth: JointTable, n: int = 20_000, seed: int = 0) -> dict[str, GenerativeModel]:
    """Models fitted to samples of a table."""
    x = truth.sample(n, seed)
    return {
        "independent": Independent.fit(x, levels=2),
        "chain": MarkovChain.fit(x, levels=2),
        "tree": ChowLiuTree.fit(x, levels=2),
    }


def table_of(model: GenerativeModel) -> Rows:
    """Probabilities of all data of binary variables."""
    every = np.arange(2**model.d)[:, None] >> np.arange(model.d)[::-1] & 1
    return np.exp(np.asarray(model.log_prob(every)))


def divergences(n: int = 20_000, seed: int = 1) -> list[Values]:
    """KL both ways in bits, and the bits that an actual code of n samples has in excess."""
    truth = few_pixels()
    x = truth.sample(n, seed)
    right = encode(truth, x)
    # The expectation over these samples, not over the truth: the code is of them.
    own = np.asarray(truth.log_prob(x))
    rows: list[Values] = []
    for name, model in {"truth": truth, **tables_of(truth)}.items():
        code, q = encode(model, x), table_of(model)
        if not np.array_equal(decode(model, code, n), x):
            raise AssertionError(f"the code under {name} is not lossless")
        rows.append(
            {
                "model": name,
                "KL(truth, model)": kl_divergence(truth.table, q) / np.log(2),
                "KL(model, truth)": kl_divergence(q, truth.table) / np.log(2),
                "bits per datum": 8 * len(code) / n,
                "extra bits": 8 * (len(code) - len(right)) / n,
                "expected extra": float(np.mean(own - model.log_prob(x)) / np.log(2)),
            }
        )
    return rows


def convergence(
    sizes: Sequence[int] = (100, 400, 1600, 6400, 25_600), repeats: int = 200
) -> Values:
    """Root-mean-square error of the mean log-likelihood of n samples, and how it falls with n."""
    truth = few_pixels()
    model = tables_of(truth)["tree"]
    exact = kl_divergence(truth.table, table_of(model))
    rows = []
    for n in sizes:
        found = [kl_estimate(truth, model, n, seed) for seed in range(repeats)]
        off = np.array([each.mean - exact for each in found])
        told = np.array([each.error for each in found])
        rows.append(
            {
                "n": n,
                "error": float(np.sqrt(np.mean(off**2))),
                "error told": float(np.sqrt(np.mean(told**2))),
                "within two": float(np.mean(np.abs(off) < 2 * told)),
            }
        )
    slope = np.polyfit(np.log(sizes), np.log([row["error"] for row in rows]), 1)[0]
    return {"KL": exact, "slope": float(slope), "rows": rows}


def leaves_divergences(n: int = 2000, n_train: int = 20_000) -> list[Values]:
    """KL(mini dead leaves, prior) in nats of priors fitted to their samples, by n samples."""
    leaves = priors.MiniDeadLeaves.fit(photographs(n_train), p_edge=0.5)
    x = leaves.sample(n_train, 1)
    rows = []
    for kind in ("independent-pixels", "gaussian", "gsm", "student-t-mixture"):
        fit: Any = getattr(priors, priors.KINDS[kind]).fit
        start = {"start": priors.Gaussian.fit(x).mixture} if kind == "student-t-mixture" else {}
        prior = fit(x, patch_shape=(8, 8), **start)
        mean, error = kl_estimate(leaves, prior, n, 2)
        rows.append({"prior": kind, "KL": mean, "error": error})
    return rows


def factorised(name: str, train: Rows, test: Rows, classes: NDArray[Any]) -> list[Values]:
    """Nats on test digits, parameters and CPU seconds of the fit of each factorised model."""
    found: list[Values] = []
    makes: dict[str, Any] = {
        "independent": lambda: Independent.fit(train, levels=2),
        "chain": lambda: MarkovChain.fit(train, levels=2),
        "chain of order 8": lambda: MarkovChain.fit(train, levels=2, memory=8),
        "tree": lambda: ChowLiuTree.fit(train, levels=2),
        "independent given the digit": lambda: NaiveBayes.fit(train, classes),
    }
    for model_name, make in makes.items():
        start = time.process_time()
        model = make()
        seconds = time.process_time() - start
        nats = np.asarray(model.log_prob(test))
        found.append(
            {
                "digits": name,
                "model": model_name,
                "nats": float(nats.mean()),
                "error": float(nats.std(ddof=1) / np.sqrt(len(nats))),
                "parameters": model.n_parameters,
                "CPU seconds": seconds,
            }
        )
    return found


def small_digits() -> tuple[Rows, Rows, NDArray[Any]]:
    """The 8x8 digits of scikit-learn, 1 from a gray level of 8 on: 1297 to train, 500 to test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    x = (data.data[order] >= 8).astype(np.float64)
    return x[:-500], x[-500:], data.target[order][:-500]


def factorised_digits() -> list[Values]:
    """Of both sizes; the held-out digits of the large ones are not used."""
    train, _, test = digits()
    small, small_test, classes = small_digits()
    return [
        *factorised("8x8", small, small_test, classes),
        *factorised("28x28", train.astype(np.float64), test.astype(np.float64), labels()[0]),
    ]


def main() -> None:
    """Compute everything and print it."""
    curves = learning_curves()
    for name, value in {
        "learning curves": curves,
        "crossings": crossings(curves),
        "missing words": missing_words(),
        "sampled words": sampled_words(),
        "anomalies": anomalies(),
        "divergences in bits": divergences(),
        "convergence": convergence(),
        "divergence from mini dead leaves in nats": leaves_divergences(),
        "factorised models of digits": factorised_digits(),
    }.items():
        print(json.dumps({name: value}, indent=1))


if __name__ == "__main__":
    main()
