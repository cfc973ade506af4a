"""Average of a prior over the flips and transposes of a patch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll import priors
from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, MAX_K, Array
from fastepll.models import GaussianMixture
from fastepll.models._density import log_joint, log_sum, posterior
from fastepll.priors._elliptical import NEGLIGIBLE, EllipticalMixture
from fastepll.priors.base import Prior
from fastepll.typing import Estimator

MIXTURE = "gaussian-mixture"
ARRAYS = ("weights", "eigenvectors", "eigenvalues")  # of it


class SymmetricAverage(Prior):
    """The average p(x) = 1/m Σ p₀(Tx) of a prior's densities over the m symmetries T of a patch.

    The symmetries are the four flips of a patch, and those of its transpose if it is square, eight
    in all; channels stay. The average is a density like the prior's, at m times the cost, and does
    not change if a patch is flipped or transposed. Its log is nowhere below the mean of the m log
    densities, so it is the better on average wherever patches are as likely as their mirror images.

    `average_of` makes one of a prior; the constructor takes the arrays of a file.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    **arrays : array_like
        Those of a prior of `KINDS` or of a `GaussianMixture`, named ``kind__array`` with
        underscores in the kind.

    Attributes
    ----------
    prior : Prior or GaussianMixture
        p₀.

    References
    ----------
    L. Theis, M. Bethge, Generative image modeling using spatial LSTMs, NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import Gaussian, SymmetricAverage
    >>> prior = Gaussian((2, 2), covariance=np.diag([1.0, 2.0, 3.0]))
    >>> average = SymmetricAverage.average_of(prior)
    >>> average.log_prob([[1, 2, -3, 0], [2, 1, 0, -3]]).round(3)  # mirror images
    array([-8.511, -8.511])
    """

    kind = "symmetric-average"
    chunk = 1024

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        kinds = {kind.replace("-", "_"): kind for kind in (*priors.KINDS, MIXTURE)}
        del kinds[self.kind.replace("-", "_")]
        found = {name.partition("__")[0] for name in arrays}
        if len(found) != 1 or not found <= kinds.keys():
            raise ValueError(f"arrays must be those of one prior, got {sorted(arrays)}")
        given = {name.partition("__")[2]: value for name, value in arrays.items()}
        made = class_of(kinds[found.pop()])
        prior = made(patch_shape=self.patch_shape, metadata=self.metadata, **given)
        if not getattr(prior, "exact", True):
            raise ValueError(f"prior must have an exact density, {type(prior).__name__} has not")
        if isinstance(prior, GaussianMixture):
            along = prior.eigenvectors.sum(axis=1) ** 2 * prior.eigenvalues
            if along.max() > 1e-9 * prior.eigenvalues.max():
                raise ValueError("prior must have no variance along the mean of a patch")
        self.prior = prior
        self.symmetries = symmetries(self.patch_shape)

    @classmethod
    def average_of(
        cls, prior: Prior | GaussianMixture, metadata: Mapping[str, JSON] | None = None
    ) -> SymmetricAverage:
        """Average a prior.

        Parameters
        ----------
        prior : Prior or GaussianMixture
            Of one of `KINDS`, with an exact density; no average itself.
        metadata : mapping, optional
            Default: the prior's.
        """
        if not isinstance(prior, (GaussianMixture, Prior)):
            raise TypeError(
                f"prior must be a GaussianMixture or a Prior, got {type(prior).__name__}"
            )
        told = prior.metadata if metadata is None else metadata
        return cls(prior.patch_shape, told, **named_arrays(prior))

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        kind: str = MIXTURE,
        **options: Any,
    ) -> SymmetricAverage:
        """Fit a prior of a kind, with options of its own, to patches (n, d) and average it."""
        if kind not in (*priors.KINDS, MIXTURE):
            raise ValueError(f"kind must be one of {(*priors.KINDS, MIXTURE)}, got {kind!r}")
        return cls.average_of(class_of(kind).fit(patches, patch_shape=patch_shape, **options))

    @property
    def n_parameters(self) -> int:
        """Free parameters: those of the prior, if it counts its own as networks do."""
        return int(self.prior.n_parameters)

    @kept
    def mixture(self) -> GaussianMixture | None:
        """If the prior is a Gaussian mixture: that of all its mirror images; at most 2048."""
        one = self.prior if isinstance(self.prior, GaussianMixture) else self.prior.mixture
        if one is None or len(self.symmetries) * one.k > MAX_K:
            return None
        m = len(self.symmetries)
        return GaussianMixture(
            np.tile(one.weights, m) / m,
            np.concatenate([one.eigenvectors[:, back] for _, back in self._views()]),
            np.tile(one.eigenvalues, (m, 1)),
            self.patch_shape,
            self.metadata,
        )

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Arrays of the prior."""
        return named_arrays(self.prior)

    def _views(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Each symmetry as an order of the values of a patch, and its inverse."""
        for order in self.symmetries:
            yield order, np.argsort(order)

    def _each(self, c: Array, function: Callable[[Array], Array]) -> Array:
        """Values (m, symmetries) of a function of patches, at all mirror images of each."""
        x = c @ self.basis.T
        return np.stack([function(x[:, order]) for order, _ in self._views()], axis=1)

    def _averaged(self, c: Array, share: Array, function: Callable[[Array], Array]) -> Array:
        """Mean over symmetries of what a function makes of mirror images, mirrored back."""
        x, result = c @ self.basis.T, np.zeros((len(c), self.d))
        for (order, back), part in zip(self._views(), share.T, strict=True):
            rows = np.flatnonzero(part > NEGLIGIBLE)
            if len(rows):
                result[rows] += part[rows, None] * function(x[rows][:, order])[:, back]
        return np.asarray(result @ self.basis)

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        return log_sum(self._each(c, self.prior.log_prob)) - math.log(len(self.symmetries))

    def _score(self, c: Array) -> Array:
        return self._averaged(c, posterior(self._each(c, self.prior.log_prob)), self.prior.score)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        x = self.prior.sample(n, rng)
        orders = self.symmetries[rng.integers(len(self.symmetries), size=n)]
        return np.asarray(np.take_along_axis(x, orders, axis=1) @ self.basis)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """By the probability of each symmetry given the noisy patch, or that of the best component.

        Of priors that aren't mixtures of scaled Gaussians only "map" is known, by gradient.
        """
        prior = self.prior
        if not isinstance(prior, (GaussianMixture, EllipticalMixture)):
            return super()._denoise(c, sigma, estimator, rng)
        mean = estimator == "mean"

        def evidence(x: Array) -> Array:
            if isinstance(prior, GaussianMixture):
                joint = log_joint(prior, x, sigma**2)
            else:
                joint = prior.noisy_joint(x @ self.basis, sigma).reshape(len(x), -1)
            return log_sum(joint) if mean else np.asarray(joint.max(axis=1))

        values = self._each(c, evidence)
        share = posterior(values) if mean else np.eye(values.shape[1])[values.argmax(axis=1)]
        return self._averaged(c, share, lambda x: prior.denoise(x, sigma, estimator))


def symmetries(patch_shape: Sequence[int]) -> NDArray[np.intp]:
    """Flips of a patch, and of its transpose if it is square, as orders (m, d) of its values."""
    index = np.arange(math.prod(patch_shape)).reshape(patch_shape)
    turned = [index, index.swapaxes(0, 1)] if index.shape[0] == index.shape[1] else [index]
    flipped = [one[::up, ::left] for one in turned for up in (1, -1) for left in (1, -1)]
    return np.stack([one.ravel() for one in flipped])


def class_of(kind: str) -> Any:
    """The class of a kind of priors."""
    return GaussianMixture if kind == MIXTURE else getattr(priors, priors.KINDS[kind])


def named_arrays(prior: Prior | GaussianMixture) -> dict[str, NDArray[Any]]:
    """Arrays of a prior, their names after that of its kind."""
    if isinstance(prior, GaussianMixture):
        kind, arrays = MIXTURE, {name: getattr(prior, name) for name in ARRAYS}
    else:
        kind, arrays = prior.kind, prior.parameters()
    return {f"{kind.replace('-', '_')}__{name}": value for name, value in arrays.items()}
