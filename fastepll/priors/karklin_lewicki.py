"""The distributed covariance-basis model of Karklin & Lewicki."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import JSON, Array
from fastepll.priors import _log_covariance
from fastepll.priors._inference import hmc
from fastepll.priors.ais import AnnealedPrior, annealed_log_weights
from fastepll.priors.base import check_parameter
from fastepll.typing import Estimator

Self = TypeVar("Self", bound="KarklinLewicki")

CONTRASTS = np.linspace(-6.0, 4.0, 11)  # log variances at which `denoise` starts
FARTHEST = 3.0  # that a latent variable goes in one step of `denoise`
ROWS = 100  # patches whose eigenvectors are held together


class KarklinLewicki(AnnealedPrior):
    """Gaussian whose log covariance is a sum over sparse latent variables.

    A patch c, whitened to u = c P, is N(0, C) with::

        log C = Σₖ (oₖ + Σⱼ yⱼ wⱼₖ) bₖ bₖᵀ,    yⱼ independent, with density ½ exp(-|yⱼ|).

    The paper has no offset o; here it lets the most frequent covariance differ from the mean one.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        P, invertible; its determinant counts in densities.
    vectors : array_like, shape (q, k)
        Columns bₖ of norm 1.
    weights : array_like, shape (l, k)
        w, what each latent variable does to the variance along each vector.
    offset : array_like, shape (k,)
        o.

    Notes
    -----
    `log_prob` is estimated by annealed importance sampling over y: from the prior of y, with the
    likelihood raised to the power (t / n_steps)⁴, by Hamiltonian Monte Carlo. `denoise` with "map"
    finds the most probable y of the noisy patch, approximately: the best contrast of a few, then
    ``map_steps`` steps of Fisher scoring; the estimate is that of the Wiener filter given y. With
    "mean" it averages the Wiener filters of ``mean_draws`` draws of y.

    References
    ----------
    Y. Karklin, M. S. Lewicki, Emergence of complex cell properties by learning to generalize in
    natural scenes, Nature, 2009.

    Examples
    --------
    One latent variable, the contrast: a Gaussian scale mixture.

    >>> import numpy as np
    >>> prior = KarklinLewicki((2, 2), whitening=np.eye(3), vectors=np.eye(3),
    ...                        weights=np.ones((1, 3)), offset=np.zeros(3))
    >>> value, error = prior.estimate_log_prob([[1, -1, 1, -1]], n_chains=50, n_steps=50)
    >>> y = np.linspace(-30, 30, 6001)  # |patch|² = 4
    >>> joint = -np.abs(y) - 1.5 * y - 2 * np.exp(-y) - np.log(2) - 1.5 * np.log(2 * np.pi)
    >>> bool(abs(value[0] - np.log(np.exp(joint).sum() * 0.01)) < 3 * error[0] < 0.2)
    True
    """

    kind: ClassVar[str] = "karklin-lewicki"
    map_steps: ClassVar[int] = 3
    """Covariances tried for each patch by `denoise`."""
    mean_draws: ClassVar[int] = 24
    """Draws of y that the posterior mean averages."""

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        whitening: ArrayLike,
        vectors: ArrayLike,
        weights: ArrayLike,
        offset: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.whitening = check_parameter("whitening", whitening, (self.q, self.q))
        self.vectors = check_parameter("vectors", vectors, (self.q, None))
        k = self.vectors.shape[1]
        self.weights = check_parameter("weights", weights, (None, k))
        self.offset = check_parameter("offset", offset, (k,))
        norms = np.linalg.norm(self.vectors, axis=0)
        if np.abs(norms - 1).max(initial=0) > 1e-5:
            raise ValueError(f"vectors must have columns of norm 1, got {norms.max():.6g}")
        sign, self._log_det = np.linalg.slogdet(self.whitening)
        if sign == 0:
            raise ValueError("whitening must be invertible")
        self._information = _log_covariance.fisher_information(self.vectors, self.weights)

    def parameters(self) -> dict[str, Array]:
        """Arrays of parameters, as the constructor takes them."""
        return {
            "whitening": self.whitening,
            "vectors": self.vectors,
            "weights": self.weights,
            "offset": self.offset,
        }

    @classmethod
    def fit(
        cls: type[Self],
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_latents: SupportsIndex = 32,
        n_vectors: SupportsIndex | None = None,
        n_epochs: SupportsIndex = 25,
        batch: SupportsIndex = 200,
        rate: float = 0.004,
    ) -> Self:
        """Maximise the likelihood of patches by stochastic gradients with Markov chains.

        Each patch keeps a chain of its y, moved when the patch is in a batch; the gradient of
        log p(patch | y) at the new y is, on average over the posterior, that of log p(patch).

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; their means have no part in it.
        patch_shape : tuple of int
            Of the patches.
        seed : int
            Of all draws.
        n_latents : int
            Latent variables y.
        n_vectors : int, optional
            Vectors b; twice the q coordinates by default.
        n_epochs : int
            Passes over the patches; each takes about 0.2 ms per 8x8 patch.
        batch : int
            Patches per step.
        rate : float
            Step length: most that a weight changes at once.
        """
        from fastepll.priors._inference.karklin_lewicki_fit import Options, learn

        options = Options(n_latents, n_vectors, n_epochs, batch, rate)
        whitening, learnt = learn(patches, patch_shape, seed, options)
        return cls(patch_shape, None, whitening=whitening, **learnt)

    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        u = np.repeat(c @ self.whitening, n_chains, axis=0)
        beta = (np.arange(n_steps + 1) / n_steps) ** 4
        likelihood = _log_covariance.likelihood_of(u, self.vectors, self.weights, self.offset)
        prior = np.eye(len(self.weights))

        def start(rng: np.random.Generator) -> tuple[hmc.Chains, Array]:
            chains = hmc.begin(rng.laplace(size=(len(u), len(prior))), likelihood)
            return chains, beta[1] * chains.value

        def step(chains: hmc.Chains, t: int, rng: np.random.Generator) -> tuple[hmc.Chains, Array]:
            metric = prior + beta[t] * self._information
            chains, _ = hmc.transition(chains, likelihood, beta[t], metric, rng)
            return chains, (beta[t + 1] - beta[t]) * chains.value

        log_weights = annealed_log_weights(start, step, n_steps, rng)
        return np.asarray(log_weights.reshape(len(c), n_chains) + self._log_det)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        y, normal = rng.laplace(size=(n, len(self.weights))), rng.standard_normal((n, self.q))
        root = _log_covariance.Exponential(normal, -(self.offset + y @ self.weights), self.vectors)
        return np.asarray(np.linalg.solve(self.whitening.T, root.value.T).T)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        u = c @ self.whitening
        noise = sigma**2 * self.whitening.T @ self.whitening
        wiener = np.empty_like(u)
        for first in range(0, len(u), ROWS):
            rows = slice(first, first + ROWS)
            y, wiener[rows] = self._most_probable(u[rows], noise)
            if estimator == "mean":
                wiener[rows] = self._posterior_mean(u[rows], noise, y, rng)
        return np.asarray(np.linalg.solve(self.whitening.T, wiener.T).T)

    def _given(self, u: Array, noise: Array, y: Array) -> _log_covariance.Noisy:
        """Density, slopes and estimate of noisy patches given y."""
        g = self.offset + y @ self.weights
        return _log_covariance.noisy_log_density(u, noise, g, self.vectors)

    def _most_probable(self, u: Array, noise: Array) -> tuple[Array, Array]:
        """The y (n, l) that Fisher scoring finds, and the Wiener estimates (n, q) given y."""
        eye = np.eye(len(self.weights))
        contrast = np.linalg.solve(self._information + eye, 0.5 * self.weights.sum(axis=1))
        best = np.full(len(u), -np.inf)
        y, slope, wiener = np.zeros((len(u), len(eye))), np.zeros((len(u), len(eye))), u.copy()
        signal = np.ones(len(u))

        def keep(
            rows: NDArray[np.intp], at: Array, found: _log_covariance.Noisy
        ) -> NDArray[np.bool_]:
            """Take what is better than the best so far."""
            value = found.value - _smooth(at)[0].sum(axis=1)
            better: NDArray[np.bool_] = value > best[rows]
            chosen = rows[better]
            best[chosen], wiener[chosen] = value[better], found.wiener[better]
            y[chosen] = np.broadcast_to(at, (len(rows), len(eye)))[better]
            slope[chosen] = found.in_g[better] @ self.weights.T
            signal[chosen] = np.broadcast_to(found.signal, len(rows))[better]
            return better

        everyone = np.arange(len(u))
        for level in CONTRASTS:
            at = level * contrast[None]
            keep(everyone, at, self._given(u, noise, at))
        length = np.ones(len(u))
        for _ in range(self.map_steps):
            _, curvature = _smooth(y)
            hessian = signal[:, None, None] * self._information + curvature[:, :, None] * eye
            move = np.linalg.solve(hessian, (slope - y * curvature)[:, :, None])[:, :, 0]
            move *= FARTHEST / np.maximum(np.abs(move).max(axis=1, keepdims=True), FARTHEST)
            at = y + length[:, None] * move
            better = keep(everyone, at, self._given(u, noise, at))
            length[~better] /= 4
        return y, wiener

    def _posterior_mean(self, u: Array, noise: Array, y: Array, rng: np.random.Generator) -> Array:
        """Average of the Wiener estimates over draws of y given the noisy patches, (n, q)."""

        def likelihood(y: Array) -> tuple[Array, Array]:
            found = self._given(u, noise, y)
            return found.value, found.in_g @ self.weights.T

        signal = self._given(u, noise, y).signal.mean()
        metric = np.eye(len(self.weights)) + signal * self._information
        chains = hmc.begin(y, likelihood)
        total = np.zeros_like(u)
        for i in range(-self.mean_draws // 3, self.mean_draws):
            chains, _ = hmc.transition(chains, likelihood, 1.0, metric, rng, n_leapfrog=2)
            if i >= 0:
                total += self._given(u, noise, chains.y).wiener
        return total / self.mean_draws


def _smooth(y: Array) -> tuple[Array, Array]:
    """|y| rounded off within 0.1, and the curvature of the parabola that touches it."""
    size = np.sqrt(y**2 + 0.01)
    return size, 1 / size
