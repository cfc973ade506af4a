"""Variational autoencoder: a network of latent variables, with Gaussian or Student-t values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array
from fastepll.models.gaussians import Gaussians
from fastepll.priors._inference.latent_annealing import latent_log_weights
from fastepll.priors._vae.objective import ELBO, Objective
from fastepll.priors._vae.sizes import RealLikelihood, Sizes, check_scaling, sizes_of
from fastepll.priors._vae.variational import Variational
from fastepll.priors.ais import AnnealedPrior
from fastepll.priors.base import training_coordinates
from fastepll.priors.torch_prior import TorchPrior
from fastepll.train.descent import Descent, Run
from fastepll.typing import Estimator

if TYPE_CHECKING:
    import torch

    from fastepll.priors._vae.networks import Autoencoder

__all__ = ["Objective", "PatchVAE"]
TINY = 1e-12  # variance of a coordinate that has none
DESCENT = Descent(
    iterations=20_000, batch=200, learning_rate=1e-3, warmup=200, clip=100.0, average=0.999
)


class PatchVAE(Variational, AnnealedPrior, TorchPrior):
    """Coordinates of a patch given latent variables z, which are N(0, I), by a network.

    They are independent given z, with means (and scales, if the decoder has them) that the decoder
    puts out, and a Gaussian or Student-t density. An encoder gives a Gaussian of z for each patch.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    spread : array_like, shape (d - 1,)
        What the coordinates are divided by before the networks see them.
    **arrays : array_like
        Weights, as `fit` makes them.

    Notes
    -----
    `log_prob` is the importance-weighted bound of ``n_chains`` draws of the encoder;
    `estimate_log_prob` with more than one step anneals from the encoder to the posterior. `score`
    is the gradient of the bound of ``score_draws`` draws that are the same for every patch.

    Given z, a noisy patch has a density in closed form (for Student-t values, by a sum over
    scales), and so has the mean of the clean one. `denoise` with "map" finds the most probable z of
    the noisy patch, approximately: the best of a few starts, then ``map_steps`` steps of damped
    scoring; the estimate is the mean given that z. With "mean" it averages these means over
    ``mean_draws`` draws from the Gaussian around that z, weighted to the posterior: with few draws
    and many latent variables it stays near the former.

    References
    ----------
    D. P. Kingma, M. Welling, Auto-encoding variational Bayes, ICLR 2014.

    Examples
    --------
    An affine one is a Gaussian:

    >>> import numpy as np
    >>> from fastepll.priors import PatchVAE
    >>> weights = {"likelihood__log_scale": np.zeros(3), "encoder__last__weight": np.zeros((2, 3)),
    ...            "encoder__last__bias": [0, -0.5 * np.log(2)], "decoder__last__bias": np.zeros(3),
    ...            "decoder__last__weight": [[1], [0], [0]]}  # of the first coordinate
    >>> prior = PatchVAE((2, 2), spread=np.full(3, 0.1), **weights)
    >>> noisy = 0.3 * prior.basis[:, 0] + 0.2 * prior.basis[:, 1]
    >>> (prior.denoise([noisy], sigma=0.1) @ prior.basis).round(3) + 0.0
    array([[0.2, 0.1, 0. ]])
    """

    kind: ClassVar[str] = "vae"
    settings: ClassVar[tuple[str, ...]] = ("spread",)
    chunk: ClassVar[int] = 512
    n_chains: ClassVar[int] = 100
    n_steps: ClassVar[int] = 1
    score_draws: ClassVar[int] = 16
    """Draws of the bound that `score` is the gradient of."""
    map_steps: ClassVar[int] = 6
    """Steps of `denoise` towards the most probable latent variables."""
    mean_draws: ClassVar[int] = 32
    """Draws that the posterior mean averages."""

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int | None = None,
        n_latents: int = 32,
        width: int = 256,
        depth: int = 2,
        likelihood: RealLikelihood = "gaussian",
        heteroscedastic: bool = True,
        objective: Objective = ELBO,
        how: Descent = DESCENT,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
    ) -> PatchVAE:
        """Train both networks.

        Parameters
        ----------
        patches, held_out : array_like, shape (n, d)
            On the [0, 1] scale; their means are removed. The weights kept are those that are best
            on ``held_out``.
        patch_shape : tuple of int
            Of the patches.
        seed : int, optional
            In the place of that of ``how``.
        n_latents, width, depth : int
            Latent variables, and the units and number of hidden layers of each network.
        likelihood : {"gaussian", "student-t"}
            Of the coordinates given the latent variables.
        heteroscedastic : bool
            Whether the decoder has scales of the coordinates too, beside one of each.
        objective : Objective
            Bound and gradient.
        how : Descent
        checkpoint, progress
            As for `fastepll.train.descend.descend`.
        """
        from fastepll.priors._vae.fit import train

        rows = training_coordinates(patches, patch_shape)
        kept = None if held_out is None else training_coordinates(held_out, patch_shape)
        sizes = Sizes(rows.shape[1], n_latents, width, depth, likelihood, heteroscedastic)
        if likelihood not in get_args(RealLikelihood):
            known = get_args(RealLikelihood)
            raise ValueError(f"likelihood must be one of {known}, got {likelihood!r}")
        how = how if seed is None else replace(how, seed=seed)
        spread = np.sqrt((rows**2).mean(0) + TINY)
        weights = train(
            sizes,
            (np.zeros(sizes.d), spread),
            rows,
            how,
            objective,
            held_out=kept,
            checkpoint=checkpoint,
            progress=progress,
        )
        metadata: dict[str, JSON] = {"n_patches": len(rows), "seed": how.seed}
        return cls(patch_shape, metadata, spread=spread, **weights)

    def build(self) -> torch.nn.Module:
        """Networks of the sizes of the weights."""
        from fastepll.priors._vae.networks import Autoencoder, check_weights

        sizes = sizes_of(self._weights, self.q)
        if sizes.likelihood not in get_args(RealLikelihood):
            raise ValueError("weights must have likelihood__log_scale, of Gaussian or t densities")
        offset, spread = check_scaling(np.zeros(self.q), self._settings["spread"], self.q)
        check_weights(sizes, self._weights)
        return Autoencoder(sizes, offset, spread)

    def log_density(self, module: torch.nn.Module, c: torch.Tensor) -> torch.Tensor:
        """Importance-weighted bound of draws that are the same for every patch."""
        import torch

        from fastepll.priors._vae.bounds import importance_bound

        network = cast("Autoencoder", module)
        shape = (1, self.score_draws, network.sizes.n_latents)
        noise = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
        return importance_bound(network, c, noise.to(c.dtype))

    def _autoencoder(self) -> Autoencoder:
        return cast("Autoencoder", self.network)

    def _checked(self, x: ArrayLike) -> Array:
        return self._coordinates(x)

    def _shown(self, rows: Array) -> Array:
        return np.asarray(rows @ self.basis.T)

    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        if n_steps == 1:
            return self._log_weights_of(c, n_chains, rng)
        mean, scale = self._encode(c)
        start = Gaussians(mean, scale[:, :, None] * np.eye(mean.shape[1]))
        end = np.eye(mean.shape[1])
        return latent_log_weights(
            lambda z: self._joint_slope(c, z), start, end, rng, n_chains=n_chains, n_steps=n_steps
        )

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        return self._decode(rng.standard_normal((n, self.n_latents)), rng)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        from fastepll.priors._vae.noisy import NoisyData

        noisy = NoisyData(self._autoencoder(), c, sigma**2)
        if estimator == "map":
            return noisy.mode(self.map_steps)[1]
        return noisy.mean(self.map_steps, self.mean_draws, rng)
