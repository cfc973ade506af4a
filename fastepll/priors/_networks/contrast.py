"""How large a coordinate is to be expected, by the squares of those before it."""

from __future__ import annotations

import torch

FLOOR = 0.02  # of whitened coordinates of patches
PRIOR = 4.0  # coordinates that the floor counts for


class Contrast(torch.nn.Module):
    """Log of r_i = sqrt(b_i + sum_{j<i} a_ij y_j²), a and b positive.

    The contrast of patches varies by orders of magnitude while their forms stay: what is divided
    by r is nearly free of it.

    Parameters
    ----------
    q : int
        Coordinates.
    floor : float
        Mean square below which r hardly goes where a run begins, of coordinates of mean square 1.
    """

    def __init__(self, q: int, floor: float) -> None:
        super().__init__()
        count = PRIOR + torch.arange(q)[:, None]
        self.log_weights = torch.nn.Parameter(-count.log().repeat(1, q))
        self.log_floor = torch.nn.Parameter((floor * PRIOR / count[:, 0]).log())
        with torch.no_grad():
            self.log_floor[0] = 0.0
        self.before = torch.ones(q, q).tril(-1)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Log r, (n, q)."""
        weights = self.before.to(y.dtype) * self.log_weights.exp()
        return torch.log(y.square() @ weights.T + self.log_floor.exp()) / 2
