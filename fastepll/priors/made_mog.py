"""MADE with mixtures of Gaussians: one masked network gives all conditionals at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_count, check_flag
from fastepll.priors._ancestral import AncestralPrior
from fastepll.priors._autoregressive import Patches, Progress
from fastepll.priors._whitening import Coordinates
from fastepll.train.descent import Descent

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=40_000, batch=256, learning_rate=4e-3, warmup=100, average=0.999)


class MADEMoG(AncestralPrior):
    """Masked autoencoder for density estimation, its outputs mixtures of Gaussians.

    With y = A c, r_i the contrast of the coordinates before y_i (or 1), the density of y_i / r_i
    given them is a mixture of k Gaussians, whose logits, means and log scales are outputs of a
    network with masked weights: each hidden unit has seen the coordinates up to a certain one, and
    is heard by those after it alone. Hidden layers beyond the first are residual.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        A.
    **arrays : array_like
        Weights, as `parameters` names them.

    Notes
    -----
    The published model has no contrast (``contrast=False``), and no residual layers.

    References
    ----------
    M. Germain, K. Gregor, I. Murray, H. Larochelle, MADE: masked autoencoder for distribution
    estimation, ICML 2015. G. Papamakarios, T. Pavlakou, I. Murray, Masked autoregressive flow for
    density estimation, NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import MADEMoG
    >>> from fastepll.train.descent import Descent
    >>> patches = np.random.default_rng(0).laplace(size=(500, 4))
    >>> how = Descent(iterations=20, batch=100, every=20)
    >>> prior = MADEMoG.fit(patches, patch_shape=(2, 2), hidden=4, n_mixture=2, how=how)
    >>> prior.log_prob(prior.sample(3, rng=0)).shape
    (3,)
    """

    kind: ClassVar[str] = "made-mog"

    def make(self) -> torch.nn.Module:
        """Sizes of the weights."""
        return _module(
            self.q,
            self._axes("network__first__weight", 2)[0],
            1 + self._count(r"network__hidden__\d+__weight"),
            self._axes("start", 3)[1],
            contrast="network__by_contrast" in self._weights,
        )

    @classmethod
    def fit(
        cls,
        patches: Patches,
        *,
        patch_shape: Sequence[int] = (8, 8),
        hidden: int = 512,
        depth: int = 2,
        n_mixture: int = 6,
        contrast: bool = True,
        halved: bool = False,
        coordinates: Coordinates = "pixels",
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> MADEMoG:
        """Maximise the likelihood of patches.

        Parameters
        ----------
        hidden, depth : int
            Units of a hidden layer, and hidden layers.
        halved : bool
            As for `CausalNetwork.fit`.
        patches, patch_shape, n_mixture, contrast, coordinates
            As for `RNADE.fit`.
        how, held_out, checkpoint, progress, seed
            As for `RNADE.fit`.
        """
        check_flag("contrast", contrast)
        check_count("hidden", hidden, 1, 1 << 16)
        check_count("depth", depth, 1, 32)
        check_count("n_mixture", n_mixture, 1, 1 << 10)
        check_flag("halved", halved)

        def make(q: int) -> torch.nn.Module:
            return _module(q, hidden, depth, n_mixture, contrast=contrast, halved=halved)

        return cls.train_module(
            make,
            patches,
            how,
            patch_shape=patch_shape,
            coordinates=coordinates,
            held_out=held_out,
            checkpoint=checkpoint,
            progress=progress,
            seed=seed,
        )


def _module(
    q: int, hidden: int, depth: int, n_mixture: int, *, contrast: bool, halved: bool = False
) -> torch.nn.Module:
    """Conditionals of a masked network."""
    from fastepll.priors._networks.conditionals import Conditionals
    from fastepll.priors._networks.contrast import FLOOR
    from fastepll.priors._networks.masked import MaskedNetwork

    network = MaskedNetwork(q, hidden, depth, 3 * n_mixture, floor=contrast * FLOOR)
    network.halved = halved
    return Conditionals(network, q, n_mixture, student=False)
