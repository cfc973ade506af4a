"""Three questions to a model of digits: how probable is one, give me a new one, what represents it.

All are asked of the binarised digits of `digits`, which no model was trained on.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from digits import digits, labels
from harness import Values
from numpy.typing import NDArray

from fastepll.generative import GenerativeModel, IntractableError, LowerBound

Rows = NDArray[Any]

N_DRAWN, N_COMPLETED, N_PROBE, N_BOUND = 1000, 200, 10_000, 2000
SHOWN = 36
KNOWN = np.arange(784) < 392  # the upper half
SAMPLES_OF_BOUND = 5000


def likelihood(model: GenerativeModel, n: int = 10_000) -> Values:
    """Nats of a test digit with its standard error over digits, bits per pixel, parameters."""
    test = digits()[2][:n]
    if model.exact:
        found: Any = model.log_prob(test)
    else:
        able: Any = model
        bound: LowerBound = able.bound(test[:N_BOUND], n_samples=SAMPLES_OF_BOUND, rng=0)
        found = bound.values
    nats = float(np.mean(found))
    return {
        "nats": nats,
        "error": float(np.std(found, ddof=1) / np.sqrt(len(found))),
        "bits per pixel": -nats / model.d / np.log(2),
        "parameters": model.n_parameters,
    }


def sampling(model: GenerativeModel, n: int = N_DRAWN) -> tuple[Values, Rows]:
    """Seconds of a sample, and how far samples are from digits; the samples.

    The distance is the squared maximum mean discrepancy, unbiased, times 1000, by the Gaussian
    kernel of the median distance: mean over disjoint parts of the test digits, and its deviation.
    """
    start = time.process_time()
    drawn = model.sample(n, 0)
    seconds = (time.process_time() - start) / n
    return {"seconds per sample": seconds, **discrepancy(drawn)}, drawn


def discrepancy(drawn: Rows) -> Values:
    """Of samples from the test digits, see `sampling`; exactly 0 on average for new digits."""
    test = np.random.default_rng(0).permutation(digits()[2])  # they are in the order of writers
    n = len(drawn)
    parts = test[: len(test) // n * n].reshape(-1, n, test.shape[1])
    scale = float(np.median(squares(parts[0], parts[0])[np.triu_indices(n, 1)]))
    own = mean_kernel(drawn, drawn, scale)
    found = [
        own + mean_kernel(part, part, scale) - 2 * mean_kernel(drawn, part, scale) for part in parts
    ]
    return {"discrepancy": 1000 * np.mean(found), "deviation": 1000 * np.std(found)}


def mean_kernel(a: Rows, b: Rows, scale: float) -> float:
    """Mean of the kernel over pairs, but for those of a datum and itself."""
    kernel = np.exp(-squares(a, b) / scale)
    if a is b:
        return float((kernel.sum() - len(a)) / (len(a) * (len(a) - 1)))
    return float(kernel.mean())


def squares(a: Rows, b: Rows) -> Rows:
    """Squared distances of binary rows, in pixels."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return a.sum(1)[:, None] + b.sum(1) - 2 * a @ b.T


def probe(model: GenerativeModel | None, n: int = N_PROBE) -> Values:
    """Accuracy of a linear classifier of the representation, in percent; None: of the pixels."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (train, _, test), (known, _, wanted) = digits(), labels()
    try:
        seen, new = (x[:n] if model is None else model.represent(x[:n]) for x in (train, test))
    except IntractableError:
        return {"accuracy": np.nan}
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        linear.fit(seen, known[:n])
    return {"accuracy": 100 * linear.score(new, wanted[:n])}


def completion(model: GenerativeModel, n: int = N_COMPLETED) -> tuple[Values, Rows]:
    """PSNR in dB of the lower half that is drawn given the upper one, of its pixels alone."""
    test = digits()[2][:n]
    able: Any = model
    try:
        drawn = model.sample_given(test, KNOWN, 0)
        exact = 1.0
    except IntractableError:
        drawn, exact = able.complete(test, KNOWN, 0), 0.0
    error = np.mean((drawn - test)[:, ~KNOWN] ** 2)
    return {"completion": float(-10 * np.log10(error)), "exact completion": exact}, drawn
