"""ICA: as many independent sources as dimensions, by maximum likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array
from fastepll.priors._inference.gibbs import LinearModel, gibbs_mean, posterior_mode
from fastepll.priors._marginals import ScaleMixtureMarginals, make_marginals
from fastepll.priors.base import Prior, check_parameter, training_coordinates
from fastepll.typing import Estimator


class ICA(Prior):
    """Independent sources s = W c, each with its own Gaussian scale mixture.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    unmixing : array_like, shape (d - 1, d - 1)
        W, invertible; rows are the filters of the coordinates c.
    weights, variances : array_like, shape (d - 1, n_scales)
        Of the sources' scale mixtures; rows of weights sum to 1, variances > 0.

    Raises
    ------
    ValueError
        Arrays of another shape or range, or an unmixing matrix that is singular.

    Notes
    -----
    log p(c) = log|det W| + sum_j log q_j((W c)_j). The MAP estimate is the mode that EM over the
    scales reaches from Wiener's estimate; it climbs the narrow ridges of this density, on which
    gradient ascent creeps. The posterior mean is that of a Gibbs sampler, with seeded random
    numbers: ``sweeps`` (40) sweeps are averaged after ``burn_in`` (10).

    References
    ----------
    A. J. Bell, T. J. Sejnowski, The "independent components" of natural scenes are edge filters,
    Vision Research 37, 1997. D. Zoran, Y. Weiss, Natural images, Gaussian mixtures and dead
    leaves, NIPS 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import ICA
    >>> prior = ICA((1, 3), unmixing=np.eye(2), weights=[[1.0]] * 2, variances=[[3.0]] * 2)
    >>> prior.denoise(np.array([[1.0, 0.0, -1.0]]), 1.0, "mean").round(12) + 0.0
    array([[ 0.75,  0.  , -0.75]])
    """

    kind: ClassVar[str] = "ica"
    sweeps: int = 40
    """Gibbs sweeps that a posterior mean averages."""
    burn_in: int = 10
    """Gibbs sweeps before those."""

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        unmixing: ArrayLike,
        weights: ArrayLike,
        variances: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.unmixing = check_parameter("unmixing", unmixing, (self.q, self.q))
        marginals = make_marginals(self.q, weights=weights, variances=variances)
        assert isinstance(marginals, ScaleMixtureMarginals)
        self.marginals = marginals
        condition = np.linalg.cond(self.unmixing)
        if not condition < 1e12:
            raise ValueError(f"unmixing must be invertible, got a condition of {condition:.3g}")
        self._log_volume = float(np.linalg.slogdet(self.unmixing)[1])
        self._mixing = np.asarray(np.linalg.inv(self.unmixing), np.float64)

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_scales: int = 8,
        steps: int = 600,
        batch: int = 5000,
    ) -> ICA:
        """Maximise the likelihood over the unmixing matrix and all scale mixtures.

        From whitened coordinates in a random rotation, each step takes a random batch of patches,
        an online EM step of the scale mixtures, and a quasi-Newton step of the unmixing matrix:
        the relative gradient is divided by the curvature in the plane of each pair of sources that
        the likelihood has for given scales, and momentum is added. Steps shrink linearly in the
        second half; at the end the scale mixtures are fitted to all patches.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; many times d of them, their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        seed : int
            Of the rotation and the batches.
        n_scales : int
            Size of each source's scale mixture.
        steps, batch : int
            Number of steps, and of patches in each.
        """
        from fastepll.priors._inference.ica_fit import fit_ica

        c = training_coordinates(patches, patch_shape)
        unmixing, marginals = fit_ica(c, seed=seed, n_scales=n_scales, steps=steps, batch=batch)
        metadata: dict[str, JSON] = {
            "n_patches": len(c),
            "seed": seed,
            "steps": steps,
            "batch": batch,
        }
        return cls(patch_shape, metadata, unmixing=unmixing, **marginals.arrays())

    def parameters(self) -> dict[str, Array]:
        """The unmixing matrix, and weights and variances of the sources' scales."""
        return {"unmixing": self.unmixing, **self.marginals.arrays()}

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Log density (m,)."""
        sources = c @ self.unmixing.T
        return np.asarray(self._log_volume + self.marginals.log_prob(sources).sum(axis=1))

    def _score(self, c: Array) -> Array:
        """Gradient of the log density."""
        return np.asarray(self.marginals.score(c @ self.unmixing.T) @ self.unmixing)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw coordinates."""
        return np.asarray(self.marginals.sample(n, rng) @ self._mixing.T)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Mode by EM over the scales, or the mean by Gibbs sampling."""
        model = LinearModel(self._mixing, self.marginals.variances, self.marginals.weights)
        if estimator == "map":
            return posterior_mode(c, sigma**2, model)
        return gibbs_mean(c, sigma**2, model, rng, sweeps=self.sweeps, burn_in=self.burn_in)
