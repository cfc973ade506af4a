"""One network for all pixels: each a mixture of logistic densities, given those before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_count, check_flag
from fastepll.priors._ancestral import AncestralPrior
from fastepll.priors._autoregressive import Patches, Progress
from fastepll.train.descent import Descent

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=60_000, batch=256, learning_rate=6e-3, warmup=200, average=0.999, clip=50)


class CausalNetwork(AncestralPrior):
    """Autoregressive network that sees what comes before a pixel in units of its contrast.

    With y_i what is new in pixel i, which those before it do not predict linearly, and the contrast
    r_i² = b_i + Σ_{j<i} a_ij y_j², the density of y_i / r_i given what comes before is a mixture of
    k logistic densities, each spread evenly over a box. A residual network takes y_j / r_i, j < i,
    and log r_i to logits, means and scales. It is the same for all pixels but for its biases:
    weights of y_j depend on where j is from i alone.

    The contrast of patches varies by orders of magnitude while their forms stay; and what is before
    a pixel looks alike wherever it is. A network that need learn neither is small. The box is the
    width of a level of gray: in a flat patch, dequantised, it is known where a pixel cannot be.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        A.
    **arrays : array_like
        Weights, as `parameters` names them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import CausalNetwork
    >>> from fastepll.train.descent import Descent
    >>> patches = np.random.default_rng(0).laplace(size=(500, 4))
    >>> how = Descent(iterations=20, batch=100, every=20)
    >>> prior = CausalNetwork.fit(patches, patch_shape=(2, 2), hidden=4, n_mixture=2, how=how)
    >>> prior.log_prob(prior.sample(3, rng=0)).shape
    (3,)
    """

    kind: ClassVar[str] = "causal-network"
    chunk: ClassVar[int] = 256

    def make(self) -> torch.nn.Module:
        """Sizes of the weights."""
        from fastepll.priors._networks.causal import CausalConditionals

        depth, hidden, _ = self._axes("up", 3)
        n_mixture = self._axes("outputs", 2)[1] // 3
        return CausalConditionals(self.patch_shape, hidden, depth, n_mixture)

    @classmethod
    def fit(
        cls,
        patches: Patches,
        *,
        patch_shape: Sequence[int] = (8, 8),
        hidden: int = 128,
        depth: int = 2,
        n_mixture: int = 10,
        halved: bool = False,
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> CausalNetwork:
        """Maximise the likelihood of patches.

        Parameters
        ----------
        hidden, depth, n_mixture : int
            Units, residual blocks of two layers, and components of each mixture.
        halved : bool
            Whether matrices are multiplied in bfloat16 in training, which is some 2.5 times as
            fast on processors that can. The prior itself computes in float64.
        patches, patch_shape, how, held_out, checkpoint, progress, seed
            As for `RNADE.fit`.
        """
        from fastepll.priors._networks.causal import CausalConditionals

        check_count("hidden", hidden, 1, 1 << 13)
        check_count("depth", depth, 1, 64)
        check_count("n_mixture", n_mixture, 1, 1 << 10)
        check_flag("halved", halved)

        def make(_: int) -> CausalConditionals:
            module = CausalConditionals(tuple(patch_shape), hidden, depth, n_mixture)
            module.halved = halved
            return module

        return cls.train_module(
            make,
            patches,
            how,
            patch_shape=patch_shape,
            coordinates="pixels",
            held_out=held_out,
            checkpoint=checkpoint,
            progress=progress,
            seed=seed,
        )
