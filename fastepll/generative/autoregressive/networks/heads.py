"""What emits the pixels of a strip one after another, given all that comes before the strip."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Masked(nn.Linear):
    """Linear map whose output j depends on input i only where ``mask[j, i]``."""

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        n_out, n_in = mask.shape
        super().__init__(n_in, n_out, bias=False)
        self.register_buffer("mask", mask.float(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (..., n_in)."""
        return functional.linear(x, self.weight * self.mask)


class StripHead(nn.Module):
    """Masked autoencoder of a strip (MADE) that a context conditions.

    Hidden unit u sees the first u mod strip pixels and the whole context; pixel i sees the units
    that see no more than the i pixels before it, and directly the context and those pixels.
    """

    def __init__(self, n_context: int, width: int, strip: int, dropout: float = 0.0) -> None:
        super().__init__()
        seen, pixel = torch.arange(width) % strip, torch.arange(strip)
        self.context = nn.Linear(n_context, width)
        self.pixels = Masked(pixel < seen[:, None])
        self.hidden = Masked(seen <= seen[:, None])
        self.bias = nn.Parameter(torch.zeros(width))
        self.out = Masked(seen <= pixel[:, None])
        self.direct = nn.Linear(n_context, strip)
        self.earlier = Masked(pixel < pixel[:, None])
        self.dropout = nn.Dropout(dropout)

    def forward(self, context: torch.Tensor, strip: torch.Tensor) -> torch.Tensor:
        """Log odds (..., strip) of the pixels of strips, given contexts (..., n_context)."""
        h = torch.relu(self.context(context) + self.pixels(strip))
        h = torch.relu(self.hidden(self.dropout(h)) + self.bias)
        logits: torch.Tensor = self.out(self.dropout(h)) + self.direct(context)
        return logits.add(self.earlier(strip))
