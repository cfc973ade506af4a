"""A masked autoregressive flow: layers that make coordinates normal, one by those before it."""

from __future__ import annotations

import math
from typing import Any

import torch

from fastepll.priors._networks.conditionals import Conditionals
from fastepll.priors._networks.contrast import FLOOR
from fastepll.priors._networks.masked import MaskedNetwork, bounded


class AffineLayer(torch.nn.Module):
    """z_i = (y_i / r_i - m_i) exp(-s_i), m and s of the coordinates before i.

    Parameters
    ----------
    network : module
        Takes y (n, q) to m and s, (n, 2, q), and to log r.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows z (n, q), and the log of the determinant of dz/dy (n,)."""
        outputs, log_r = self.network(y)
        m, s = outputs[:, 0], bounded(outputs[:, 1])
        return (y / log_r.exp() - m) / s.exp(), -(log_r + s).sum(1)

    def invert(self, z: torch.Tensor) -> torch.Tensor:
        """The rows y, coordinate by coordinate."""
        y = torch.zeros_like(z)
        for i in range(z.shape[1]):
            outputs, log_r = self.network(y)
            m, s = outputs[:, 0, i], bounded(outputs[:, 1, i])
            y[:, i] = (z[:, i] * s.exp() + m) * log_r[:, i].exp()
        return y


class Flow(torch.nn.Module):
    """Layers with the coordinates reversed between them, and the density of what comes out.

    Parameters
    ----------
    q, n_layers : int
        Coordinates, and affine layers.
    hidden, depth : int
        Of the network of each layer.
    n_mixture : int
        0: what comes out is normal; else it has `Conditionals` of so many Gaussians each.
    contrast : bool
        Whether networks divide by the contrast. Beyond the first its floor begins at 1, where it
        is nearly 1 itself for coordinates that are nearly normal.
    """

    def __init__(
        self, q: int, n_layers: int, hidden: int, depth: int, n_mixture: int, *, contrast: bool
    ) -> None:
        super().__init__()
        self.layers: Any = torch.nn.ModuleList(
            AffineLayer(MaskedNetwork(q, hidden, depth, 2, floor=contrast * (1.0 if k else FLOOR)))
            for k in range(n_layers)
        )
        self.shift = torch.nn.Parameter(torch.zeros(n_layers, q))
        self.log_scale = torch.nn.Parameter(torch.zeros(n_layers, q))
        self.base = (
            Conditionals(
                MaskedNetwork(q, hidden, depth, 3 * n_mixture, floor=float(contrast)),
                q,
                n_mixture,
                student=False,
            )
            if n_mixture
            else None
        )

    def latent(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What comes out, (n, q), and the log of the determinant (n,)."""
        log_det = y.new_zeros(len(y))
        for layer, shift, scale in zip(self.layers, self.shift, self.log_scale, strict=True):
            y, more = layer(y)
            y = ((y - shift) / scale.exp()).flip(1)
            log_det = log_det + more - scale.sum()
        return y, log_det

    def invert(self, z: torch.Tensor) -> torch.Tensor:
        """The rows that z (n, q) comes from."""
        for k in reversed(range(len(self.layers))):
            z = z.flip(1) * self.log_scale[k].exp() + self.shift[k]
            z = self.layers[k].invert(z)
        return z

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of rows, (n,)."""
        z, log_det = self.latent(y)
        if self.base is not None:
            log_density: torch.Tensor = log_det + self.base(z)
            return log_density
        return log_det - z.square().sum(1) / 2 - z.shape[1] * math.log(2 * math.pi) / 2
