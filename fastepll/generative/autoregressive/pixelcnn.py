"""Convolutional networks that see only the pixels before each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.arguments import check_flag, check_number
from fastepll._validation.generative import check_data_shape
from fastepll._validation.model_arrays import Array
from fastepll.generative.autoregressive.deep import MOST_LAYERS, Deep, Settings, size
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=40_000, batch=32, learning_rate=2e-3, warmup=500, clip=1.0, average=0.999)
POOLED = 4  # cells a side of what represents an image


class PixelCNN(Deep):
    """Convolutions of the pixels before each, in raster order: masked, or gated in two stacks.

    The masked ones begin with a 7 × 7 kernel without its own pixel (mask A), then residual blocks
    whose kernels have it (mask B). However many there are, pixels above and to the right stay out
    of their sight: the blind spot. The gated ones have one stack for the rows above, all of which
    it sees, and one for the row, which reads the first. Both add a learned vector of each row and
    column, and take the log odds of a pixel from two 1 × 1 convolutions.

    Parameters
    ----------
    shape : tuple of int
        Of images: ``(28, 28)``.
    metadata : mapping, optional
        JSON values.
    **arrays : array_like
        Settings (those of `fit`) and weights by name, of a file.

    References
    ----------
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, Pixel recurrent neural networks, ICML 2016.
    A. van den Oord et al., Conditional image generation with PixelCNN decoders, NeurIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import PixelCNN
    >>> from fastepll.train.descent import Descent
    >>> x = np.array([[[0, 0], [1, 1]], [[1, 1], [0, 0]]] * 20)
    >>> how = Descent(iterations=100, learning_rate=0.02)
    >>> model = PixelCNN.fit(x, n_blocks=1, width=8, how=how)
    >>> bool((model.log_prob([[0, 0, 1, 1], [1, 1, 0, 0]]) > np.log(0.4)).all())
    True
    """

    kind: ClassVar[str] = "pixelcnn"
    settings: ClassVar = ("gated", "n_blocks", "width", "side", "dropout")

    @classmethod
    def make(cls, shape: tuple[int, ...], settings: Settings) -> torch.nn.Module:
        """See `Deep.make`."""
        import torch

        from fastepll.generative.autoregressive.networks import pixelcnn as networks

        if len(shape) != 2:
            raise ValueError(f"shape must be that of images, (h, w), got {shape}")
        side = size(settings, "side", 3, 15)
        if side % 2 == 0:
            raise ValueError(f"side must be odd, got {side}")
        network = networks.GatedStacks if size(settings, "gated", 0, 1) else networks.Plain
        module: torch.nn.Module = network(
            shape,
            n_blocks=size(settings, "n_blocks", 0, MOST_LAYERS),
            width=size(settings, "width"),
            side=side,
            dropout=check_number("dropout", settings["dropout"], 0, 0.9),  # type: ignore[arg-type]
        )
        return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        gated: bool = False,
        n_blocks: int = 7,
        width: int = 32,
        side: int = 3,
        dropout: float = 0.0,
        shape: tuple[int, int] | None = None,
        how: Descent = HOW,
        bfloat16: bool = False,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
    ) -> PixelCNN:
        """Fit by maximum likelihood.

        Parameters
        ----------
        x : array_like, shape (n, h, w), or (n, d) with ``shape``
        gated : bool
            Two gated stacks, without blind spot, in the place of masked residual blocks.
        n_blocks : int
            After the first convolution.
        width : int
            Features of a gated stack; a masked block narrows twice as many to these.
        side : int
            Of the kernels in the blocks, odd.
        dropout : float
            Part of a block's features that training leaves out.
        shape : tuple of int, optional
            Of an image, if the rows of x are flat.
        how : Descent
        bfloat16 : bool
            Whether training computes products in bfloat16, where the processor does them fast.
        held_out, checkpoint, progress
            See `Autoregressive.train`.
        """
        model = cls.begin(
            check_data_shape(x, shape),
            how.seed,
            gated=check_flag("gated", gated),
            n_blocks=n_blocks,
            width=width,
            side=side,
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

    def logits(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """See `Autoregressive.logits`."""
        found: torch.Tensor = module(x.view(-1, 1, *self.shape))
        return found.flatten(1).to(x.dtype)

    def _represent(self, x: Array) -> Array:
        """Mean of the features in each of at most 4 × 4 cells of the image, (n, cells × n)."""
        import torch

        cells = (min(POOLED, self.shape[0]), min(POOLED, self.shape[1]))
        network: Any = self.network

        def pooled(rows: torch.Tensor) -> torch.Tensor:
            features = network.features(rows.view(-1, 1, *self.shape))
            return torch.nn.functional.adaptive_avg_pool2d(features, cells).flatten(1)

        return self.in_chunks(pooled, x)

    def _complete(self, x: Array, begin: int, rng: np.random.Generator) -> Array:
        """One row of all features for each pixel, below the rows that each convolution keeps."""
        return self.in_chunks(partial(self._go_on, begin), x, rng.random(x.shape))

    def _go_on(self, begin: int, x: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """Pixels from the begin-th on, each 1 where its uniform number is below its probability."""
        import torch

        from fastepll.generative.autoregressive.networks.convolutions import Above

        images, module, above = x.view(-1, 1, *self.shape).clone(), self.network, Above()
        uniform = uniform.view_as(images)
        first, column = divmod(begin, self.shape[1])
        if first:
            module(images[:, :, :first], 0, above)
            above.turn()
        for i in range(first, self.shape[0]):
            row = images[:, :, i : i + 1]
            for j in range(column, self.shape[1]):
                p = torch.sigmoid(module(row, i, above)[..., j])
                row[..., j] = (uniform[:, :, i : i + 1, j] < p).to(x.dtype)
            module(row, i, above)
            above.turn()
            column = 0
        return images.flatten(1)
