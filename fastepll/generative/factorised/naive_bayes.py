"""NaiveBayes: words that are independent in a message of a given class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.generative import check_data_shape, check_rows
from fastepll._validation.model_arrays import JSON, Array, check_draw
from fastepll._validation.tables import check_labels, check_missing, check_smoothing
from fastepll.generative.base import GenerativeModel, Rng
from fastepll.generative.factorised.graph import draw
from fastepll.priors.base import check_parameter

IMPOSSIBLE = 1e300  # nats: the product of zero and infinity would be NaN


class NaiveBayes(GenerativeModel):
    """Binary variables that are independent given a class: p(x, c) = p(c) prod_i p(x_i | c).

    A generative model of messages and their classes, and so a classifier: by Bayes' rule, with or
    without some of the words. It represents a datum by the posterior of the classes.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    prior : array_like, shape (k,)
        Probabilities of the classes, positive.
    probabilities : array_like, shape (k, d)
        Of each variable being 1 in each class.

    Raises
    ------
    ValueError
        Numbers that are no probabilities.

    References
    ----------
    M. E. Maron, Automatic indexing: an experimental inquiry, Journal of the ACM 8, 1961.
    A. Y. Ng, M. I. Jordan, On discriminative vs. generative classifiers: a comparison of logistic
    regression and naive Bayes, NIPS 2001.

    Examples
    --------
    >>> from fastepll.generative import NaiveBayes
    >>> model = NaiveBayes((2,), prior=[0.5, 0.5], probabilities=[[0.1, 0.5], [0.3, 0.5]])
    >>> model.posterior([[1, 0]])
    array([[0.25, 0.75]])
    >>> model.posterior([[1, 0]], known=[False, True])
    array([[0.5, 0.5]])
    """

    kind: ClassVar[str] = "naive-bayes"
    domain: ClassVar = "binary"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        prior: ArrayLike,
        probabilities: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        self.prior = check_parameter("prior", prior, (None,))
        if min(self.prior, default=0) <= 0 or abs(self.prior.sum() - 1) > 1e-6:
            raise ValueError("prior must be positive and sum to 1")
        wanted = (len(self.prior), self.d)
        self.probabilities = check_parameter("probabilities", probabilities, wanted)
        if self.probabilities.min() < 0 or self.probabilities.max() > 1:
            raise ValueError("probabilities must be from 0 to 1")

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        labels: ArrayLike,
        *,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> NaiveBayes:
        """Count.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            0 and 1.
        labels : array_like of int or bool, shape (n,)
            Classes from 0 on.
        smoothing : float
            Added to each count, of classes and of 0 and 1.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        found = check_data_shape(x, shape)
        rows, smooth = check_rows("x", x, found, cls.domain), check_smoothing(smoothing)
        classes = check_labels(labels, len(rows))
        counts = np.bincount(classes)
        if not counts.all() and not smooth:
            raise ValueError(f"class {counts.argmin()} has no datum: smoothing must be > 0")
        ones = np.stack([rows[classes == c].sum(0) for c in range(len(counts))])
        return cls(
            found,
            {"n": len(rows), "smoothing": smooth},
            prior=(counts + smooth) / (len(rows) + len(counts) * smooth),
            probabilities=(ones + smooth) / (counts[:, None] + 2 * smooth),
        )

    @property
    def n_parameters(self) -> int:
        """Free parameters: k - 1 of the classes, k d of the variables."""
        return self.prior.size - 1 + self.probabilities.size

    @property
    def order(self) -> NDArray[np.intp]:
        """Order of the variables: as they are numbered."""
        return np.arange(self.d)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Prior of the classes and probabilities of the variables."""
        return {"prior": self.prior, "probabilities": self.probabilities}

    def log_joint(self, x: ArrayLike, known: ArrayLike | None = None) -> Array:
        """Log probability of what is known of each datum together with each class, (n, k).

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
        known : array_like of bool, shape (d,) or (n, d), optional
            Variables that are not are summed out; without it, where x is not NaN.
        """
        return self._log_joint(*check_missing(x, known, self.shape))

    def posterior(self, x: ArrayLike, known: ArrayLike | None = None) -> Array:
        """Probability of each class given what is known of each datum, (n, k); see `log_joint`."""
        joint = self._possible(*check_missing(x, known, self.shape))
        return np.asarray(np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None]))

    def conditional(self, x: Array, i: int) -> Array:
        """Probabilities (n, 2) of a variable, given those before it in rows (n, d)."""
        one = self.posterior(x, np.arange(self.d) < i) @ self.probabilities[:, i]
        return np.stack([1 - one, one], axis=1)

    def sample_of(self, label: SupportsIndex, n: SupportsIndex, rng: Rng) -> Array:
        """Draw n data of one class, (n, d)."""
        count, generator = check_draw(n, rng)
        if not 0 <= label.__index__() < len(self.prior):
            raise ValueError(f"label must be from 0 to {len(self.prior) - 1}, got {label}")
        p = self.probabilities[label.__index__()]
        return np.where(generator.random((count, self.d)) < p, 1.0, 0.0)

    @kept
    def _odds(self) -> tuple[Array, Array]:
        """Logs of the probabilities of 0 and of 1, (d, k)."""
        with np.errstate(divide="ignore"):
            zero, one = np.log1p(-self.probabilities.T), np.log(self.probabilities.T)
        return np.maximum(zero, -IMPOSSIBLE), np.maximum(one, -IMPOSSIBLE)

    def _log_joint(self, x: Array, known: NDArray[np.bool_]) -> Array:
        """Sum over what is known."""
        result = np.tile(np.log(self.prior), (len(x), 1))
        for value, logs in enumerate(self._odds):
            here = (known & (x == value)).astype(np.float64)
            result += here @ logs
        result[result <= -IMPOSSIBLE / 2] = -np.inf
        return result

    def _possible(self, x: Array, known: NDArray[np.bool_]) -> Array:
        """`_log_joint` of what can be."""
        joint = self._log_joint(x, known)
        if (joint.max(axis=1) == -np.inf).any():
            raise ValueError("x has probability 0 where it is known")
        return joint

    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array:
        """Exact: the sum over the classes."""
        return np.asarray(np.logaddexp.reduce(self._log_joint(x, np.ones(self.d, bool)), axis=1))

    def _represent(self, x: Array) -> Array:
        """Posterior of the classes."""
        return self.posterior(x)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """A class, then the variables."""
        return self._sample_given(np.zeros((n, self.d)), np.zeros(self.d, bool), rng)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Exact: a class given what is known, then the variables."""
        joint = self._possible(x, known)
        p = self.probabilities[draw(joint, rng)]
        return np.where(known, x, rng.random(x.shape) < p)
