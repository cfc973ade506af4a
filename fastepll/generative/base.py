"""What a generative model is: how probable is this datum, give me a new one, what represents it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import Portable
from fastepll._validation.generative import check_known, check_rows, check_shape
from fastepll._validation.model_arrays import JSON, Array, check_draw, check_metadata
from fastepll.generative.bounds import LowerBound
from fastepll.models.described import Form
from fastepll.models.protocol import IntractableError
from fastepll.typing import Domain

__all__ = ["FORM", "GenerativeModel", "IntractableError", "Rng"]

FORM = Form("fastepll-generative", 1, "shape")
Rng: TypeAlias = "np.random.Generator | int"


class GenerativeModel(Portable, ABC):
    """Base of the generative models: checks, rows, files.

    A subclass is constructed as ``Model(shape, metadata=None, **parameters)`` with its arrays of
    parameters by keyword, which it checks and hands out by `parameters`, and implements what begins
    with an underscore. Data are rows (n, d), d the product of ``shape``.

    Parameters
    ----------
    shape : tuple of int
        Of a datum: ``(28, 28)``.
    metadata : mapping, optional
        JSON values: training data, seed, command.
    """

    kind: ClassVar[str]
    """Name in files, tables and studies."""
    domain: ClassVar[Domain]
    """Values that a datum has: "binary" (0 or 1), "categorical" (integers) or "real"."""
    exact: ClassVar[bool] = True
    """Whether `log_prob` gives numbers; else it gives a `LowerBound`."""

    def __init__(self, shape: Sequence[int], metadata: Mapping[str, JSON] | None = None) -> None:
        self.shape = check_shape(shape)
        self.metadata = check_metadata(metadata or {})

    @property
    def d(self) -> int:
        """Values of a datum."""
        return int(np.prod(self.shape))

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Free parameters."""

    @abstractmethod
    def parameters(self) -> dict[str, NDArray[Any]]:
        """Arrays of parameters by the names that the constructor takes them by."""

    @abstractmethod
    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array | LowerBound:
        """Log probability (n,) of rows (n, d)."""

    @abstractmethod
    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw rows (n, d)."""

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Complete rows (n, d) whose values are known where ``known`` (d,)."""
        raise IntractableError(f"{type(self).__name__} cannot complete a datum")

    def _represent(self, x: Array) -> Array:
        """Representation (n, k) of rows."""
        raise IntractableError(f"{type(self).__name__} has no representation of a datum")

    def log_prob(self, x: ArrayLike, rng: Rng = 0) -> Array | LowerBound:
        """Log probability of each datum, (n,), in nats.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, *shape)
        rng : numpy.random.Generator or int
            Of a bound that is estimated; exact models draw nothing.

        Returns
        -------
        numpy.ndarray or LowerBound
            The latter where only a bound can be computed (``exact`` is False); it carries its
            standard error, and refuses to be taken for an array.

        Raises
        ------
        ValueError
            Values outside the domain, NaN, or a wrong dimension.
        """
        rows = check_rows("x", x, self.shape, self.domain, self._levels)
        return self._log_prob(rows, check_draw(0, rng)[1])

    def sample(self, n: SupportsIndex, rng: Rng) -> Array:
        """Draw n data, (n, d); ``rng`` is a NumPy generator or the seed of one."""
        return self._sample(*check_draw(n, rng))

    def sample_given(self, x: ArrayLike, known: ArrayLike, rng: Rng) -> Array:
        """Draw what is not known of each datum, given what is.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, *shape)
            What it holds where it is not known has no part in it, but must be in the domain.
        known : array_like of bool, shape (d,) or ``shape``
        rng : numpy.random.Generator or int

        Returns
        -------
        numpy.ndarray
            (n, d), equal to x where known.

        Raises
        ------
        IntractableError
            The model has no exact way; the message names the approximate one.
        """
        rows = check_rows("x", x, self.shape, self.domain, self._levels)
        where = check_known(known, self.shape)
        drawn = self._sample_given(rows, where, check_draw(0, rng)[1])
        return np.where(where, rows, drawn)

    def represent(self, x: ArrayLike) -> Array:
        """What the model represents each datum by, (n, k); `IntractableError` if by nothing."""
        return self._represent(check_rows("x", x, self.shape, self.domain, self._levels))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as ``.npz``: no pickle, with a checksum; `fastepll.generative.load`.

        Parameters
        ----------
        path : str or path
            Must end in ``.npz``.
        overwrite : bool
            Replace an existing file; without it that is a `FileExistsError`.
        """
        FORM.save(
            path, self.kind, self.shape, self.parameters(), self.metadata, overwrite=overwrite
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and send to worker processes through the constructor, which checks again."""
        return partial(type(self), self.shape, dict(self.metadata), **self.parameters()), ()

    def __repr__(self) -> str:
        """Shape and number of parameters."""
        return f"{type(self).__name__}({self.shape}, n_parameters={self.n_parameters})"

    @property
    def _levels(self) -> Sequence[int] | None:
        """Values that each variable may have, of categorical models."""
        return None
