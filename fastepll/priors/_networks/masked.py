"""A network whose output i depends on coordinates before i alone (MADE)."""

from __future__ import annotations

import torch
from torch.nn.functional import linear, silu

from fastepll.priors._networks.contrast import Contrast
from fastepll.priors._networks.precision import products

LARGEST = 6.0  # log scale, in either direction


def bounded(log_scale: torch.Tensor) -> torch.Tensor:
    """Log scales within `LARGEST`, so that nothing overflows where no patch was."""
    return LARGEST * torch.tanh(log_scale / LARGEST)


class MaskedLinear(torch.nn.Module):
    """A linear map, some of whose weights have no part in it.

    Parameters
    ----------
    before, after : tensor of int
        Degrees of inputs and outputs: how many coordinates each may have seen. An output has the
        inputs that have seen no more than it.
    scale : float
        Of the outputs, for inputs of variance 1.
    """

    def __init__(self, before: torch.Tensor, after: torch.Tensor, scale: float = 1.0) -> None:
        super().__init__()
        self.mask = (before <= after[:, None]).float()
        fan = self.mask.sum(1, keepdim=True).clamp(min=1)
        self.weight = torch.nn.Parameter(scale * torch.randn(self.mask.shape) / fan.sqrt())
        self.bias = torch.nn.Parameter(torch.zeros(len(after)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, outputs)."""
        return linear(x, self.weight * self.mask, self.bias)


class MaskedNetwork(torch.nn.Module):
    """Outputs for each coordinate, of those before it; residual hidden layers.

    Parameters
    ----------
    q : int
        Coordinates.
    hidden : int
        Units of a layer.
    depth : int
        Hidden layers, at least 1.
    n_outputs : int
        For each coordinate.
    floor : float
        If not 0, what units of the first layer sum is divided by the contrast of the coordinates
        that they see, whose log is one more of their inputs; this is its floor
        where a run begins.
    """

    def __init__(self, q: int, hidden: int, depth: int, n_outputs: int, *, floor: float) -> None:
        super().__init__()
        self.halved = False  # whether to multiply matrices in bfloat16
        self.shape = n_outputs, q
        self.degrees = torch.arange(hidden) * (q - 1) // hidden + 1
        self.degrees.clamp_(max=max(q - 1, 0))
        self.contrast = Contrast(q, floor) if floor else None
        self.first = MaskedLinear(torch.arange(q) + 1, self.degrees)
        if floor:
            self.by_contrast = torch.nn.Parameter(0.3 * torch.randn(hidden))
        self.hidden = torch.nn.ModuleList(
            MaskedLinear(self.degrees, self.degrees) for _ in range(depth - 1)
        )
        self.last = MaskedLinear(self.degrees, torch.arange(q).repeat(n_outputs), scale=0.1)

    def forward(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs (n, n_outputs, q), and the log of the contrast before each coordinate (n, q)."""
        log_r = torch.zeros_like(y) if self.contrast is None else self.contrast(y)
        if self.contrast is None:
            x = self.first(y)
        else:
            seen = log_r[:, self.degrees]
            x = linear(y, self.first.weight * self.first.mask) / seen.exp()
            x = x + self.by_contrast * seen + self.first.bias
        x = silu(x)
        with products(halved=self.halved):
            for layer in self.hidden:
                x = x + silu(layer(x))
            outputs = self.last(x)
        return outputs.to(y.dtype).unflatten(1, self.shape), log_r
