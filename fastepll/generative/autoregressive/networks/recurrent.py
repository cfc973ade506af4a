"""A recurrence over strips of pixels, and the head that emits each strip."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fastepll.generative.autoregressive.networks.heads import StripHead


class RecurrentNetwork(nn.Module):
    """GRU or LSTM layers; the input of a step are the pixels before a strip."""

    def __init__(
        self,
        *,
        lstm: bool,
        n_layers: int,
        width: int,
        head: int,
        strip: int,
        before: int,
        dropout: float,
    ) -> None:
        super().__init__()
        cells = nn.LSTM if lstm else nn.GRU
        between = dropout if n_layers > 1 else 0.0
        self.cells = cells(before, width, n_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.head = StripHead(width, head, strip, dropout)

    def contexts(self, before: torch.Tensor) -> torch.Tensor:
        """What precedes each strip, (n, T, width), from the pixels before it (n, T, before)."""
        with torch.autocast("cpu", enabled=torch.is_autocast_enabled("cpu") and self._halves()):
            found: torch.Tensor = self.dropout(self.cells(before)[0])
        return found

    def _halves(self) -> bool:
        """Whether torch has the cells in bfloat16: an LSTM only where the processor has AVX-512."""
        return isinstance(self.cells, nn.GRU) or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

    def step(self, before: torch.Tensor, i: int, state: Any) -> tuple[torch.Tensor, Any]:
        """What precedes strip i, (n, 1, width), and the state with it."""
        context, state = self.cells(before, state)
        return context, state
