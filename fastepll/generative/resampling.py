"""Approximate completion of a datum: proposals in the model's order, one kept by its weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.generative import check_known, check_rows
from fastepll._validation.model_arrays import Array, check_draw
from fastepll.generative.base import GenerativeModel, Rng

TOGETHER = 1 << 21  # values of the proposals that are made together


def resample_given(
    model: GenerativeModel, x: ArrayLike, known: ArrayLike, rng: Rng, *, n_proposals: int = 100
) -> Array:
    """Draw what is not known of each datum, nearly as given what is.

    Each proposal draws the unknown variables in the model's order, each given those before it,
    with the known ones held; its weight is the probability that the model gives to the known ones
    on the way (likelihood weighting). One proposal is kept in proportion to the weights. For a
    model whose ``sample_given`` is exact for what is asked, that is what is done.

    Parameters
    ----------
    model : GenerativeModel
    x : array_like, shape (n, d) or (n, ...)
    known : array_like of bool, shape (d,) or ``shape``
    rng : numpy.random.Generator or int
    n_proposals : int
        For each datum. The distribution is exact in the limit of many; the error is of the order
        of the variance of the weights over their number, so it is poor where much is known that
        comes late in the order.

    Returns
    -------
    numpy.ndarray
        (n, d), equal to x where known.

    Raises
    ------
    IntractableError
        A model that can neither complete nor propose.
    ValueError
        No proposal of a datum is possible.

    References
    ----------
    R. Fung, K.-C. Chang, Weighing and integrating evidence for stochastic simulation in Bayesian
    networks, UAI 1989.
    D. B. Rubin, Using the SIR algorithm to simulate posterior distributions, Bayesian Statistics 3,
    1988.

    Examples
    --------
    >>> from fastepll.generative import MarkovChain, resample_given
    >>> chain = MarkovChain.fit([[0, 0, 0], [1, 1, 1]], smoothing=0.0)
    >>> resample_given(chain, [[0, 0, 1]], [False, False, True], rng=0)
    array([[1., 1., 1.]])
    """
    rows = check_rows("x", x, model.shape, model.domain, model._levels)
    where = check_known(known, model.shape)
    count, generator = check_draw(n_proposals, rng)
    if count < 1:
        raise ValueError(f"n_proposals must be at least 1, got {count}")
    kept, best = rows.copy(), np.full(len(rows), -np.inf)
    size = min(count, max(1, TOGETHER // max(rows.size, 1)))
    for k in range(0, count, size):
        m = min(size, count - k)
        drawn, weights = model._propose_given(np.repeat(rows, m, axis=0), where, generator)
        # The largest of log weights plus Gumbel noise is a draw in proportion to the weights.
        score = (weights + generator.gumbel(size=weights.shape)).reshape(len(rows), m)
        top = score.argmax(axis=1) + m * np.arange(len(rows))
        better = score.ravel()[top] > best
        kept[better], best[better] = drawn[top[better]], score.ravel()[top[better]]
    if (best == -np.inf).any():
        raise ValueError(
            f"no proposal for x[{best.argmin()}] has a probability above 0 where it is known: "
            "take more n_proposals"
        )
    return np.where(where, rows, kept)
