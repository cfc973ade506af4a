"""Exact posterior of split and scales of a patch whose two sides are independent textures.

Given the split and the scales s, r of its sides A and B, a noisy patch y is texture and noise of
covariance Σ = blockdiag(s C_AA + vI, r C_BB + vI), and a level on each side. The common level is
unknown (the mean of the patch is removed); the difference of the levels has variance 2τ². With
Λ = Σ⁻¹, u the unit constant patch, ρ = 2 d τ², and for each side q = yᵀΛy, l = uᵀΛy, g = uᵀΛu,

    log p(y) = -½ [(d - 1) log 2π + log|Σ| + log D + q_A + q_B - G / D]
    D = ρ g_A g_B + g_A + g_B
    G = (1 + ρ g_B) l_A² + (1 + ρ g_A) l_B² + 2 l_A l_B.

In the eigenvectors of C_AA and C_BB all scales share one projection of y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastepll._portable import kept
from fastepll._validation.model_arrays import Array
from fastepll.models._density import posterior

LEAST = -45.0  # e^-45 of the largest term counts for nothing, and np.exp is slow below -708
SHARE = 1e-9  # splits of a smaller posterior probability are left out of a mean


@dataclass(frozen=True, eq=False)
class Splits:
    """Splits of a patch in the eigenvectors of their sides' textures; see `make_splits`."""

    projection: Array
    """(m, q, d): from coordinates to the eigenvectors of a split, those of side A first."""
    values: Array
    """(m, d): their eigenvalues."""
    constant: Array
    """(m, d): u in the eigenvectors."""
    first: Array
    """(m, d): 1 for eigenvectors of side A."""


def make_splits(covariance: Array, masks: Array, basis: Array) -> Splits:
    """Splits by masks (m, d) of a texture with covariance (q, q) in the coordinates of a basis."""
    d = len(basis)
    texture = basis @ covariance @ basis.T
    # The patch without a split: any variance along u will do, as the level is unknown.
    whole = texture + np.trace(covariance) / (d - 1) / d
    m = len(masks)
    vectors, values = np.zeros((m, d, d)), np.empty((m, d))
    for k, mask in enumerate(masks):
        start = 0
        for side in (np.flatnonzero(mask), np.flatnonzero(mask == 0)):
            part = (whole if len(side) == d else texture)[np.ix_(side, side)]
            columns = slice(start, start + len(side))
            values[k, columns], vectors[k, side, columns] = np.linalg.eigh(part)
            start += len(side)
    sizes = masks.sum(axis=1)
    return Splits(
        basis.T @ vectors,
        values,
        vectors.sum(axis=1) / np.sqrt(d),
        (np.arange(d) < sizes[:, None]).astype(np.float64),
    )


