"""Patches, images and figures of merit of the studies.

*Patches* are 8x8, gray, mean-free rows on the [0, 1] scale: dequantised for likelihoods, as stored
for denoising. *Log-likelihood* is on the 63-dimension protocol of ``bench/README.md``, nats.
*PSNR of patches*: white noise on the whole patch, the mean of the noisy patch removed and put back
after denoising, 10 log10 of 1 over the mean squared error of all pixels of all patches; so the
error of the mean, sigma²/64, is in it for every prior. (Zoran & Weiss 2011 leave means out of it.)
*PSNR of images*: EPLL by `fastepll.denoise`, on bsd68 with the noise of the protocol.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1]))
from protocol import Image, add_noise, data_dir, psnr, read_gray

import fastepll
from fastepll.priors import PatchPrior
from fastepll.solver.settings import EXACT, Settings
from fastepll.train.patches import list_images, stream_patches

Patches = NDArray[np.float64]
SHAPE = (8, 8)
PROTOCOL = 0.5 * np.log(64) + 63 * np.log(256 / 255)
"""From the density of 63 orthonormal coordinates on [0, 1] to that of 63 pixels over 256."""


@lru_cache(maxsize=3)
def kept_patches(split: str, n: int, dequantise: bool, seed: int) -> Patches:
    """`patches`, kept for the next prior."""
    rows = patches(split, n, dequantise=dequantise, seed=seed)
    rows.flags.writeable = False
    return rows


def patches(
    split: str, n: int, *, dequantise: bool = True, flips: bool = False, seed: int = 0
) -> Patches:
    """(n, 64) from all images of bsds300/train or bsds300/test, in their order."""
    paths = list_images(data_dir() / "bsds300" / split)
    blocks = stream_patches(paths, SHAPE, n, seed=seed, dequantise=dequantise, flips=flips)
    rows = np.empty((n, 64))
    start = 0
    for block in blocks:
        rows[start : start + len(block)] = block
        start += len(block)
    return rows - rows.mean(axis=1, keepdims=True)


def protocol_nats(log_prob: Any) -> Any:
    """Log densities of `PatchPrior.log_prob` on the 63-dimension protocol."""
    return log_prob + PROTOCOL


def log_likelihood(prior: PatchPrior, split: str, n: int, *, seed: int = 0) -> dict[str, float]:
    """Mean over dequantised patches, on the protocol, and its standard error over images."""
    images = len(list_images(data_dir() / "bsds300" / split))
    if n % images:
        raise ValueError(f"n must be a multiple of the {images} images, got {n}")
    values = protocol_nats(prior.log_prob(kept_patches(split, n, True, seed))).reshape(images, -1)
    means = values.mean(axis=1)
    return {"nats": float(means.mean()), "error": float(means.std(ddof=1) / np.sqrt(images))}


def noisy_patches(clean: Patches, sigma: float, *, seed: int = 0) -> Patches:
    """With white noise of deviation sigma, of 255."""
    return clean + sigma / 255 * np.random.default_rng([seed, 1]).standard_normal(clean.shape)


def patch_psnr(estimate: Patches, clean: Patches, noisy: Patches) -> float:
    """PSNR in dB of estimates without mean, to which that of the noisy patch is added."""
    centred = estimate - estimate.mean(axis=1, keepdims=True)
    error = centred + noisy.mean(axis=1, keepdims=True) - clean
    return float(-10 * np.log10(np.mean(error**2)))


def denoised_patch_psnr(
    prior: PatchPrior, sigma: float, n: int, *, estimator: Any = "map", seed: int = 0
) -> float:
    """PSNR in dB of n test patches, as stored, that the prior denoises."""
    clean = kept_patches("test", n, False, seed)
    noisy = noisy_patches(clean, sigma, seed=seed)
    centred = noisy - noisy.mean(axis=1, keepdims=True)
    return patch_psnr(prior.denoise(centred, sigma / 255, estimator), clean, noisy)


@cache
def image(i: int, crop: int = 0) -> Image:
    """Image i of bsd68, or the middle of it, crop pixels a side."""
    whole = image(i) if crop else read_gray(sorted((data_dir() / "bsd68").glob("*.png"))[i])
    top, left = ((n - crop) // 2 for n in whole.shape)
    return whole[top : top + crop, left : left + crop] if crop else whole


def noisy_image(i: int, sigma: float, crop: int = 0) -> Image:
    """Image i with the noise of the protocol, sigma of 255."""
    return add_noise(image(i, crop), sigma, i)


def epll(
    prior: PatchPrior,
    i: int,
    sigma: float,
    *,
    settings: Settings = EXACT,
    crop: int = 0,
) -> float:
    """PSNR in dB of image i restored by EPLL."""
    noisy = noisy_image(i, sigma, crop)
    restored = fastepll.denoise(noisy, sigma / 255, model=prior, quality=settings)
    return psnr(restored, image(i, crop))
