"""The Kullback-Leibler divergence: what maximum likelihood minimises."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import Array, check_draw, real_array
from fastepll.generative.base import Rng


class Density(Protocol):
    """What has a log probability, as all models and patch priors do."""

    def log_prob(self, x: NDArray[Any], /) -> Any:
        """Of each row, (n,), in nats."""


class Source(Density, Protocol):
    """What can be drawn from besides."""

    def sample(self, n: int, rng: np.random.Generator, /) -> NDArray[Any]:
        """Draw rows (n, d)."""


class Estimate(NamedTuple):
    """A number found by samples, and its standard error."""

    mean: float
    error: float


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Divergence KL(p‖q) = sum p log(p / q) of two tables of probabilities, in nats.

    Parameters
    ----------
    p, q : array_like
        Of the same shape, not negative, summing to 1.

    Returns
    -------
    float
        At least 0, and 0 only if the tables are equal; infinite if q is 0 somewhere where p is
        not. The other way round it is another number.

    Raises
    ------
    ValueError
        Tables of different shapes, or that are no distributions.

    Notes
    -----
    The mean of -log q over data from p is the entropy of p plus KL(p‖q): the q of greatest
    likelihood is the one nearest to p, and what it lacks is the divergence. Computed as
    sum p log(p / q) - p + q, of which each term is at least 0, by a series where p is near q.

    References
    ----------
    S. Kullback, R. A. Leibler, On information and sufficiency, Annals of Mathematical Statistics
    22, 1951.

    Examples
    --------
    >>> from fastepll.generative.divergence import kl_divergence
    >>> p, q = [0.5, 0.5], [0.9, 0.1]
    >>> round(kl_divergence(p, q), 4), round(kl_divergence(q, p), 4)
    (0.5108, 0.3681)
    >>> kl_divergence([0.5, 0.5], [1.0, 0.0])
    inf
    """
    first, second = (_distribution(name, value) for name, value in (("p", p), ("q", q)))
    if first.shape != second.shape:
        raise ValueError(f"p and q must have one shape, got {first.shape} and {second.shape}")
    some = first > 0
    rest, first, second = second[~some].sum(), first[some], second[some]
    if not second.all():
        return float("inf")
    u = np.clip((second - first) / np.maximum(first, 1e-300), -1, 1)
    series = first * u**2 * (1 / 2 - u * (1 / 3 - u * (1 / 4 - u * (1 / 5 - u / 6))))
    terms = first * (np.log(first) - np.log(second)) + (second - first)
    return float(np.where(np.abs(u) < 1e-3, series, terms).sum() + rest)


def kl_estimate(p: Source, q: Density, n: SupportsIndex, rng: Rng) -> Estimate:
    """Divergence KL(p‖q) of two models by n samples from p, in nats.

    Parameters
    ----------
    p : GenerativeModel or PatchPrior
        With ``sample`` and an exact ``log_prob``: `fastepll.priors.MiniDeadLeaves`, say.
    q : GenerativeModel or PatchPrior
        With a ``log_prob`` of the same data.
    n : int
        At least 2.
    rng : numpy.random.Generator or int

    Returns
    -------
    Estimate
        Mean and standard error; infinite, without error, if q excludes a sample.

    Raises
    ------
    TypeError
        One of the models has but a bound of its log probability.

    Examples
    --------
    >>> from fastepll.generative import Independent
    >>> from fastepll.generative.divergence import kl_estimate
    >>> p, q = (Independent((1,), levels=2, tables=table) for table in ([0.5, 0.5], [0.9, 0.1]))
    >>> mean, error = kl_estimate(p, q, 10_000, rng=0)
    >>> abs(mean - 0.5108) < 3 * error < 0.05
    True
    """
    count, generator = check_draw(n, rng)
    if count < 2:
        raise ValueError(f"n must be at least 2, got {count}")
    x = p.sample(count, generator)
    gap = np.asarray(p.log_prob(x)) - np.asarray(q.log_prob(x))
    if (gap == np.inf).any():
        return Estimate(float("inf"), 0.0)
    return Estimate(float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(count)))


def _distribution(name: str, value: ArrayLike) -> Array:
    """Probabilities that sum to 1."""
    table = real_array(name, value)
    if table.size == 0 or table.min() < 0 or abs(table.sum() - 1) > 1e-6:
        raise ValueError(f"{name} must be at least 0 and sum to 1")
    return np.asarray(table / table.sum())
