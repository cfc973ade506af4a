"""`fit_mixture`: from patches in memory to a `GaussianMixture`."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from fastepll.models import GaussianMixture

__all__ = ["fit_mixture"]


def fit_mixture(
    patches: ArrayLike,
    *,
    patch_shape: Sequence[int] = (8, 8),
    n_components: int = 200,
    warm_steps: int = 100,
    batch: int | None = None,
    iterations: int = 20,
    min_weight: float = 1e-3,
    prior_weight: float = 0.0,
    sigma: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
) -> GaussianMixture:
    """Fit a zero-mean Gaussian mixture to patches by expectation-maximisation.

    Every component starts as the moments of the patches nearest to a random one. Mini-batches
    follow, then passes over all patches. Until half of these are done, components that became too
    light are replaced.

    Parameters
    ----------
    patches : array_like, shape (n, d)
        On the [0, 1] scale; their means are removed. Dequantised, as `stream_patches` has them:
        no variance is added to the components but 1e-8.
    patch_shape : tuple of int
        ``(8, 8)``, or ``(8, 8, 3)`` for colour.
    n_components : int
        At most n / 10.
    warm_steps : int
        Mini-batches of stepwise EM.
    batch : int, optional
        Patches in each; a tenth of them without it, at least 100 a component.
    iterations : int
        Of EM over all patches.
    min_weight : float
        Components of less weight are too light.
    prior_weight : float
        Patches that a prior counts for which draws the correlations of each component to the
        pooled ones.
    sigma : float
        Standard deviation of white noise that the patches have, in their units. The mixture is that
        of the patches without it, learnt from noisy images alone: under the noisy ones, its
        covariances with sigma² added are as probable as they can be.
    seed : int
        The same seed gives the same mixture.
    device : str
        "cpu", "cuda" or "cuda:N".

    Returns
    -------
    GaussianMixture
        Of mean-free patches; the eigenvalue along the constant patch is 0.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong kind, shape or range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll import GaussianMixture
    >>> patches = np.random.default_rng(0).standard_normal((500, 4))
    >>> GaussianMixture.fit(patches, patch_shape=(2, 2), n_components=2, warm_steps=5)
    GaussianMixture(n_components=2, n_features=4, patch_shape=(2, 2))
    """
    return GaussianMixture.fit(
        patches,
        patch_shape=patch_shape,
        n_components=n_components,
        warm_steps=warm_steps,
        batch=batch,
        iterations=iterations,
        min_weight=min_weight,
        prior_weight=prior_weight,
        sigma=sigma,
        seed=seed,
        device=device,
    )
