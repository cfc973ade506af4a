"""Posterior means and modes of priors that have a density and nothing else.

Means are by draws from the posterior of the shipped mixture, whose weights are the prior's density
over the mixture's: self-normalised importance sampling.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Values
from measures import Patches, noisy_patches, patch_psnr, patches
from recipes import RECIPES, SHIPPED

from fastepll.models import GaussianMixture
from fastepll.models._density import log_joint, posterior

N, DRAWS = 200, 2000


def posterior_mean(prior: Any, sigma: float, n: int = N, draws: int = DRAWS) -> Values:
    """PSNR of the prior's means, of the mixture's by the same draws, median effective sample."""
    mixture: Any = RECIPES[SHIPPED].train()
    clean, noisy = test_patches(sigma, n)
    means, own, effective = np.empty_like(clean), np.empty_like(clean), np.empty(n)
    for i, y in enumerate(noisy):
        x = drawn(mixture, y - y.mean(), sigma / 255, draws, np.random.default_rng([i, 2]))
        log_weight = prior.log_prob(x) - mixture.log_prob(x)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        means[i], own[i], effective[i] = weight @ x, x.mean(axis=0), 1 / (weight @ weight)
    return {
        "mean": patch_psnr(means, clean, noisy),
        "mixture": patch_psnr(own, clean, noisy),
        "effective": float(np.median(effective)),
    }


def modes(prior: Any, sigma: float, n: int = N) -> Values:
    """Contrast of most probable patches and of the mixture's estimates, in that of clean ones.

    *rise*: log posterior density under the prior, of the first over that of the second, in nats; of
    exact ones, as a bound may be anywhere below.
    """
    mixture: Any = RECIPES[SHIPPED].train()
    (clean, noisy), level = test_patches(sigma, n), sigma / 255
    y = noisy - noisy.mean(axis=1, keepdims=True)
    found, other = prior.denoise(y, level), mixture.map_estimate(y, level)
    own, its, whole = (np.linalg.norm(z, axis=1).mean() for z in (found, other, clean))
    contrasts = {"contrast": own / whole, "mixture": its / whole}
    if not getattr(prior, "exact", True):
        return contrasts
    high, low = (
        prior.log_prob(z) - ((z - y) ** 2).sum(axis=1) / (2 * level**2) for z in (found, other)
    )
    return {"rise": (high - low).mean(), **contrasts}


def test_patches(sigma: float, n: int) -> tuple[Patches, Patches]:
    """Clean ones without mean as they are stored, of all images, and noisy ones."""
    every = patches("test", 100_000, dequantise=False)
    clean = np.random.default_rng(0).permutation(every)[:n]
    return clean, noisy_patches(clean, sigma)


def drawn(
    mixture: GaussianMixture, y: Patches, sigma: float, n: int, rng: np.random.Generator
) -> Patches:
    """Clean patches (n, d) from the posterior of a mixture, of a noisy one without mean (d,)."""
    share = posterior(log_joint(mixture, y[None], sigma**2))[0]
    rows = []
    for k, count in enumerate(rng.multinomial(n, share / share.sum())):
        if count:
            basis, wiener = mixture.eigenvectors[k], mixture.eigenvalues[k]
            wiener = wiener / (wiener + sigma**2)
            noise = np.sqrt(wiener) * sigma * rng.standard_normal((count, len(y)))
            rows.append((wiener * (y @ basis) + noise) @ basis.T)
    return np.concatenate(rows)