class Posterior:
    """What is known of coordinates seen in white noise.

    Parameters
    ----------
    splits : Splits
    log_weights : array, shape (m,)
        Log probabilities of the splits.
    scales, scale_weights : array, shape (s,)
        Factors of the texture's covariance, and their probabilities.
    contrast : float
        Variance 2τ² of the difference of the levels.
    noise : float
        Variance v of the noise, >= 0.
    """

    def __init__(
        self,
        splits: Splits,
        *,
        log_weights: Array,
        scales: Array,
        scale_weights: Array,
        contrast: float,
        noise: float,
    ) -> None:
        self.splits, self.scales, self.noise = splits, scales, noise
        d = splits.values.shape[1]
        self.rho = contrast * d
        spectrum = scales[:, None] * splits.values[:, None] + noise  # (m, s, d)
        self.precision = 1 / spectrum
        sides = np.stack([splits.first, 1 - splits.first])[:, :, None]  # (2, m, 1, d)
        a, b = (self.precision * splits.constant[:, None] ** 2 * sides).sum(axis=3)
        det_a, det_b = (np.log(spectrum) * sides).sum(axis=3)
        a, b = a[:, :, None], b[:, None, :]  # g, (m, s, s) together
        self.room = 1 / (self.rho * a * b + a + b)
        self.gain_a, self.gain_b = (1 + self.rho * b) * self.room, (1 + self.rho * a) * self.room
        pair = np.log(scale_weights)
        self.log_pair = (
            (log_weights[:, None, None] + pair[:, None] + pair)
            - 0.5 * (det_a[:, :, None] + det_b[:, None, :] - np.log(self.room))
            - 0.5 * (d - 1) * np.log(2 * np.pi)
        )

    @kept
    def _filters(self) -> tuple[Array, Array]:
        """For each split, (2s, d) from squares to the q of both sides, and from values to l."""
        first, precision = self.splits.first[:, None], self.precision
        squares = np.concatenate([precision * first, precision * (1 - first)], axis=1)
        return squares, squares * self.splits.constant[:, None]

    def joint(self, c: Array, k: int) -> tuple[Array, Array, Array]:
        """Joint log density of y, split k and scales (s, s, n); y in eigenvectors; l of the sides.

        The last two are (d, n) and (2s, n): sums over few scales of many patches are then quick.
        """
        s = len(self.scales)
        squares, values = self._filters
        x = self.splits.projection[k].T @ c.T
        level = values[k] @ x
        features = np.vstack([squares[k] @ (x * x), level * level])
        each = np.eye(s)[:, None]
        table = np.empty((s, s, 4 * s))
        table[..., :s], table[..., s : 2 * s] = -each, -each.swapaxes(0, 1)
        table[..., 2 * s : 3 * s] = each * self.gain_a[k][..., None]
        table[..., 3 * s :] = each.swapaxes(0, 1) * self.gain_b[k][..., None]
        score = (0.5 * table.reshape(s * s, 4 * s) @ features).reshape(s, s, -1)
        cross = level[:s, None] * level[None, s:]
        cross *= self.room[k][..., None]
        score += cross
        score += self.log_pair[k][..., None]
        return score, x, level

    def evidence(self, c: Array) -> Array:
        """Joint log density of y and each split, (n, m)."""
        result = np.empty((len(self.log_pair), len(c)))
        for k, row in enumerate(result):
            score = self.joint(c, k)[0]
            top = score.max(axis=(0, 1))
            row[:] = top + np.log(_relative(score, top).sum(axis=(0, 1)))
        return result.T

    def best(self, c: Array) -> Array:
        """Largest log p(y, split, scales) over the scales, (n, m)."""
        splits = range(len(self.log_pair))
        return np.stack([self.joint(c, k)[0].max(axis=(0, 1)) for k in splits], axis=1)

    def mean(self, c: Array) -> Array:
        """E[clean | y], (n, q). What `SHARE` leaves out is below m SHARE ‖y‖ in norm."""
        return c + self.noise * self._expect(c, posterior(self.evidence(c)), hard=False)

    def map(self, c: Array) -> Array:
        """The same given the most probable split and scales alone, (n, q)."""
        top = self.best(c)
        share = np.zeros_like(top)
        share[np.arange(len(c)), top.argmax(axis=1)] = 1
        return c + self.noise * self._expect(c, share, hard=True)

    def score(self, c: Array) -> Array:
        """Gradient of log p(y), (n, q)."""
        return self._expect(c, posterior(self.evidence(c)), hard=False)

    def _expect(self, c: Array, share: Array, *, hard: bool) -> Array:
        """-E[Λ(y + level)], (n, q), over splits by `share` (n, m) and over their scales."""
        result = np.zeros_like(c)
        s = len(self.scales)
        for k in np.flatnonzero(share.max(axis=0, initial=0) > SHARE):
            rows = np.flatnonzero(share[:, k] > SHARE)
            score, x, level = self.joint(c[rows], int(k))
            top = score.max(axis=(0, 1))
            p = (score == top).astype(np.float64) if hard else _relative(score, top)
            p *= share[rows, k] / p.sum(axis=(0, 1))
            a, b = level[:s, None], level[None, s:]
            gain_a, gain_b, room = (g[k][..., None] for g in (self.gain_a, self.gain_b, self.room))
            shift_a = (p * (a * gain_a + b * room)).sum(axis=1)
            shift_b = (p * (b * gain_b + a * room)).sum(axis=0)
            first, precision = self.splits.first[k][:, None] > 0, self.precision[k].T
            size = np.where(first, precision @ p.sum(axis=1), precision @ p.sum(axis=0))
            move = np.where(first, precision @ shift_a, precision @ shift_b)
            move *= self.splits.constant[k][:, None]
            result[rows] -= (x * size - move).T @ self.splits.projection[k].T
        return result


def _relative(score: Array, top: Array) -> Array:
    """Scores (s, s, n), overwritten by their exponentials over those of the largest (n,)."""
    score -= top
    np.maximum(score, LEAST, out=score)
    return np.exp(score, out=score)
