"""Priors whose conditionals are mixtures: drawn and completed coordinate by coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.generative import check_known
from fastepll._validation.model_arrays import Array, check_draw, check_patches
from fastepll.models.protocol import IntractableError
from fastepll.priors._autoregressive import AutoregressivePrior
from fastepll.priors._whitening import known_first

if TYPE_CHECKING:
    from fastepll.priors._networks.conditionals import Conditionals


class AncestralPrior(AutoregressivePrior):
    """Base of the priors of `Conditionals`."""

    def sample_given(
        self, patches: ArrayLike, known: ArrayLike, rng: np.random.Generator | int
    ) -> Array:
        """Draw what is not known of mean-free patches, given what is.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            Pixels relative to the mean of the whole patch; those that are not known have no part
            in it.
        known : array_like of bool, shape (d,) or ``patch_shape``
            The first pixels in raster order, not all.
        rng : numpy.random.Generator or int

        Returns
        -------
        numpy.ndarray
            (n, d), free of mean, equal to the patches where known, up to rounding.

        Raises
        ------
        IntractableError
            What is known does not come first, or the coordinates are not those of pixels.
        """
        where = check_known(known, self.patch_shape)
        pixels, n_known = check_patches(patches, self.d), int(where.sum())
        if where[n_known:].any() or not known_first(self.whitening, self.patch_shape, n_known):
            raise IntractableError(
                f"{type(self).__name__} completes exactly only what comes last in raster order, "
                "and in coordinates of pixels"
            )
        if n_known == self.d:
            raise ValueError("known must leave out a pixel")
        begun = np.where(where, pixels, 0.0)
        begun[:, -1] -= begun.sum(axis=1)
        y = begun @ self.basis @ self.whitening.T
        return self._complete(y, n_known, check_draw(0, rng)[1]) @ self.basis.T

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Coordinate by coordinate."""
        return self._complete(np.zeros((n, self.q)), 0, rng)

    def _complete(self, y: Array, begin: int, rng: np.random.Generator) -> Array:
        """Coordinates c of rows whose y are drawn from the begin-th on."""
        conditionals = cast("Conditionals", self.network)
        drawn = self.in_chunks(lambda rows: conditionals.complete(rows, begin, rng), y)
        return drawn @ self.unwhitening.T
