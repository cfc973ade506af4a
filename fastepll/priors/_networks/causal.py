"""Densities of pixels, each by the same network of those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import silu, softplus

from fastepll.priors._networks.precision import products

LARGEST = 6.0  # log scale, in either direction
FLOOR = 0.02  # of the squared contrast of white coordinates, where a run begins
WIDTH = 0.1  # of the box, likewise


class Mixtures(NamedTuple):
    """Logits, means, log scales (i, n, k) of y_i / r_i; log r (i, n); log width of the box (i,)."""

    logits: torch.Tensor
    means: torch.Tensor
    log_scales: torch.Tensor
    log_r: torch.Tensor
    log_width: torch.Tensor


class CausalConditionals(torch.nn.Module):
    """log p(y) = sum_i log p(y_i | y_j, j < i), y_i what is new in pixel i.

    r_i² = b_i + sum_{j<i} a_ij y_j² is the contrast of what comes before. A residual network takes
    y_j / r_i and log r_i to a mixture of logistic densities of y_i / r_i, spread over a box. It is
    the same at all i but for its biases: weights of y_j depend on where j is from i.

    Parameters
    ----------
    patch_shape : tuple of int
        The last pixel is left out.
    hidden, depth : int
        Units, and residual blocks of two layers.
    n_mixture : int
        Components of each density.
    """

    def __init__(self, patch_shape: Sequence[int], hidden: int, depth: int, n_mixture: int) -> None:
        super().__init__()
        parameter = torch.nn.Parameter
        self.halved = False  # whether to multiply matrices in bfloat16
        kind, distance = relations(patch_shape)
        q, n_kinds = len(kind), len(distance)
        self.kind = kind
        self.before = np.tri(q, k=-1, dtype=bool)
        self.log_weights = parameter(-1 - torch.tensor(distance).float() / 2)
        self.log_floor = parameter(torch.full((q,), math.log(FLOOR)))
        self.first = parameter(0.2 * torch.randn(n_kinds, hidden))
        self.by_contrast = parameter(0.3 * torch.randn(hidden))
        self.bias = parameter(0.3 * torch.randn(q, hidden))
        self.up = parameter(torch.randn(depth, hidden, hidden) / hidden**0.5)
        self.shift = parameter(torch.zeros(depth, q, hidden))
        self.down = parameter(torch.randn(depth, hidden, hidden) / (2 * hidden**0.5))
        self.outputs = parameter(0.02 * torch.randn(hidden, 3 * n_mixture))
        self.predictors = parameter(torch.zeros(n_kinds, n_mixture))
        start = torch.zeros(q, 3, n_mixture)
        start[:, 1] = 0.1 * torch.randn(q, n_mixture)
        start[:, 2] = torch.linspace(-2.5, 1.0, n_mixture)
        self.start = parameter(start.flatten(1))
        self.log_width = parameter(torch.full((q,), math.log(WIDTH)))

    def weights(self, kernel: torch.Tensor, which: slice) -> torch.Tensor:
        """Weights of y_j for some of the y_i, (i, j, ...), 0 unless j < i."""
        before = torch.from_numpy(self.before[which]).view(
            -1, len(self.kind), *[1] * (kernel.ndim - 1)
        )
        return kernel[torch.from_numpy(self.kind[which])] * before

    def mixtures(self, y: torch.Tensor, which: slice = slice(None)) -> Mixtures:
        """Densities of some of the pixels."""
        energy = self.weights(self.log_weights.exp(), which) @ y.square().T
        log_r = torch.log(energy + self.log_floor[which, None].exp()) / 2
        seen = y / log_r.exp()[:, :, None]  # (i, n, j)
        with products(halved=self.halved):
            x = torch.bmm(seen, self.weights(self.first, which))
            bias = self.bias[which, None] + log_r[:, :, None] * self.by_contrast
            x = x + bias.to(x.dtype)
            for up, shift, down in zip(self.up, self.shift, self.down, strict=True):
                x = x + silu(silu(x) @ up + shift[which, None].to(x.dtype)) @ down
            outputs = silu(x) @ self.outputs
            direct = torch.bmm(seen, self.weights(self.predictors, which))
        outputs = outputs.to(y.dtype) + self.start[which, None]
        logits, means, log_scales = outputs.chunk(3, 2)
        means, log_scales = means + direct.to(y.dtype), LARGEST * torch.tanh(log_scales / LARGEST)
        return Mixtures(logits, means, log_scales, log_r, self.log_width[which])

    def log_densities(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of each pixel given those before it, (n, q)."""
        logits, means, log_scales, log_r, log_width = self.mixtures(y)
        scale = log_scales.exp()
        z = ((y.T / log_r.exp())[:, :, None] - means) / scale
        half = torch.exp(log_width[:, None] - log_r)[:, :, None] / (2 * scale)
        box = half + torch.log(-torch.expm1(-2 * half)) - torch.log(2 * half) - log_scales
        parts = box + z - softplus(z + half) - softplus(z - half)
        parts = torch.logsumexp(logits + parts, 2) - torch.logsumexp(logits, 2)
        return (parts - log_r).T

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of rows, (n,)."""
        return self.log_densities(y).sum(1)

    def complete(self, y: torch.Tensor, begin: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw pixels from the begin-th on, given those before."""
        y = y.clone()
        y[:, begin:] = 0
        for i in range(begin, y.shape[1]):
            logits, means, log_scales, log_r, log_width = self.mixtures(y, slice(i, i + 1))
            share = torch.softmax(logits[0], 1).cumsum(1).numpy()
            k = (rng.random((len(y), 1)) * share[:, -1:] >= share[:, :-1]).sum(1)
            part = torch.from_numpy(k)[:, None]
            logistic, box = torch.from_numpy(rng.logistic(size=len(y))), rng.random(len(y)) - 0.5
            mean, scale = means[0].gather(1, part)[:, 0], log_scales[0].gather(1, part)[:, 0].exp()
            drawn = (mean + scale * logistic) * log_r[0].exp()
            y[:, i] = drawn + log_width.exp() * torch.from_numpy(box)
        return y


def relations(patch_shape: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where pixel j is from pixel i, numbered, (q, q) for j <= i, and how far, for each number."""
    places = np.indices(patch_shape).reshape(len(patch_shape), -1).T[:-1]
    i, j = np.tril_indices(len(places))
    steps = np.concatenate([places[i] - places[j], places[i, 2:]], axis=1)  # and channels
    kinds, found = np.unique(steps, axis=0, return_inverse=True)
    kind = np.zeros((len(places), len(places)), np.int64)
    kind[i, j] = found.ravel()
    return kind, np.linalg.norm(kinds[:, :2], axis=1)
