"""MCGSM: each pixel a mixture of Gaussian scale mixtures, given those before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_count
from fastepll.priors._ancestral import AncestralPrior
from fastepll.priors._autoregressive import Patches, Progress
from fastepll.priors._whitening import Coordinates
from fastepll.train.descent import Descent

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=60_000, batch=500, learning_rate=1e-2, warmup=100, average=0.999)


class ConditionalScaleMixture(AncestralPrior):
    """Mixture of conditional Gaussian scale mixtures.

    With y = A c and x the coordinates before y_i, its density is that of a mixture of experts,

        p(y_i | x) = Σ p(c, s | x) N(y_i; a_c x, 1/p_cs),
        p(c, s | x) ∝ exp(o_cs - p_cs/2 Σ_f b_cf² (w_f x)²),

    with parameters of its own for each i. It is what a mixture of Gaussian scale mixtures implies
    for y_i, but that precisions share their features w and that nothing ties one i to the next.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        A.
    features : array_like, shape (q (q - 1) / 2, f)
        w, the rows of each i after those of i - 1.
    predictors : array_like, shape (q (q - 1) / 2, k)
        a, likewise.
    loadings : array_like, shape (q, k, f)
        b.
    log_precision, odds : array_like, shape (q, s, k)
        log p, and o.

    References
    ----------
    L. Theis, R. Hosseini, M. Bethge, Mixtures of conditional Gaussian scale mixtures applied to
    multiscale image representations, PLoS ONE 7, 2012. L. Theis, M. Bethge, Generative image
    modeling using spatial LSTMs, NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import ConditionalScaleMixture
    >>> from fastepll.train.descent import Descent
    >>> patches = np.random.default_rng(0).laplace(size=(500, 4))
    >>> prior = ConditionalScaleMixture.fit(
    ...     patches, patch_shape=(2, 2), n_components=3, n_scales=2, n_features=2,
    ...     how=Descent(iterations=20, batch=100, every=20))
    >>> prior.log_prob(prior.sample(3, rng=0)).shape
    (3,)
    """

    kind: ClassVar[str] = "conditional-scale-mixture"

    def make(self) -> torch.nn.Module:
        """Sizes of the weights."""
        from fastepll.priors._networks.scale_mixtures import ScaleMixtures

        _, n_components, n_features = self._axes("loadings", 3)
        return ScaleMixtures(self.q, n_components, self._axes("odds", 3)[1], n_features)

    @classmethod
    def fit(
        cls,
        patches: Patches,
        *,
        patch_shape: Sequence[int] = (8, 8),
        n_components: int = 128,
        n_scales: int = 4,
        n_features: int = 48,
        coordinates: Coordinates = "pixels",
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> ConditionalScaleMixture:
        """Maximise the likelihood of patches.

        Parameters
        ----------
        n_components, n_scales, n_features : int
            Of each conditional.
        patches, patch_shape, coordinates, how, held_out, checkpoint, progress, seed
            As for `RNADE.fit`.
        """
        from fastepll.priors._networks.scale_mixtures import ScaleMixtures

        for name, value in (("n_components", n_components), ("n_scales", n_scales)):
            check_count(name, value, 1, 1 << 12)
        check_count("n_features", n_features, 1, 1 << 12)
        return cls.train_module(
            lambda q: ScaleMixtures(q, n_components, n_scales, n_features),
            patches,
            how,
            patch_shape=patch_shape,
            coordinates=coordinates,
            held_out=held_out,
            checkpoint=checkpoint,
            progress=progress,
            seed=seed,
        )
