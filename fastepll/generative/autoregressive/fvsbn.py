"""Fully visible sigmoid belief network: each variable by logistic regression on those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.generative import check_data_shape
from fastepll.generative.autoregressive.base import Autoregressive, log_odds
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=5000, batch=200, learning_rate=5e-3, average=0.999)


class FVSBN(Autoregressive):
    """log p(x) = Σ_i log p(x_i | x_<i), p(x_i = 1 | x_<i) = σ(b_i + Σ_j<i W_ij x_j).

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    order : array_like of int, shape (d,)
        ``order[i]`` is the variable that comes i-th.
    W : array_like, shape (d, d)
        ``W[i, j]``, where j comes before i in the order; elsewhere it has no part in it.
    b : array_like, shape (d,)

    Raises
    ------
    ValueError
        An order that is no permutation, or arrays that are missing or of other shapes.

    Notes
    -----
    The negative log likelihood is convex. `fit` begins at independent variables; its end hangs on
    nothing random but the batches.

    References
    ----------
    B. J. Frey, G. E. Hinton and P. Dayan, "Does the wake-sleep algorithm produce good density
    estimators?", NIPS 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import FVSBN
    >>> model = FVSBN((2,), order=[1, 0], W=[[0, 2], [0, 0]], b=[0, 0])
    >>> np.exp(model.log_prob([[1, 1]])).round(4).tolist()  # σ(0) σ(2)
    [0.4404]
    """

    kind: ClassVar[str] = "fvsbn"
    settings: ClassVar[tuple[str, ...]] = ("order",)

    @property
    def n_parameters(self) -> int:
        """Free parameters: biases, and weights of pairs."""
        return self.d * (self.d + 1) // 2

    def build(self) -> torch.nn.Module:
        """Zeros, and which weights have a part in it."""
        import torch

        shape = np.shape(self._weights.get("W", 0))
        if shape != (self.d, self.d):
            raise ValueError(f"W must have shape ({self.d}, {self.d}), got {shape}")
        place = torch.from_numpy(np.argsort(self.order))
        module = torch.nn.Module()
        module.register_parameter("W", torch.nn.Parameter(torch.zeros(self.d, self.d)))
        module.register_parameter("b", torch.nn.Parameter(torch.zeros(self.d)))
        module.register_buffer("mask", (place < place[:, None]).to(torch.float32))
        return module

    def logits(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Of all regressions."""
        W = module.get_parameter("W") * module.get_buffer("mask")
        return x @ W.T + module.get_parameter("b")

    def logit(self, module: torch.nn.Module, x: torch.Tensor, i: int) -> torch.Tensor:
        """Of one."""
        W = module.get_parameter("W")[i] * module.get_buffer("mask")[i]
        return x @ W + module.get_parameter("b")[i]

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        order: ArrayLike | None = None,
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
        shape: Sequence[int] | None = None,
    ) -> FVSBN:
        """Fit to data by maximum likelihood.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            Of 0 and 1.
        order : array_like of int, shape (d,), optional
            By default as the variables are numbered.
        how : Descent
            Its seed is that of the batches.
        held_out, checkpoint, progress
            As for `Autoregressive.train`.
        shape : tuple of int, optional
            Of a datum; by default that of the rows.
        """
        found = check_data_shape(x, shape)
        d = int(np.prod(found))
        start = cls(
            found,
            order=np.arange(d) if order is None else order,
            W=np.zeros((d, d)),
            b=log_odds(x, found),
        )
        return start.train(x, how, held_out=held_out, checkpoint=checkpoint, progress=progress)
