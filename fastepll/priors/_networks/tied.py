"""A hidden layer whose weights all conditionals share (NADE)."""

from __future__ import annotations

import torch
from torch.nn.functional import silu

from fastepll.priors._networks.contrast import Contrast


class TiedNetwork(torch.nn.Module):
    """Outputs for each coordinate, of hidden units that sum those before it.

    Hidden units of coordinate i are h_i = silu(exp(s_i) sum_{j<i} W_j y_j / r_i + v log r_i + c),
    its outputs V_i h_i. W and c are one for all i, s_i scales the activations, and r_i is 1 or the
    contrast of the coordinates before i.

    Parameters
    ----------
    q, hidden, n_outputs : int
        Coordinates, hidden units, and outputs for each coordinate.
    floor : float
        If not 0, activations are divided by the contrast; this is its floor
        where a run begins.
    """

    def __init__(self, q: int, hidden: int, n_outputs: int, *, floor: float) -> None:
        super().__init__()
        self.contrast = Contrast(q, floor) if floor else None
        self.weight = torch.nn.Parameter(torch.randn(q, hidden) / q**0.5)
        self.log_scale = torch.nn.Parameter(torch.zeros(q))
        self.bias = torch.nn.Parameter(torch.zeros(hidden))
        if floor:
            self.by_contrast = torch.nn.Parameter(0.3 * torch.randn(hidden))
        self.outputs = torch.nn.Parameter(0.1 * torch.randn(q, hidden, n_outputs) / hidden**0.5)
        self.before = torch.ones(q, q).tril(-1)

    def forward(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs (n, n_outputs, q), and the log of the contrast before each coordinate (n, q)."""
        log_r = torch.zeros_like(y) if self.contrast is None else self.contrast(y)
        scale = (self.log_scale - log_r).exp().T  # (q, n)
        seen = self.before.to(y.dtype)[:, None] * scale[:, :, None] * y  # (q, n, q)
        x = seen @ self.weight + self.bias
        if self.contrast is not None:
            x = x + self.by_contrast * log_r.T[:, :, None]
        return torch.bmm(silu(x), self.outputs).permute(1, 2, 0), log_r
