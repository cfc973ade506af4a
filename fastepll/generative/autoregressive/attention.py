"""A transformer over the strips of an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_flag, check_number
from fastepll._validation.generative import check_data_shape
from fastepll.generative.autoregressive.deep import MOST_LAYERS, Settings, size
from fastepll.generative.autoregressive.strips import Strips, check_strip
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

HOW = Descent(
    iterations=20_000,
    batch=50,
    learning_rate=1e-3,
    warmup=1000,
    weight_decay=0.01,
    clip=1.0,
    average=0.999,
)


class CausalAttention(Strips):
    """Transformer decoder whose tokens are strips of pixels, each emitted by a masked head.

    Token t holds the pixels before strip t and the strip's row and column (learned vectors); it
    attends to itself and the tokens before it, in blocks that normalise first. From what comes out
    the masked head (`networks.heads.StripHead`) has the log odds of each pixel of the strip given
    those before it. Samples keep the keys and values of the tokens so far.

    Parameters
    ----------
    shape : tuple of int
        ``(28, 28)``.
    metadata : mapping, optional
        JSON values.
    **arrays : array_like
        Settings (those of `fit`) and weights by name, of a file.

    References
    ----------
    A. Vaswani et al., Attention is all you need, NeurIPS 2017.
    N. Parmar et al., Image transformer, ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import CausalAttention
    >>> from fastepll.train.descent import Descent
    >>> x = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 20)
    >>> how = Descent(iterations=100, learning_rate=0.02)
    >>> model = CausalAttention.fit(x, strip=2, width=8, n_heads=2, n_blocks=1, head=8, how=how)
    >>> bool((model.log_prob([[0, 0, 1, 1], [1, 1, 0, 0]]) > np.log(0.4)).all())
    True
    """

    kind: ClassVar[str] = "attention"
    settings: ClassVar = ("n_blocks", "width", "n_heads", "head", "strip", "before", "dropout")

    @classmethod
    def make(cls, shape: tuple[int, ...], settings: Settings) -> torch.nn.Module:
        """See `Deep.make`."""
        from fastepll.generative.autoregressive.networks.attention import AttentionNetwork

        strip, before = check_strip(shape, settings)
        width, n_heads = size(settings, "width"), size(settings, "n_heads")
        if width % n_heads:
            raise ValueError(f"n_heads must divide width = {width}, got {n_heads}")
        return AttentionNetwork(
            n_blocks=size(settings, "n_blocks", high=MOST_LAYERS),
            width=width,
            n_heads=n_heads,
            head=size(settings, "head"),
            strip=strip,
            before=before,
            dropout=check_number("dropout", settings["dropout"], 0, 0.9),  # type: ignore[arg-type]
            grid=(math.prod(shape[:-1]), shape[-1] // strip),
        )

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        n_blocks: int = 4,
        width: int = 128,
        n_heads: int = 4,
        head: int = 128,
        strip: int = 7,
        before: int | None = None,
        dropout: float = 0.0,
        shape: tuple[int, ...] | None = None,
        how: Descent = HOW,
        bfloat16: bool = False,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
    ) -> CausalAttention:
        """Fit by maximum likelihood.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
        n_blocks, width, n_heads : int
            Blocks, values of a token, and heads of the attention, which divide the values.
        head : int
            Hidden units of the masked head, in each of two layers.
        strip : int
            Pixels of a strip, a divisor of a row's; 1: a token for each pixel.
        before : int, optional
            Pixels that a token holds; by default a row and a strip: from what lies above the one
            before, on. Of digits that was learnt far sooner than with the strip before alone.
        dropout : float
            Part of the values that training leaves out.
        shape : tuple of int, optional
            Of a datum, if the rows of x are flat.
        how : Descent
        bfloat16 : bool
            Whether training computes products in bfloat16, where the processor does them fast.
        held_out, checkpoint, progress
            See `Autoregressive.train`.
        """
        sides = check_data_shape(x, shape)
        model = cls.begin(
            sides,
            how.seed,
            n_blocks=n_blocks,
            width=width,
            n_heads=n_heads,
            head=head,
            strip=strip,
            before=sides[-1] + strip if before is None else before,
            dropout=dropout,
        )
        return model.train(
            x,
            how,
            held_out=held_out,
            checkpoint=checkpoint,
            progress=progress,
            loss=model.training_loss(bfloat16=check_flag("bfloat16", bfloat16)),
        )
