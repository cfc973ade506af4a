"""The reaction diffusion as a module of torch: what `fastepll.train.diffusion` trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, fold, interpolate, unfold

from fastepll.backends.diffusion import counts
from fastepll.models.diffusion import ReactionDiffusion

SIGMAS = (2.0, 5.0, 10.0, 15.0, 25.0, 35.0, 50.0, 75.0)  # of 255
REACH, KNOTS = 4.0, 41
FILTERS = {"analysis": 1, "values": 1, "synthesis": 2}  # the axis of each, from levels on
SCALE = np.float32((KNOTS - 1) / (2 * REACH))  # knots in a unit of response


class DiffusionNetwork(torch.nn.Module):
    """Its parameters at a noise level are what all levels share, and a share of two levels' own.

    Filters are trained as what they take of cosines, each of the size that it has in photographs:
    so a step of descent changes responses to all of them alike.

    Parameters
    ----------
    halvings : sequence of int
        Of each step, how often the image is halved for it.
    n_filters, side : int
        side x side is a patch.
    guided : bool
        Whether its steps see a guide instead of the noisy image (`ReactionDiffusion`).
    """

    analysis: torch.nn.Parameter
    values: torch.nn.Parameter
    synthesis: torch.nn.Parameter
    reaction: torch.nn.Parameter
    own_reaction: torch.nn.Parameter
    to_pixels: torch.Tensor
    basis: torch.Tensor

    def __init__(
        self, halvings: Sequence[int], n_filters: int, side: int, *, guided: bool = False
    ) -> None:
        super().__init__()
        self.halvings, self.side, self.guided = tuple(halvings), side, guided
        d, m = side * side, len(SIGMAS)
        rng = np.random.default_rng(0)
        filters = np.eye(d)[1:]
        more = rng.standard_normal((max(0, n_filters - len(filters)), d)) / side
        filters = np.concatenate([filters, more])[:n_filters]
        basis, sizes = cosines(side), usual_sizes(side)
        none, of_image = np.zeros_like(basis), basis / sizes[:, None]
        of_image[0] = 0  # no response to a constant
        to_pixels = np.block([[of_image, none], [none, of_image if guided else basis]])
        self.register_buffer("to_pixels", torch.tensor(to_pixels, dtype=torch.float32))
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32))
        knots = np.linspace(-REACH, REACH, KNOTS)
        shared = {
            "analysis": np.concatenate([filters * sizes, np.zeros_like(filters)], 1),
            "values": np.tile(knots * np.exp(-(knots**2) / 2), (n_filters, 1)),
            "synthesis": -0.1 * filters.T,
            "reaction": np.array(0.0 if guided else 0.05),
        }
        self.names = tuple(shared)
        for name, value in shared.items():
            first = torch.tensor(value, dtype=torch.float32).repeat(
                len(halvings), *[1] * value.ndim
            )
            self.register_parameter(name, torch.nn.Parameter(first))
            own = torch.zeros(m, *first.shape)
            self.register_parameter(f"own_{name}", torch.nn.Parameter(own))
        for each in (self.reaction, self.own_reaction):
            each.requires_grad_(not guided)

    def take(self, model: ReactionDiffusion) -> None:
        """Go on from a model: its steps become the last ones here, and those before add nothing.

        Of its filters those that change patches most are taken. ValueError if they are too few, or
        its steps and patches are others.
        """
        n_filters, first = self.values.shape[1], len(self.halvings) - model.n_steps
        shape = model.arrays["values"].shape
        if (
            model.patch_shape != (self.side, self.side)
            or model.guided != self.guided
            or model.halvings != self.halvings[max(first, 0) :]
            or shape[0] != len(SIGMAS)
            or shape[2] < n_filters
            or shape[3] != KNOTS
        ):
            raise ValueError(
                f"start must have at least {n_filters} filters of {self.side}x{self.side}, be of "
                f"the last of halvings {self.halvings} and sigmas {SIGMAS}, and guided as here"
            )
        found = {name: list(model.arrays[name].swapaxes(0, 1)) for name in self.names}
        for i, (values, synthesis) in enumerate(
            zip(found["values"], found["synthesis"], strict=True)
        ):
            sizes = (np.linalg.norm(synthesis, axis=1) * values.std(axis=2)).mean(0)
            kept = np.sort(np.argsort(-sizes, kind="stable")[:n_filters])
            for name, axis in FILTERS.items():
                found[name][i] = found[name][i].take(kept, axis)
        with torch.no_grad():
            self.synthesis[:first] = 0
            self.reaction[:first] = 0
            for name in self.names:
                taken = torch.from_numpy(np.stack(found[name], 1)).float()
                if name == "analysis":
                    taken = taken @ torch.linalg.pinv(self.to_pixels.double()).float()
                elif name == "synthesis":
                    taken = self.basis @ taken
                self.get_parameter(name)[first:] = taken.mean(0)
                self.get_parameter(f"own_{name}")[:, first:] = taken - taken.mean(0)

    def at(self, sigma: float) -> dict[str, torch.Tensor]:
        """Parameters (n_steps, ...) at a noise level."""
        place = float(np.interp(math.log(sigma), np.log(SIGMAS), np.arange(len(SIGMAS))))
        low = min(int(place), len(SIGMAS) - 2)
        share, found = place - low, {}
        for name in self.names:
            own = self.get_parameter(f"own_{name}")
            found[name] = self.get_parameter(name) + own[low] * (1 - share) + own[low + 1] * share
        found["analysis"] = found["analysis"] @ self.to_pixels
        found["synthesis"] = self.basis.T @ found["synthesis"]
        return found

    def forward(self, image: torch.Tensor, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """Images (n, 1, h, w) of intensities in [0, 255] after all steps.

        Guided ones take the guide for the noisy images. Their sizes are multiples of those of the
        pixels of the smallest.
        """
        for halvings, *step in zip(self.halvings, *self.at(sigma).values(), strict=True):
            size = 2**halvings
            small, small_noisy = (avg_pool2d(each, size) for each in (image, noisy))
            change = self._change(small, small_noisy, sigma / size, step)
            for _ in range(halvings):
                change = interpolate(change, scale_factor=2.0, mode="bilinear")
            image = image + change
        return image

    def _change(
        self, image: torch.Tensor, noisy: torch.Tensor, sigma: float, step: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """What a step adds to images."""
        analysis, values, synthesis, reaction = step
        p, n, size = self.side, len(image), tuple(image.shape[-2:])
        features = unfold(torch.cat([image, noisy if self.guided else noisy - image], 1), p)
        filters = (analysis / sigma).expand(n, -1, -1)
        found = Influence.apply(filters.bmm(features), values)  # type: ignore[no-untyped-call]
        sums = fold((synthesis * sigma).expand(n, -1, -1).bmm(found), size, p)
        return sums / torch.from_numpy(counts(size, (p, p))).float() + reaction * (noisy - image)

    def model(self, metadata: dict[str, Any]) -> ReactionDiffusion:
        """The model of its parameters."""
        with torch.no_grad():
            at = [self.at(sigma) for sigma in SIGMAS]
            arrays = {name: np.stack([one[name].numpy() for one in at]) for name in self.names}
        return ReactionDiffusion(
            (self.side, self.side),
            sigmas=np.array(SIGMAS) / 255,
            reach=REACH,
            halvings=self.halvings,
            guided=self.guided,
            metadata=metadata,
            **arrays,
        )


def usual_sizes(side: int) -> NDArray[np.float64]:
    """Standard deviation of each cosine in photographs after "fast", in noise of sigma 25."""
    rows, cols = np.unravel_index(order(side), (side, side))
    radius = np.hypot(rows, cols) * 8 / side
    return np.asarray(2.9 * np.maximum(radius, 1) ** -1.75)


def order(side: int) -> NDArray[np.intp]:
    """Cosines of a patch by rising frequency."""
    k = np.arange(side)
    return np.argsort(np.add.outer(k**2, k**2).ravel(), kind="stable")


def cosines(side: int) -> NDArray[np.float64]:
    """Orthonormal cosines (d, d) of a patch, by rising frequency."""
    k, x = np.arange(side)[:, None], np.arange(side)
    basis = np.cos(np.pi * (2 * x + 1) * k / (2 * side)) * np.sqrt(2 / side)
    basis[0] /= np.sqrt(2)
    both = np.einsum("ax,by->abxy", basis, basis).reshape(side * side, -1)
    return np.asarray(both[order(side)])


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
