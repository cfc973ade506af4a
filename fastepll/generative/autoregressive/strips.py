"""Models that read an image in strips of a row: a context of each strip, and a head that emits it.

log p(x) = sum_t sum_i log p(x_ti | x_t1 … x_t(i-1), c_t), where c_t is a function of the strips
before the t-th: a sequence shorter by the strip's pixels, and as exactly normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastepll._validation.model_arrays import Array
from fastepll.generative.autoregressive.deep import Deep, Settings, size

if TYPE_CHECKING:
    import torch


class Strips(Deep):
    """Base of the models by strips, in raster order.

    The modules that a subclass makes have ``contexts``, ``step`` (the same, strip by strip, with a
    state), and a ``head``.
    """

    def __init__(self, shape: Sequence[int], metadata: Any = None, **arrays: Any) -> None:
        super().__init__(shape, metadata, **arrays)
        self.strip, self.before = (int(self._settings[name]) for name in ("strip", "before"))

    @property
    def n_parameters(self) -> int:
        """Free parameters: the weights that are not masked."""
        masks = (value for name, value in self.network.named_buffers() if name.endswith("mask"))
        return super().n_parameters - sum(int((mask == 0).sum()) for mask in masks)

    def logits(self, module: Any, x: torch.Tensor) -> torch.Tensor:
        """See `Autoregressive.logits`."""
        contexts = module.contexts(self._before(x))
        found: torch.Tensor = module.head(contexts, x.view(len(x), -1, self.strip))
        return found.flatten(1).to(x.dtype)

    def _before(self, x: torch.Tensor) -> torch.Tensor:
        """Pixels before each strip (n, T, before) of rows (n, d), zeros where there are none."""
        import torch

        padded = torch.nn.functional.pad(x, (self.before, 0))
        return padded.unfold(1, self.before, self.strip)[:, : self.d // self.strip]

    def _represent(self, x: Array) -> Array:
        """Mean of the contexts, (n, width)."""
        network: Any = self.network
        return self.in_chunks(lambda rows: network.contexts(self._before(rows)).mean(1), x)

    def _complete(self, x: Array, begin: int, rng: np.random.Generator) -> Array:
        """One step for each strip, and the head for each of its pixels."""
        return self.in_chunks(partial(self._go_on, begin), x, rng.random(x.shape))

    def _go_on(self, begin: int, x: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """Pixels from the begin-th on, each 1 where its uniform number is below its probability."""
        import torch

        module: Any = self.network
        before = self.before
        rows = torch.nn.functional.pad(x, (before, 0))
        state = None
        for t in range(self.d // self.strip):
            first = t * self.strip
            context, state = module.step(rows[:, None, first : first + before], t, state)
            strip = rows[:, None, before + first : before + first + self.strip]
            for i in range(max(begin - first, 0), self.strip):
                p = torch.sigmoid(module.head(context, strip)[..., i])
                strip[..., i] = (uniform[:, None, first + i] < p).to(x.dtype)
        return rows[:, before:]


def check_strip(shape: tuple[int, ...], settings: Settings) -> tuple[int, int]:
    """Pixels of a strip, which fill a row of the image, and how many before it a step reads."""
    strip = size(settings, "strip", high=shape[-1])
    if shape[-1] % strip:
        raise ValueError(f"strip must divide the {shape[-1]} pixels of a row, got {strip}")
    return strip, size(settings, "before")
