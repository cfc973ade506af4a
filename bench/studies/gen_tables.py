"""Tables: divergences as they are defined and as they are counted in bits, and small digits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from digits import digits
from numpy.typing import NDArray

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

Values = dict[str, Any]
Rows = NDArray[np.float64]

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


def small_digits() -> tuple[Rows, Rows, NDArray[Any]]:
    """The 8x8 digits of scikit-learn, 1 from a gray level of 8 on: 1297 to train, 500 to test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    x = (data.data[order] >= 8).astype(np.float64)
    return x[:-500], x[-500:], data.target[order][:-500]


def factorised() -> list[Values]:
    """Nats on small test digits, parameters and CPU seconds of the fit of each factorised model."""
    train, test, classes = small_digits()
    makes: dict[str, Any] = {
        "independent": lambda: Independent.fit(train, levels=2),
        "chain": lambda: MarkovChain.fit(train, levels=2),
        "chain-8": lambda: MarkovChain.fit(train, levels=2, memory=8),
        "tree": lambda: ChowLiuTree.fit(train, levels=2),
        "naive-bayes": lambda: NaiveBayes.fit(train, classes),
    }
    found: list[Values] = []
    for name, make in makes.items():
        start = time.process_time()
        model = make()
        seconds = time.process_time() - start
        nats = np.asarray(model.log_prob(test))
        found.append(
            {
                "model": name,
                "nats": float(nats.mean()),
                "error": float(nats.std(ddof=1) / np.sqrt(len(nats))),
                "parameters": model.n_parameters,
                "CPU seconds": seconds,
            }
        )
    return found
