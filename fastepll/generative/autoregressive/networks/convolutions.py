"""Convolutions of images that see only what comes before, whole images or row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional


class Above:
    """Rows that convolutions keep of what they saw, for the image to go on below them."""

    def __init__(self) -> None:
        self.rows: dict[nn.Module, torch.Tensor] = {}
        self.next: dict[nn.Module, torch.Tensor] = {}

    def put(self, where: nn.Module, x: torch.Tensor, n: int) -> torch.Tensor:
        """Rows x (b, c, h, w) with n rows above them: those kept, or zeros."""
        kept = self.rows.get(where)
        if kept is None:
            kept = x.new_zeros(*x.shape[:2], n, x.shape[3])
        whole = torch.cat([kept, x], 2)
        self.next[where] = whole[:, :, whole.shape[2] - n :]
        return whole

    def turn(self) -> None:
        """Go on to what lies below the rows put last."""
        self.rows, self.next = self.next, {}


class Causal(nn.Module, ABC):
    """Base: a kernel whose lower right corner is ``shift`` (rows, columns) off the pixel.

    A subclass has `kernel`. Nothing is masked: there are only the weights that a mask would leave.
    """

    def __init__(self, padding: tuple[int, int], n_out: int) -> None:
        super().__init__()
        self.padding = padding  # rows above the pixel, columns on each side of it
        self.bias = nn.Parameter(torch.zeros(n_out))

    @abstractmethod
    def kernel(self) -> torch.Tensor:
        """(n_out, n_in, rows, columns)."""

    def forward(self, x: torch.Tensor, above: Above | None = None) -> torch.Tensor:
        """Of (b, n_in, h, w), below the rows kept."""
        rows, columns = self.padding
        h, w = x.shape[2:]
        if above is not None and rows:
            x, rows = above.put(self, x, rows), 0
        y = functional.conv2d(x, self.kernel(), self.bias, padding=(rows, columns))
        return y[:, :, :h, :w]


def weights(n_out: int, n_in: int, rows: int, columns: int, fan_in: int) -> nn.Parameter:
    """Random ones, uniform, of variance 1 / (3 fan_in)."""
    return nn.Parameter((2 * torch.rand(n_out, n_in, rows, columns) - 1) * fan_in**-0.5)


class MaskedConvolution(Causal):
    """The side × side kernel, masked: the rows above, and the pixels to the left (A) and it (B)."""

    def __init__(self, n_in: int, n_out: int, side: int, mask: str) -> None:
        half = side // 2
        super().__init__((half, half), n_out)
        left = half + (mask == "B")
        fan_in = n_in * (half * side + left)
        self.upper = weights(n_out, n_in, half, side, fan_in)
        self.row = weights(n_out, n_in, 1, left, fan_in)

    def kernel(self) -> torch.Tensor:
        """See `Causal.kernel`."""
        rest = self.upper.shape[3] - self.row.shape[3]
        return torch.cat([self.upper, functional.pad(self.row, (0, rest))], 2)


class UpperConvolution(Causal):
    """A full kernel of ``rows`` × side: of the rows above (shift 1), or of them and the row."""

    def __init__(self, n_in: int, n_out: int, rows: int, side: int, shift: int) -> None:
        super().__init__((rows - 1 + shift, side // 2), n_out)
        self.weight = weights(n_out, n_in, rows, side, n_in * rows * side)

    def kernel(self) -> torch.Tensor:
        """See `Causal.kernel`."""
        return self.weight


class LeftConvolution(Causal):
    """A full kernel of the pixels to the left (shift 1), or of them and the pixel."""

    def __init__(self, n_in: int, n_out: int, columns: int, shift: int) -> None:
        super().__init__((0, columns - 1 + shift), n_out)
        self.weight = weights(n_out, n_in, 1, columns, n_in * columns)

    def kernel(self) -> torch.Tensor:
        """See `Causal.kernel`."""
        return self.weight
