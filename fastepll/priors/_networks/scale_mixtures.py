"""Densities of coordinates, each a mixture of conditional Gaussian scale mixtures (MCGSM)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

SCALES = (-2.0, 6.0)  # log precisions between which a run begins, of white coordinates


class ScaleMixtures(torch.nn.Module):
    """log p(y) = sum_i log p(y_i | x), x = (y_j, j < i).

    Component c at scale s has log prior odds o_cs - p_cs/2 sum_f b_cf² (w_f x)² and density
    N(y_i; a_c x, 1/p_cs); odds, features w, loadings b, predictors a and precisions p are other
    ones for each i.

    Parameters
    ----------
    q : int
        Coordinates.
    n_components, n_scales, n_features : int
        Of each conditional.
    """

    def __init__(self, q: int, n_components: int, n_scales: int, n_features: int) -> None:
        super().__init__()
        pairs, parameter = q * (q - 1) // 2, torch.nn.Parameter
        self.features = parameter(torch.randn(pairs, n_features) / n_features**0.5)
        self.predictors = parameter(0.02 * torch.randn(pairs, n_components))
        self.loadings = parameter(1 + 0.3 * torch.randn(q, n_components, n_features))
        log_precision = torch.linspace(*SCALES, n_scales + 1)[1:, None].repeat(q, 1, n_components)
        log_precision -= (SCALES[1] - SCALES[0]) / n_scales * torch.rand(log_precision.shape)
        self.log_precision = parameter(log_precision)
        self.odds = parameter(torch.arange(q)[:, None, None] / 2 * log_precision)

    def conditionals(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Features, predictors, loadings, log precisions and odds of each coordinate."""
        sizes = list(range(len(self.odds)))
        packed = (torch.split(each, sizes) for each in (self.features, self.predictors))
        whole = (each.unbind() for each in (self.loadings, self.log_precision, self.odds))
        return zip(*packed, *whole, strict=True)  # one backward of each, not one for every i

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of rows, (n,)."""
        return self.log_densities(y).sum(1)

    def log_densities(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of each coordinate given those before it, (n, q)."""
        parts = []
        for i, (features, predictors, loadings, log_precision, odds) in enumerate(
            self.conditionals()
        ):
            energy = (y[:, :i] @ features).square() @ loadings.square().T
            error = (y[:, i, None] - y[:, :i] @ predictors).square()
            part = LogMixture.apply(energy, error, log_precision, odds)  # type: ignore[no-untyped-call]
            parts.append(part)
        return torch.stack(parts, 1) - math.log(2 * math.pi) / 2

    def complete(self, y: torch.Tensor, begin: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw coordinates from the begin-th on, given those before."""
        y = y.clone()
        for i, (features, predictors, loadings, log_precision, odds) in enumerate(
            self.conditionals()
        ):
            if i < begin:
                continue
            energy = (y[:, :i] @ features).square() @ loadings.square().T
            logits = (odds - log_precision.exp() / 2 * energy[:, None]).flatten(1)
            share = torch.softmax(logits, 1).cumsum(1).numpy()
            k = (rng.random((len(y), 1)) * share[:, -1:] >= share[:, :-1]).sum(1)
            noise = rng.standard_normal(len(y)) * np.exp(-log_precision.numpy().ravel()[k] / 2)
            component = torch.from_numpy(k % odds.shape[1])[:, None]
            mean = (y[:, :i] @ predictors).gather(1, component)[:, 0]
            y[:, i] = mean + torch.from_numpy(noise)
        return y


class LogMixture(torch.autograd.Function):
    """Log of a mixture whose odds depend on energies; its gradient takes no more exponentials."""

    @staticmethod
    def forward(ctx: Any, *inputs: torch.Tensor) -> torch.Tensor:
        """Log density (n,), but for (2π)^-1/2, of energies and errors (n, c), and of (s, c)."""
        energy, error, log_precision, odds = inputs
        precision = log_precision.exp()
        prior = odds - precision / 2 * energy[:, None]
        joint = prior + log_precision / 2 - precision / 2 * error[:, None]
        log_prior, prior = shares(prior)
        log_joint, joint = shares(joint)
        ctx.save_for_backward(energy, error, precision, prior, joint)
        return log_joint - log_prior

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Posterior less prior probabilities, times what the logarithms depend on."""
        energy, error, precision, prior, joint = ctx.saved_tensors
        weight = gradients[0][:, None, None]
        joint = joint * weight
        change = joint - prior * weight
        by_odds = change.sum(0)
        by_energy = (change * precision).sum(1)
        by_error = (joint * precision).sum(1)
        slope = (change * energy[:, None] + joint * error[:, None]).sum(0)
        by_precision = joint.sum(0) / 2 - precision / 2 * slope
        return -by_energy / 2, -by_error / 2, by_precision, by_odds


def shares(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log of the sum of exponentials of (n, s, c), (n,), and each one's share in it."""
    flat = logits.flatten(1)
    share = torch.softmax(flat, 1)  # three times as fast as logsumexp
    return flat.amax(1) - share.amax(1).log(), share.view_as(logits)
