"""The reaction diffusion as a module of torch: what `fastepll.train.diffusion` trains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from numpy.typing import NDArray
from torch.nn.functional import fold, unfold

from fastepll.models.diffusion import ReactionDiffusion

SIGMAS = (2.0, 5.0, 10.0, 15.0, 25.0, 35.0, 50.0, 75.0)  # of 255
REACH, KNOTS = 4.0, 41
SCALE = np.float32((KNOTS - 1) / (2 * REACH))  # knots in a unit of response


class DiffusionNetwork(torch.nn.Module):
    """Its parameters at a noise level are what all levels share, and a share of two levels' own.

    Parameters
    ----------
    n_steps, n_filters, side : int
        side x side is a patch.
    """

    def __init__(self, n_steps: int, n_filters: int, side: int) -> None:
        super().__init__()
        self.side, d, m = side, side * side, len(SIGMAS)
        rng = np.random.default_rng(0)
        filters = cosines(side)[1:]
        more = rng.standard_normal((max(0, n_filters - len(filters)), d)) / side
        filters = np.concatenate([filters, more])[:n_filters]
        knots = np.linspace(-REACH, REACH, KNOTS)
        shared = {
            "analysis": np.concatenate([filters, np.zeros_like(filters)], 1),
            "values": np.tile(knots * np.exp(-(knots**2) / 2), (n_filters, 1)),
            "synthesis": -0.1 * filters.T,
            "reaction": np.array(0.05),
        }
        self.names = tuple(shared)
        for name, value in shared.items():
            first = torch.tensor(value, dtype=torch.float32).repeat(n_steps, *[1] * value.ndim)
            self.register_parameter(name, torch.nn.Parameter(first))
            own = torch.zeros(m, *first.shape)
            self.register_parameter(f"own_{name}", torch.nn.Parameter(own))

    def take(self, model: ReactionDiffusion) -> None:
        """Go on from a model of as many steps, filters and levels; ValueError if it has others."""
        for name in self.names:
            found = torch.from_numpy(model.arrays[name]).float()
            shared, own = self.get_parameter(name), self.get_parameter(f"own_{name}")
            if found.shape != own.shape:
                raise ValueError(
                    f"{name} of start must have shape {tuple(own.shape)}, got {tuple(found.shape)}"
                )
            with torch.no_grad():
                shared.copy_(found.mean(0))
                own.copy_(found - shared)

    def at(self, sigma: float) -> dict[str, torch.Tensor]:
        """Parameters (n_steps, ...) at a noise level."""
        place = float(np.interp(math.log(sigma), np.log(SIGMAS), np.arange(len(SIGMAS))))
        low = min(int(place), len(SIGMAS) - 2)
        share, found = place - low, {}
        for name in self.names:
            own = self.get_parameter(f"own_{name}")
            found[name] = self.get_parameter(name) + own[low] * (1 - share) + own[low + 1] * share
        return found

    def forward(self, image: torch.Tensor, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """Images (n, 1, h, w) of intensities in [0, 255] after all steps."""
        p, at = self.side, self.at(sigma)
        size = image.shape[-2:]
        ones = torch.ones(1, p * p, (size[0] - p + 1) * (size[1] - p + 1))
        counts = fold(ones, size, p)
        for analysis, values, synthesis, reaction in zip(*at.values(), strict=True):
            filters = centred(analysis) / sigma
            features = torch.cat([unfold(image, p), unfold(noisy - image, p)], 1)
            found = Influence.apply(filters @ features, values)  # type: ignore[no-untyped-call]
            changes = synthesis @ found * sigma
            image = image + fold(changes, size, p) / counts + reaction * (noisy - image)
        return image

    def model(self, metadata: dict[str, Any]) -> ReactionDiffusion:
        """The model of its parameters."""
        with torch.no_grad():
            at = [self.at(sigma) for sigma in SIGMAS]
            arrays = {name: np.stack([one[name].numpy() for one in at]) for name in self.names}
            arrays["analysis"] = centred(torch.from_numpy(arrays["analysis"])).numpy()
        return ReactionDiffusion(
            (self.side, self.side),
            sigmas=np.array(SIGMAS) / 255,
            reach=REACH,
            metadata=metadata,
            **arrays,
        )


def centred(analysis: torch.Tensor) -> torch.Tensor:
    """Filters of which those of the image have no response to a constant."""
    of_image, of_rest = analysis.chunk(2, dim=-1)
    return torch.cat([of_image - of_image.mean(-1, keepdim=True), of_rest], -1)


def cosines(side: int) -> NDArray[np.float64]:
    """Orthonormal cosines (d, d) of a patch, by rising frequency."""
    k, x = np.arange(side)[:, None], np.arange(side)
    basis = np.cos(np.pi * (2 * x + 1) * k / (2 * side)) * np.sqrt(2 / side)
    basis[0] /= np.sqrt(2)
    both = np.einsum("ax,by->abxy", basis, basis).reshape(side * side, -1)
    return np.asarray(both[np.argsort(np.add.outer(k[:, 0] ** 2, x**2).ravel(), kind="stable")])


class Influence(torch.autograd.Function):
    """Functions (n, k), linear between knots, of responses (b, n, l)."""

    @staticmethod
    def forward(ctx: Any, responses: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Their values."""
        ctx.save_for_backward(responses, values)
        found = torch.empty_like(responses)
        _forward(responses.detach().numpy(), values.detach().numpy(), found.numpy())
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients for responses and values."""
        responses, values = ctx.saved_tensors
        to_responses, to_values = torch.empty_like(responses), torch.zeros_like(values)
        _backward(
            responses.numpy(),
            values.numpy(),
            gradients[0].contiguous().numpy(),
            to_responses.numpy(),
            to_values.numpy(),
        )
        return to_responses, to_values


@njit
def _knot(response):  # type: ignore[no-untyped-def]
    """The knot before a response, or that of the segment that goes on, and how far beyond it."""
    place = (response + np.float32(REACH)) * SCALE
    knot = min(max(int(np.floor(place)), 0), KNOTS - 2)
    return knot, place - np.float32(knot)


@njit(parallel=True)
def _forward(responses, values, found):  # type: ignore[no-untyped-def]
    b, n, length = responses.shape
    for j in prange(n):
        for i in range(b):
            for at in range(length):
                knot, share = _knot(responses[i, j, at])
                low = values[j, knot]
                found[i, j, at] = low + share * (values[j, knot + 1] - low)


@njit(parallel=True)
def _backward(responses, values, gradients, to_responses, to_values):  # type: ignore[no-untyped-def]
    b, n, length = responses.shape
    for j in prange(n):
        for i in range(b):
            for at in range(length):
                knot, share = _knot(responses[i, j, at])
                gradient = gradients[i, j, at]
                to_responses[i, j, at] = gradient * SCALE * (values[j, knot + 1] - values[j, knot])
                to_values[j, knot] += gradient * (np.float32(1) - share)
                to_values[j, knot + 1] += gradient * share
