"""A transformer over strips of pixels, and the head that emits each strip."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fastepll.generative.autoregressive.networks.heads import StripHead

GROWTH = 4  # of the hidden layer


class Block(nn.Module):
    """Causal attention and a hidden layer, each after a normalisation and added to its input."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.before_hidden = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, GROWTH * width)
        self.out = nn.Linear(GROWTH * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, past: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take (n, T, width) to the same, and keys and values (2, n, heads, T, width / heads).

        With those of a ``past``, x is the one step after it.
        """
        n, length, width = x.shape
        parts = self.queries_keys_values(self.before_attention(x))
        parts = parts.view(n, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        query, seen = parts[0], parts[1:]
        if past is not None:
            seen = torch.cat([past, seen], 3)
        with torch.autocast("cpu", enabled=False):  # short sequences: sooner done in float32
            key, value = seen.to(x.dtype)
            mixed = functional.scaled_dot_product_attention(
                query.to(x.dtype), key, value, is_causal=past is None
            )
        x = x + self.dropout(self.mix(mixed.transpose(1, 2).reshape(n, length, width)))
        hidden = functional.gelu(self.hidden(self.before_hidden(x)))
        return x + self.dropout(self.out(hidden)), seen


class AttentionNetwork(nn.Module):
    """Transformer whose token i holds the pixels before strip i and where that strip lies."""

    place: torch.Tensor

    def __init__(
        self,
        *,
        n_blocks: int,
        width: int,
        n_heads: int,
        head: int,
        strip: int,
        before: int,
        dropout: float,
        grid: tuple[int, int],
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(before, width)
        self.rows = nn.Parameter(0.02 * torch.randn(grid[0], width))
        self.columns = nn.Parameter(0.02 * torch.randn(grid[1], width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([Block(width, n_heads, dropout) for _ in range(n_blocks)])
        self.normalise = nn.LayerNorm(width)
        self.head = StripHead(width, head, strip, dropout)

    def places(self) -> torch.Tensor:
        """Of all strips, (T, width)."""
        return (self.rows[:, None] + self.columns).flatten(0, 1)

    def contexts(self, before: torch.Tensor) -> torch.Tensor:
        """What precedes each strip, (n, T, width), from the pixels before it (n, T, before)."""
        x = self.dropout(self.embed(before) + self.places())
        for block in self.blocks:
            x, _ = block(x)
        found: torch.Tensor = self.normalise(x)
        return found

    def step(self, before: torch.Tensor, i: int, state: Any) -> tuple[torch.Tensor, Any]:
        """What precedes strip i, (n, 1, width), and the keys and values with it."""
        x = self.embed(before) + self.places()[i]
        seen = []
        for block, past in zip(self.blocks, state or [None] * len(self.blocks), strict=True):
            x, kept = block(x, past)
            seen.append(kept)
        return self.normalise(x), seen
