"""Recurrent networks over the strips of an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_choice, check_flag, check_number
from fastepll._validation.generative import check_data_shape
from fastepll.generative.autoregressive.deep import MOST_LAYERS, Settings, size
from fastepll.generative.autoregressive.strips import Strips, check_strip
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=20_000, learning_rate=2e-3, warmup=500, clip=1.0, average=0.999)


class RecurrentModel(Strips):
    """GRU or LSTM that reads an image strip by strip, and emits each by a masked head.

    A step takes the pixels before a strip, of which its state keeps what matters; from the state
    the masked head (`networks.heads.StripHead`) has the log odds of each pixel of the strip given
    those before it. With strips of one pixel this is the recurrence over pixels; with whole rows
    it takes as many steps as the image has rows.

    Parameters
    ----------
    shape : tuple of int
        ``(28, 28)``.
    metadata : mapping, optional
        JSON values.
    **arrays : array_like
        Settings (those of `fit`; ``lstm`` is 0 or 1) and weights by name, of a file.

    References
    ----------
    A. Graves, Generating sequences with recurrent neural networks, arXiv:1308.0850, 2013.
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, Pixel recurrent neural networks, ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import RecurrentModel
    >>> from fastepll.train.descent import Descent
    >>> x = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 20)
    >>> how = Descent(iterations=100, learning_rate=0.02)
    >>> model = RecurrentModel.fit(x, strip=2, before=2, width=8, head=8, how=how)
    >>> bool((model.log_prob([[0, 0, 1, 1], [1, 1, 0, 0]]) > np.log(0.4)).all())
    True
    """

    kind: ClassVar[str] = "recurrent"
    settings: ClassVar = ("lstm", "n_layers", "width", "head", "strip", "before", "dropout")

    @classmethod
    def make(cls, shape: tuple[int, ...], settings: Settings) -> torch.nn.Module:
        """See `Deep.make`."""
        from fastepll.generative.autoregressive.networks.recurrent import RecurrentNetwork

        strip, before = check_strip(shape, settings)
        return RecurrentNetwork(
            lstm=bool(size(settings, "lstm", 0, 1)),
            n_layers=size(settings, "n_layers", high=MOST_LAYERS),
            width=size(settings, "width"),
            head=size(settings, "head"),
            strip=strip,
            before=before,
            dropout=check_number("dropout", settings["dropout"], 0, 0.9),  # type: ignore[arg-type]
        )

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        cell: Literal["gru", "lstm"] = "gru",
        n_layers: int = 1,
        width: int = 256,
        head: int = 256,
        strip: int | None = None,
        before: int | None = None,
        dropout: float = 0.0,
        shape: tuple[int, ...] | None = None,
        how: Descent = HOW,
        bfloat16: bool = False,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
    ) -> RecurrentModel:
        """Fit by maximum likelihood.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
        cell : {"gru", "lstm"}
        n_layers, width : int
            Recurrent layers, and units of each.
        head : int
            Hidden units of the masked head, in each of two layers.
        strip : int, optional
            Pixels that a step emits, a divisor of a row's; by default a row.
        before : int, optional
            Pixels before the strip that a step takes; by default as many as the strip has. More
            than these let it see what lies above without having kept it.
        dropout : float
            Part of the contexts and of the head's hidden units that training leaves out.
        shape : tuple of int, optional
            Of a datum, if the rows of x are flat.
        how : Descent
        bfloat16 : bool
            Whether training computes products in bfloat16, where the processor does them fast.
        held_out, checkpoint, progress
            See `Autoregressive.train`.
        """
        check_choice("cell", cell, ("gru", "lstm"))
        sides = check_data_shape(x, shape)
        strip = sides[-1] if strip is None else strip
        model = cls.begin(
            sides,
            how.seed,
            lstm=cell == "lstm",
            n_layers=n_layers,
            width=width,
            head=head,
            strip=strip,
            before=strip if before is None else before,
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
