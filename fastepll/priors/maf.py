"""Masked autoregressive flow: an invertible map of patches to white noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_count, check_flag
from fastepll._validation.model_arrays import Array
from fastepll.models.protocol import IntractableError
from fastepll.priors._autoregressive import AutoregressivePrior, Patches, Progress
from fastepll.priors._whitening import Coordinates
from fastepll.priors.base import check_parameter
from fastepll.train.descent import Descent

if TYPE_CHECKING:
    import torch

    from fastepll.priors._networks.flow import Flow

HOW = Descent(iterations=40_000, batch=256, learning_rate=4e-3, warmup=100, average=0.999)


class MAF(AutoregressivePrior):
    """Layers of z_i = (y_i / r_i - m_i) exp(-s_i), m_i and s_i by a network of the y before y_i.

    Between layers each coordinate is shifted and scaled, and their order is reversed. What comes
    out is standard normal, or, with ``n_mixture``, has the conditionals of `MADEMoG`. The
    contrast r_i of the coordinates before y_i is as in `RNADE`, for each layer its own.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        A of y = A c, which the first layer takes.
    **arrays : array_like
        Weights, as `parameters` names them.

    Notes
    -----
    The published flow has batch normalisation between layers; as these begin at the identity on
    white coordinates, a shift and a scale of each that are learnt do. It has no contrast
    (``contrast=False``).

    References
    ----------
    G. Papamakarios, T. Pavlakou, I. Murray, Masked autoregressive flow for density estimation,
    NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import MAF
    >>> from fastepll.train.descent import Descent
    >>> patches = np.random.default_rng(0).laplace(size=(500, 4))
    >>> how = Descent(iterations=20, batch=100, every=20)
    >>> prior = MAF.fit(patches, patch_shape=(2, 2), n_layers=2, hidden=4, how=how)
    >>> drawn = prior.sample(3, rng=0)
    >>> bool(np.allclose(prior.from_latent(prior.represent(drawn)), drawn))
    True
    """

    kind: ClassVar[str] = "maf"

    def make(self) -> torch.nn.Module:
        """Sizes of the weights."""
        from fastepll.priors._networks.flow import Flow

        return Flow(
            self.q,
            self._count(r"layers__\d+__network__first__weight"),
            self._axes("layers__0__network__first__weight", 2)[0],
            1 + self._count(r"layers__0__network__hidden__\d+__weight"),
            self._axes("base__start", 3)[1] if "base__start" in self._weights else 0,
            contrast="layers__0__network__by_contrast" in self._weights,
        )

    @classmethod
    def fit(
        cls,
        patches: Patches,
        *,
        patch_shape: Sequence[int] = (8, 8),
        n_layers: int = 4,
        hidden: int = 256,
        depth: int = 2,
        n_mixture: int = 0,
        contrast: bool = True,
        coordinates: Coordinates = "pixels",
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> MAF:
        """Maximise the likelihood of patches.

        Parameters
        ----------
        n_layers, hidden, depth : int
            Layers of the flow; units of a hidden layer of the network of each, and its layers.
        n_mixture : int
            Gaussians of each conditional of what comes out; 0: it is standard normal.
        patches, patch_shape, contrast, coordinates
            As for `RNADE.fit`.
        how, held_out, checkpoint, progress, seed
            As for `RNADE.fit`.
        """
        from fastepll.priors._networks.flow import Flow

        check_flag("contrast", contrast)
        check_count("n_layers", n_layers, 1, 20)
        check_count("hidden", hidden, 1, 1 << 16)
        check_count("depth", depth, 1, 4)
        check_count("n_mixture", n_mixture, 0, 1 << 10)
        return cls.train_module(
            lambda q: Flow(q, n_layers, hidden, depth, n_mixture, contrast=contrast),
            patches,
            how,
            patch_shape=patch_shape,
            coordinates=coordinates,
            held_out=held_out,
            checkpoint=checkpoint,
            progress=progress,
            seed=seed,
        )

    @property
    def _flow(self) -> Flow:
        """The network."""
        return cast("Flow", self.network)

    def represent(self, patches: ArrayLike) -> Array:
        """What comes out for each patch, (n, q): independent of all else if standard normal."""
        y = self._coordinates(patches) @ self.whitening.T
        return self.in_chunks(lambda rows: self._flow.latent(rows)[0], y)

    def from_latent(self, z: ArrayLike) -> Array:
        """The patches (n, d), free of mean, that z (n, q) represents."""
        y = self.in_chunks(self._flow.invert, check_parameter("z", z, (None, self.q)))
        return np.asarray(y @ self.unwhitening.T @ self.basis.T)

    def sample_given(
        self, patches: ArrayLike, known: ArrayLike, rng: np.random.Generator | int
    ) -> Array:
        """No way: the layers' orders differ."""
        raise IntractableError("MAF cannot complete a patch: the orders of its layers differ")

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """From noise, layer by layer, each coordinate by coordinate."""
        base = self._flow.base
        if base is None:
            z = rng.standard_normal((n, self.q))
        else:
            z = self.in_chunks(lambda rows: base.complete(rows, 0, rng), np.zeros((n, self.q)))
        return self.in_chunks(self._flow.invert, z) @ self.unwhitening.T
