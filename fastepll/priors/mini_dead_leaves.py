"""The mini dead-leaves model: one texture, or two that meet in a straight line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastepll._portable import kept
from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.images.cosines import dct_basis
from fastepll.models._density import log_sum
from fastepll.priors.base import Prior, check_parameter
from fastepll.priors.gsm import GaussianScaleMixture
from fastepll.priors.line_masks import line_masks
from fastepll.priors.occlusion import Posterior, Splits, make_splits
from fastepll.typing import Estimator

LARGEST = 2**24  # values of all splits' eigenvectors, m d²


class MiniDeadLeaves(Prior):
    """Flat patches of one texture, and edge patches of two across a random line.

    A texture is a level, normal with variance τ², plus a Gaussian scale mixture: √s g, g normal
    with covariance C, s one of a few scales. A patch has one texture, or two independent ones, a
    side each of a straight line (see `line_masks`); then its mean is removed. Given the split and
    the two scales a patch is Gaussian, so the density is a finite mixture, of 82 112 Gaussians for
    patches of 8x8 and 8 scales, and everything here is exact.

    Parameters
    ----------
    patch_shape : (p, q)
        Rows and columns; of one channel.
    metadata : mapping, optional
        JSON values.
    covariance : array_like, shape (d - 1, d - 1)
        C in the coordinates of `basis`, positive definite.
    level_variance : array_like, shape (1,)
        τ² >= 0.
    scales, scale_weights : array_like, shape (s,)
        Positive scales and their probabilities.
    masks : array_like, shape (m, d)
        Splits: 1 on one side, 0 on the other. A patch without an edge is a mask of ones.
    mask_weights : array_like, shape (m,)
        Their probabilities.

    Notes
    -----
    For 8x8 patches and 8 scales the density takes about 2 ms a patch on one core, a MAP estimate
    that too, a posterior mean three times that.

    The paper's textures are a scale mixture of pixels with their mean. Then the level has the scale
    of the texture, and as smooth patches are bright or dark like others, maximum likelihood gives
    the textures of high contrast a level that deviates by four times the range of intensities.
    Here the level is independent of the scale.

    References
    ----------
    D. Zoran, Y. Weiss, Natural images, Gaussian mixtures and dead leaves, NIPS 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import MiniDeadLeaves
    >>> rng = np.random.default_rng(0)
    >>> contrast, level = 0.1 * rng.exponential(size=(500, 1)), rng.random((500, 1))
    >>> patches = level + contrast * rng.standard_normal((500, 4))
    >>> prior = MiniDeadLeaves.fit(patches, patch_shape=(2, 2), n_scales=3, p_edge=0.5)
    >>> prior.sample(3, 0).shape
    (3, 4)
    """

    kind = "mini-dead-leaves"
    chunk = 1024

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        covariance: ArrayLike,
        level_variance: ArrayLike,
        scales: ArrayLike,
        scale_weights: ArrayLike,
        masks: ArrayLike,
        mask_weights: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        if len(self.patch_shape) != 2:
            raise ValueError(f"patch_shape must be (p, q), got {self.patch_shape}")
        self.covariance = check_parameter("covariance", covariance, (self.q, self.q))
        self.level_variance = check_parameter("level_variance", level_variance, (1,))
        self.scales = check_parameter("scales", scales, (None,))
        self.scale_weights = model_arrays.check_weights(scale_weights)
        self.masks = check_parameter("masks", masks, (None, self.d))
        self.mask_weights = model_arrays.check_weights(mask_weights)
        if np.abs(self.covariance - self.covariance.T).max() > 1e-9 * np.abs(self.covariance).max():
            raise ValueError("covariance must be symmetric")
        if np.linalg.eigvalsh(self.covariance)[0] <= 0:
            raise ValueError("covariance must be positive definite")
        if self.level_variance[0] < 0:
            raise ValueError(f"level_variance must be >= 0, got {self.level_variance[0]}")
        if (self.scales <= 0).any():
            raise ValueError(f"scales must be positive, got {self.scales.min():.3g}")
        for name, values, weights in (
            ("scale_weights", self.scales, self.scale_weights),
            ("mask_weights", self.masks, self.mask_weights),
        ):
            if len(weights) != len(values):
                raise ValueError(f"{name} must have shape ({len(values)},), got {weights.shape}")
        if not np.isin(self.masks, (0, 1)).all():
            raise ValueError("masks must hold 0 and 1")
        if self.masks.size * self.d > LARGEST:
            raise ValueError(
                f"masks must be at most {LARGEST // self.d**2} for patches of {self.d} values, "
                f"got {len(self.masks)}"
            )

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_scales: int = 8,
        p_edge: float | None = None,
        angles: int = 720,
        iterations: int = 50,
    ) -> MiniDeadLeaves:
        """Learn the textures by expectation-maximisation from patches WITH their means.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale, dequantised: ``stream_patches(..., remove_mean=False)``. The level
            of a texture is learnt from their means, so patches without are an error.
        n_scales : int
            Scales of a texture, as in `GaussianScaleMixture.fit`.
        p_edge : float, optional
            Probability of an edge, 0 < p_edge < 1. Default: its maximum-likelihood estimate from
            2000 of the patches, given the textures.
        angles : int
            As in `line_masks`.
        iterations : int
            Of expectation-maximisation.
        seed : int
            Of that, and of the choice of those 2000.
        """
        basis = dct_basis(tuple(patch_shape))
        array = model_arrays.check_patches(patches, len(basis))
        if len(array) < 2:
            raise ValueError(f"patches must be at least 2, got {len(array)}")
        if p_edge is not None and not 0 < p_edge < 1:
            raise ValueError(f"p_edge must be between 0 and 1, got {p_edge}")
        means = array.mean(axis=1)
        if means.var() < 1e-9 * array.var():
            raise ValueError("patches must have their means, got patches without")
        c = array @ basis
        texture = GaussianScaleMixture.fit(
            array, patch_shape=patch_shape, n_scales=n_scales, iterations=iterations, seed=seed
        )
        rows, columns = patch_shape
        lines, probabilities = line_masks((rows, columns), angles=angles)
        parameters: dict[str, Any] = {
            "covariance": texture.covariance,
            "level_variance": [means.var()],
            "scales": texture.scales,
            "scale_weights": texture.scale_weights,
            "masks": np.vstack([np.ones(len(basis)), lines]),
        }

        def model(p: float) -> MiniDeadLeaves:
            shares = np.concatenate([[1 - p], p * probabilities])
            return cls(patch_shape, {"p_edge": p}, mask_weights=shares, **parameters)

        if p_edge is not None:
            return model(p_edge)
        some = np.random.default_rng(seed).permutation(len(c))[:2000]
        start = model(0.5)
        evidence = start.posterior(0.0).evidence(c[some])
        share, p = np.exp(evidence[:, 0] - log_sum(evidence)), 0.5
        for _ in range(1000):
            p = float(np.mean(p * (1 - share) / (p * (1 - share) + (1 - p) * share)))
        return model(min(max(p, 1e-6), 1 - 1e-6))

    def parameters(self) -> dict[str, Array]:
        """Arrays of parameters by the names that the constructor takes them by."""
        names = ("covariance", "level_variance", "scales", "scale_weights", "masks", "mask_weights")
        return {name: getattr(self, name) for name in names}

    def sample(
        self,
        n: SupportsIndex,
        rng: np.random.Generator | int,
        *,
        dtype: DTypeLike = np.float64,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """Draw n patches without mean, (n, d); of 8x8 some 800 000 a second.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator or int
            A generator, or the seed of one.
        dtype : dtype
            float64 or float32; the numbers are drawn in float32.
        out : array, optional
            C-contiguous, of that shape and dtype, to write to: memory that is new costs time.
        n_threads : int, optional
            Default: as `fastepll.denoise`. The patches are the same for any number.
        """
        from fastepll.priors.leaf_sampler import draw

        count, generator = model_arrays.check_draw(n, rng)
        return draw(self, count, generator, dtype=np.dtype(dtype), out=out, n_threads=n_threads)

    def posterior(self, sigma: float) -> Posterior:
        """What is known of coordinates seen in white noise of deviation sigma >= 0."""
        return Posterior(
            self._splits,
            log_weights=np.log(self.mask_weights),
            scales=self.scales,
            scale_weights=self.scale_weights,
            contrast=2 * float(self.level_variance[0]),
            noise=sigma**2,
        )

    @kept
    def _splits(self) -> Splits:
        return make_splits(self.covariance, self.masks, self.basis)

    @kept
    def _factors(self) -> NDArray[np.float32]:
        from fastepll.priors.leaf_sampler import factors

        return factors(self)

    @kept
    def _clean(self) -> Posterior:
        return self.posterior(0.0)

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        return log_sum(self._clean.evidence(c))

    def _score(self, c: Array) -> Array:
        return self._clean.score(c)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        return np.asarray(self.sample(n, rng) @ self.basis)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        noisy = self.posterior(sigma)
        return noisy.mean(c) if estimator == "mean" else noisy.map(c)
