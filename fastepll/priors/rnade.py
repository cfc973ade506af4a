"""RNADE: each coordinate a mixture given those before it, of hidden units they all share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_choice, check_count, check_flag
from fastepll.priors._ancestral import AncestralPrior
from fastepll.priors._autoregressive import Patches, Progress
from fastepll.priors._whitening import Coordinates
from fastepll.train.descent import Descent

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=20_000, batch=128, learning_rate=4e-3, warmup=100, average=0.999)


class RNADE(AncestralPrior):
    """Real-valued neural autoregressive density estimator.

    With y = A c, r_i the contrast of the coordinates before y_i (or 1), the density of y_i / r_i
    given them is a mixture of k Gaussians or Student-t densities, whose logits, means and log
    scales are linear in h_i = silu(exp(s_i) sum_{j<i} W_j y_j / r_i + v log r_i + b); see
    `fastepll.priors._networks.tied`.

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
    The published model has no contrast (``contrast=False``): there the network has to learn that
    the forms of patches of all contrasts are alike.

    References
    ----------
    B. Uria, I. Murray, H. Larochelle, RNADE: the real-valued neural autoregressive
    density-estimator, NIPS 2013; A deep and tractable density estimator, ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import RNADE
    >>> from fastepll.train.descent import Descent
    >>> patches = np.random.default_rng(0).laplace(size=(500, 4))
    >>> how = Descent(iterations=20, batch=100, every=20)
    >>> prior = RNADE.fit(patches, patch_shape=(2, 2), hidden=4, n_mixture=2, how=how)
    >>> prior.log_prob(prior.sample(3, rng=0)).shape
    (3,)
    """

    kind: ClassVar[str] = "rnade"

    def make(self) -> torch.nn.Module:
        """Sizes of the weights."""
        hidden = self._axes("network__weight", 2)[1]
        return _module(
            self.q,
            hidden,
            self._axes("start", 3)[1],
            student="log_degrees" in self._weights,
            contrast="network__by_contrast" in self._weights,
        )

    @classmethod
    def fit(
        cls,
        patches: Patches,
        *,
        patch_shape: Sequence[int] = (8, 8),
        hidden: int = 256,
        n_mixture: int = 6,
        components: Literal["gaussian", "student-t"] = "gaussian",
        contrast: bool = True,
        coordinates: Coordinates = "pixels",
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> RNADE:
        """Maximise the likelihood of patches.

        Parameters
        ----------
        patches : array_like, shape (n, d), or callable
            On the [0, 1] scale, their means have no part in it; or what draws a number of them
            with a NumPy generator: ``patches(rng, n)``.
        patch_shape : tuple of int
            Of the patches.
        hidden, n_mixture : int
            Hidden units, and components of each mixture.
        components : {"gaussian", "student-t"}
            Student's t have degrees of freedom that are fitted too.
        contrast : bool
            Whether coordinates are divided by the contrast of those before.
        coordinates : {"pixels", "principal"}
            Innovations of pixels in raster order, or principal components.
        how : Descent
            Steps, rates, the seed of batches.
        held_out : array_like, shape (n, d), optional
            Patches by which the best parameters are chosen.
        checkpoint, progress
            As for `fastepll.train.descend.descend`.
        seed : int
            Of the weights to begin with.
        """
        check_choice("components", components, ("gaussian", "student-t"))
        check_flag("contrast", contrast)
        check_count("hidden", hidden, 1, 1 << 16)
        check_count("n_mixture", n_mixture, 1, 1 << 10)
        return cls.train_module(
            lambda q: _module(
                q, hidden, n_mixture, student=components == "student-t", contrast=contrast
            ),
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
    q: int, hidden: int, n_mixture: int, *, student: bool, contrast: bool
) -> torch.nn.Module:
    """Conditionals of a tied network."""
    from fastepll.priors._networks.conditionals import Conditionals
    from fastepll.priors._networks.contrast import FLOOR
    from fastepll.priors._networks.tied import TiedNetwork

    network = TiedNetwork(q, hidden, 3 * n_mixture, floor=contrast * FLOOR)
    return Conditionals(network, q, n_mixture, student=student)
