"""A prior of patches beside that of a network: its likelihood, or a splitting with its denoiser."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from fastepll.priors.choice import Model
from fastepll.restoration.denoise import denoise
from fastepll.torch import expected_patch_log_likelihood

EVERY = 10
"""Iterations from one step of the denoiser of `Splitting` to the next."""


class Penalty(Protocol):
    """What a fit adds to the mean square residual."""

    def __call__(self, image: torch.Tensor, i: int) -> torch.Tensor:
        """Of the image (1, channels, height, width) in iteration i."""

    def state(self) -> dict[str, Any]:
        """Arrays from which `restore` goes on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class Likelihood:
    """Minus the expected patch log likelihood of an image.

    Parameters
    ----------
    model
        The prior.
    sigma : float
        Noise of the density, in units of the data range.
    weight : float
        Of the nats, in the units of the mean square residual.
    span : float
        Range of the image, of which the network gives [0, 1], in units of the data range.
    """

    def __init__(self, model: Model, sigma: float, weight: float, span: float) -> None:
        self.model, self.sigma, self.weight, self.span = model, sigma, weight, span

    def __call__(self, image: torch.Tensor, i: int) -> torch.Tensor:
        """Of the image in iteration i."""
        nats = expected_patch_log_likelihood(self.span * image, self.model, sigma=self.sigma)
        return -self.weight * nats.sum().to(image)

    def state(self) -> dict[str, Any]:
        """See `Penalty`."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Penalty`."""


class Splitting:
    """Square distance to an image that a step of `fastepll.denoise` gave now and then.

    The alternating direction method of multipliers: the denoised image is a copy of the network's,
    and what the two differed by so far pulls them together (DeepRED has the same splitting).

    Parameters
    ----------
    model
        The prior.
    sigma : float
        Noise that the denoiser takes off, in units of the data range.
    weight : float
        Of the mean square distance, in units of the mean square residual.
    span : float
        See `Likelihood`.
    """

    def __init__(self, model: Model, sigma: float, weight: float, span: float) -> None:
        self.model, self.sigma, self.weight, self.span = model, sigma, weight, span
        self.copy = self.apart = torch.empty(0)

    def __call__(self, image: torch.Tensor, i: int) -> torch.Tensor:
        """Of the image in iteration i."""
        if i % EVERY == 0 or not self.copy.numel():
            with torch.no_grad():
                if not self.apart.numel():
                    self.apart = torch.zeros_like(image)
                given = self.span * (image - self.apart)[0].cpu().numpy()
                clean = denoise(given, self.sigma, model=self.model, channel_axis=0, data_range=1.0)
                self.copy = torch.as_tensor(clean[None]).to(image) / self.span
                self.apart = self.apart + self.copy - image
        return self.weight * ((image - self.copy - self.apart) ** 2).mean()

    def state(self) -> dict[str, Any]:
        """See `Penalty`."""
        return {"copy": self.copy.cpu().numpy(), "apart": self.apart.cpu().numpy()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Penalty`."""
        self.copy, self.apart = (torch.as_tensor(np.array(state[k])) for k in ("copy", "apart"))
