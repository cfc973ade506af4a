"""Variational autoencoder of binary data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.generative import check_data_shape, check_known, check_rows
from fastepll._validation.model_arrays import JSON, Array, check_draw
from fastepll.generative.base import IntractableError, Rng
from fastepll.generative.bounds import LowerBound
from fastepll.generative.torch_model import TorchModel
from fastepll.priors._vae.objective import ELBO, Objective
from fastepll.priors._vae.sizes import Sizes, check_scaling, sizes_of
from fastepll.priors._vae.variational import Variational
from fastepll.priors.ais import check_count, log_mean_exp
from fastepll.train.descent import Descent, Run
from fastepll.typing import Domain

if TYPE_CHECKING:
    import torch

    from fastepll.priors._vae.networks import Autoencoder

__all__ = ["VAE", "Objective"]
DESCENT = Descent(
    iterations=20_000, batch=200, learning_rate=1e-3, warmup=200, clip=100.0, average=0.999
)


class VAE(Variational, TorchModel):
    """Binary values given latent variables z, which are N(0, I), by a network.

    They are independent given z, with log odds that the decoder puts out. An encoder gives a
    Gaussian of independent variables z for each datum.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    offset : array_like, shape (d,)
        What is subtracted from the data before the encoder sees them.
    **arrays : array_like
        Weights, as `fit` makes them.

    Notes
    -----
    `log_prob` is the importance-weighted bound of ``n_samples`` draws of the encoder; `bound` takes
    as many as are asked for.

    References
    ----------
    D. P. Kingma, M. Welling, Auto-encoding variational Bayes, ICLR 2014.
    D. J. Rezende, S. Mohamed, D. Wierstra, Stochastic backpropagation and approximate inference in
    deep generative models, ICML 2014.
    Y. Burda, R. Grosse, R. Salakhutdinov, Importance weighted autoencoders, ICLR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import VAE
    >>> from fastepll.train.descent import Descent
    >>> x = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> how = Descent(iterations=200, batch=100, learning_rate=0.02)
    >>> model = VAE.fit(x, n_latents=1, width=8, depth=1, how=how)
    >>> bool(-1 < model.bound(x, n_samples=1000).mean < -0.69)  # two data: at most -log 2
    True
    """

    kind: ClassVar[str] = "vae"
    domain: ClassVar[Domain] = "binary"
    exact: ClassVar[bool] = False
    settings: ClassVar[tuple[str, ...]] = ("offset",)
    n_samples: ClassVar[int] = 50
    """Draws of the bound that `log_prob` is."""

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        n_latents: int = 50,
        width: int = 500,
        depth: int = 2,
        objective: Objective = ELBO,
        how: Descent = DESCENT,
        seed: int | None = None,
        shape: Sequence[int] | None = None,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
    ) -> VAE:
        """Train both networks.

        Parameters
        ----------
        x, held_out : array_like, shape (n, d) or (n, ...)
            Data; the weights kept are those that are best on ``held_out``.
        n_latents, width, depth : int
            Latent variables, and the units and number of hidden layers of each network.
        objective : Objective
            Bound and gradient.
        how : Descent
        seed : int, optional
            In the place of that of ``how``.
        shape : tuple of int, optional
            Of a datum; by default as x has it.
        checkpoint, progress
            As for `fastepll.train.descend.descend`.
        """
        from fastepll.priors._vae.fit import train

        found = check_data_shape(x, shape)
        rows = check_rows("x", x, found, "binary")
        kept = None if held_out is None else check_rows("held_out", held_out, found, "binary")
        sizes = Sizes(rows.shape[1], n_latents, width, depth)
        how = how if seed is None else replace(how, seed=seed)
        offset = rows.mean(0)
        weights = train(
            sizes,
            (offset, np.ones(sizes.d)),
            rows,
            how,
            objective,
            held_out=kept,
            checkpoint=checkpoint,
            progress=progress,
        )
        metadata: dict[str, JSON] = {"n_data": len(rows), "seed": how.seed}
        return cls(found, metadata, offset=offset, **weights)

    def build(self) -> torch.nn.Module:
        """Networks of the sizes of the weights."""
        from fastepll.priors._vae.networks import Autoencoder, check_weights

        sizes = sizes_of(self._weights, self.d)
        if sizes.likelihood != "bernoulli":
            raise ValueError("weights must have no scales, as those of binary data")
        offset, spread = check_scaling(self._settings["offset"], np.ones(self.d), self.d)
        check_weights(sizes, self._weights)
        return Autoencoder(sizes, offset, spread)

    def bound(self, x: ArrayLike, rng: Rng = 0, *, n_samples: SupportsIndex = 5000) -> LowerBound:
        """Importance-weighted bound of log p of each datum, the tighter the more samples.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
        rng : numpy.random.Generator or int
        n_samples : int
            Draws of the encoder for each datum, >= 2; their scatter gives the errors.
        """
        count = check_count("n_samples", n_samples, 2)
        return self._bound(self._checked(x), count, check_draw(0, rng)[1])

    def complete(
        self,
        x: ArrayLike,
        known: ArrayLike,
        rng: Rng,
        *,
        sweeps: SupportsIndex = 100,
        metropolis: bool = True,
    ) -> Array:
        """Draw what is not known of each datum, nearly given what is, by a Markov chain.

        Each sweep draws z from the encoder's Gaussian of the datum as it then is, and the unknown
        values given z. With the Metropolis correction z is kept or replaced such that the chain
        tends to the exact law; without it (pseudo-Gibbs) it tends to one that is near if the
        encoder is near the posterior.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            The chain begins with the values that it has where they are not known.
        known : array_like of bool, shape (d,) or ``shape``
        rng : numpy.random.Generator or int
        sweeps : int
            >= 1.
        metropolis : bool

        Returns
        -------
        numpy.ndarray
            (n, d), equal to x where known.

        References
        ----------
        D. J. Rezende, S. Mohamed, D. Wierstra, Stochastic backpropagation and approximate inference
        in deep generative models, ICML 2014.
        P.-A. Mattei, J. Frellsen, Leveraging the exact likelihood of deep latent variable models,
        NeurIPS 2018.
        """
        rows, where = self._checked(x), check_known(known, self.shape)
        generator = check_draw(0, rng)[1]
        at = self.encode(rows).draw(1, generator)
        for _ in range(check_count("sweeps", sweeps, 1)):
            q = self.encode(rows)
            tried = q.draw(1, generator)
            if metropolis:
                both = np.concatenate([tried, at], axis=1)
                weights = self.log_joint(rows, both) - q.log_density(both)
                taken = np.log(generator.random(len(rows))) < weights[:, 0] - weights[:, 1]
                at = np.where(taken[:, None, None], tried, at)
            else:
                at = tried
            rows = np.where(where, rows, self._decode(at[:, 0], generator))
        return rows

    def _log_prob(self, x: Array, rng: np.random.Generator) -> LowerBound:
        return self._bound(x, self.n_samples, rng)

    def _bound(self, x: Array, n_samples: int, rng: np.random.Generator) -> LowerBound:
        values, errors = np.empty((2, len(x)))
        several = max(self.decoded // n_samples, 1)
        for i in range(0, len(x), several):
            rows = slice(i, i + several)
            values[rows], errors[rows] = log_mean_exp(self._log_weights_of(x[rows], n_samples, rng))
        return LowerBound(values, errors, f"importance-weighted bound, {n_samples} samples")

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        return self._decode(rng.standard_normal((n, self.n_latents)), rng)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        raise IntractableError(
            "VAE has no exact way to complete a datum; approximately, by a Markov chain: "
            "VAE.complete(x, known, rng, sweeps=)"
        )

    def _autoencoder(self) -> Autoencoder:
        return cast("Autoencoder", self.network)

    def _checked(self, x: ArrayLike) -> Array:
        return check_rows("x", x, self.shape, self.domain)
