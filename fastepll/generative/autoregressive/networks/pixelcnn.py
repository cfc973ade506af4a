"""PixelCNN: residual blocks of masked convolutions, or gated ones in two stacks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from fastepll.generative.autoregressive.networks.convolutions import (
    Above,
    Causal,
    LeftConvolution,
    MaskedConvolution,
    UpperConvolution,
)

FIRST = 7  # side of the first kernel


def pointwise(n_in: int, n_out: int) -> nn.Conv2d:
    """1 × 1 convolution."""
    return nn.Conv2d(n_in, n_out, 1)


class Places(nn.Module):
    """What is added at each place of an image: a vector of its row and one of its column."""

    def __init__(self, n: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(n, shape[0], 1))
        self.columns = nn.Parameter(torch.zeros(n, 1, shape[1]))

    def forward(self, first: int, h: int) -> torch.Tensor:
        """Of h rows from the first on, (n, h, w)."""
        return self.rows[:, first : first + h] + self.columns


class Stack(nn.Module, ABC):
    """Base of the two: features of all that precedes each pixel, and its log odds from them."""

    n_features: int

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.hidden, self.out = pointwise(n, width), pointwise(width, 1)

    @abstractmethod
    def features(self, x: torch.Tensor, first: int = 0, above: Above | None = None) -> torch.Tensor:
        """(b, n, h, w) of rows of images (b, 1, h, w) from the first on, below those kept."""

    def forward(self, x: torch.Tensor, first: int = 0, above: Above | None = None) -> torch.Tensor:
        """Log odds (b, 1, h, w)."""
        hidden = self.hidden(torch.relu(self.features(x, first, above)))
        logits: torch.Tensor = self.out(torch.relu(hidden))
        return logits


class Residual(nn.Module):
    """1 × 1 to half of the features, masked convolution, 1 × 1 to all of them, added."""

    def __init__(self, width: int, side: int, dropout: float) -> None:
        super().__init__()
        self.narrow = pointwise(2 * width, width)
        self.convolve = MaskedConvolution(width, width, side, "B")
        self.widen = pointwise(width, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, above: Above | None) -> torch.Tensor:
        """Of (b, 2 width, h, w)."""
        y = torch.relu(self.narrow(torch.relu(x)))
        y = torch.relu(self.convolve(y, above))
        widened: torch.Tensor = self.widen(self.dropout(y))
        return x + widened


class Plain(Stack):
    """One stack of masked convolutions, with its blind spot."""

    def __init__(
        self, shape: tuple[int, int], *, n_blocks: int, width: int, side: int, dropout: float
    ) -> None:
        super().__init__(2 * width, width)
        self.first = MaskedConvolution(1, 2 * width, FIRST, "A")
        self.places = Places(2 * width, shape)
        self.blocks = nn.ModuleList([Residual(width, side, dropout) for _ in range(n_blocks)])

    def features(self, x: torch.Tensor, first: int = 0, above: Above | None = None) -> torch.Tensor:
        """See `Stack.features`."""
        y = self.first(x, above)
        y = y + self.places(first, x.shape[2]).to(y.dtype)
        for block in self.blocks:
            y = block(y, above)
        return y  # type: ignore[no-any-return]


def gate(x: torch.Tensor) -> torch.Tensor:
    """One half of the features, through tanh, times the sigmoid of twice the other."""
    one, other = torch.tanh(x).chunk(2, 1)  # 1 + tanh(t) is 2 sigmoid(2 t), and sooner computed
    return one * (0.5 + 0.5 * other)


class Gated(nn.Module):
    """A layer of both stacks: that of all rows above, and that of the row, which sees the first."""

    def __init__(
        self, width: int, upper: Causal, left: Causal, dropout: float, *, residual: bool
    ) -> None:
        super().__init__()
        self.upper, self.left = upper, left
        self.across = pointwise(2 * width, 2 * width)
        self.mix = pointwise(width, width)
        self.dropout = nn.Dropout(dropout)
        self.residual = residual

    def forward(
        self,
        rows: torch.Tensor,
        row: torch.Tensor,
        places: torch.Tensor | None,
        above: Above | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (b, n_in, h, w) of the rows above and of the row, to such of width."""
        upper = self.upper(rows, above)
        if places is not None:
            upper = upper + places.to(upper.dtype)
        new = self.mix(self.dropout(gate(self.left(row, above) + self.across(upper))))
        return gate(upper), row + new if self.residual else new


class GatedStacks(Stack):
    """Two stacks without blind spot."""

    def __init__(
        self, shape: tuple[int, int], *, n_blocks: int, width: int, side: int, dropout: float
    ) -> None:
        super().__init__(width, width)
        half = side // 2
        self.first = Gated(
            width,
            UpperConvolution(1, 2 * width, FIRST // 2, FIRST, 1),
            LeftConvolution(1, 2 * width, FIRST // 2, 1),
            0.0,
            residual=False,
        )
        self.places = Places(2 * width, shape)
        self.blocks = nn.ModuleList(
            [
                Gated(
                    width,
                    UpperConvolution(width, 2 * width, half + 1, side, 0),
                    LeftConvolution(width, 2 * width, half + 1, 0),
                    dropout,
                    residual=True,
                )
                for _ in range(n_blocks)
            ]
        )

    def features(self, x: torch.Tensor, first: int = 0, above: Above | None = None) -> torch.Tensor:
        """See `Stack.features`."""
        rows, row = self.first(x, x, self.places(first, x.shape[2]), above)
        for block in self.blocks:
            rows, row = block(rows, row, None, above)
        return row  # type: ignore[no-any-return]
