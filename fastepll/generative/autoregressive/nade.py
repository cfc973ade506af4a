"""NADE: each variable from a hidden vector of those before it, whose weights all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.generative import check_data_shape
from fastepll._validation.model_arrays import Array
from fastepll.generative.autoregressive.base import Autoregressive, log_odds
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

HOW = Descent(iterations=20_000, batch=100, learning_rate=1e-3, average=0.999)
BLOCK = 24  # variables worked on together


class NADE(Autoregressive):
    """log p(x) = Σ_i log p(x_i | x_<i), p(x_i = 1 | x_<i) = σ(b_i + V_i · h_i).

    The hidden vector is h_i = σ(c + Σ_j<i x_j W_j), with the same W for all i.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    order : array_like of int, shape (d,)
        ``order[i]`` is the variable that comes i-th.
    W, V : array_like, shape (d, h)
        Weights from each variable to the h hidden units, and from them to each variable.
    b : array_like, shape (d,)
    c : array_like, shape (h,)

    Raises
    ------
    ValueError
        An order that is no permutation, or arrays that are missing or of other shapes.

    Notes
    -----
    A datum's hidden vector changes only after a variable that is 1. Training computes those that
    differ: with s ones in a datum it holds s + d / 24 of its vectors instead of d. Where most
    variables are 1, exchange 0 and 1. Samples cost O(d h) each.

    References
    ----------
    H. Larochelle and I. Murray, "The neural autoregressive distribution estimator", AISTATS 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import NADE
    >>> from fastepll.train.descent import Descent
    >>> x = [[0, 0, 0], [1, 1, 1]] * 100
    >>> how = Descent(iterations=200, batch=50, learning_rate=0.1)
    >>> model = NADE.fit(x, hidden=4, how=how)
    >>> np.exp(model.log_prob([[0, 0, 0], [0, 1, 1]])).round(1).tolist()
    [0.5, 0.0]
    """

    kind: ClassVar[str] = "nade"
    settings: ClassVar[tuple[str, ...]] = ("order",)

    def build(self) -> torch.nn.Module:
        """Zeros of the sizes that W tells."""
        import torch

        W = self._weights.get("W", np.zeros(0))
        if W.ndim != 2 or len(W) != self.d or not W.size:
            raise ValueError(f"W must have shape ({self.d}, h), got {W.shape}")
        module = torch.nn.Module()
        shapes = {"W": W.shape, "V": W.shape, "b": W.shape[:1], "c": W.shape[1:]}
        for name, shape in shapes.items():
            module.register_parameter(name, torch.nn.Parameter(torch.zeros(shape)))
        module.register_buffer("order", torch.from_numpy(self.order))
        return module

    def logits(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """A block of variables after the other."""
        import torch

        order = module.get_buffer("order")
        W, V = (torch.split(module.get_parameter(name)[order], BLOCK) for name in "WV")
        a = module.get_parameter("c").expand(len(x), -1)  # before the block
        parts = []
        for ones, w, v in zip(torch.split(x[:, order], BLOCK, 1), W, V, strict=True):
            parts.append(_block(a, ones, w, v))
            a = torch.addmm(a, ones, w)
        return torch.cat(parts, 1)[:, torch.argsort(order)] + module.get_parameter("b")

    def _complete(self, x: Array, begin: int, rng: np.random.Generator) -> Array:
        """Draw the variables from the begin-th on, with one hidden vector that grows."""
        import torch

        with torch.no_grad():
            rows, uniform = torch.from_numpy(x), torch.from_numpy(rng.random(x.shape))
            W, V, b, c = (self.network.get_parameter(name) for name in "WVbc")
            known = torch.from_numpy(self.order[:begin])
            a = c + rows[:, known] @ W[known]
            for i in self.order[begin:]:
                p = torch.sigmoid(b[i] + torch.sigmoid(a) @ V[i])
                rows[:, i] = (uniform[:, i] < p).to(rows.dtype)
                a.addr_(rows[:, i], W[i])
        return np.asarray(rows.numpy())

    def _represent(self, x: Array) -> Array:
        """The hidden vector of the last variable: of all that come before it."""
        import torch

        W, c = (self.network.get_parameter(name) for name in "Wc")
        before = torch.from_numpy(self.order[:-1])
        return self.in_chunks(lambda rows: torch.sigmoid(c + rows[:, before] @ W[before]), x)

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        hidden: int = 500,
        order: ArrayLike | None = None,
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
        shape: Sequence[int] | None = None,
        seed: int = 0,
    ) -> NADE:
        """Fit to data by maximum likelihood.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            Of 0 and 1.
        hidden : int
            Hidden units.
        order : array_like of int, shape (d,), optional
            By default as the variables are numbered.
        how : Descent
            Its seed is that of the batches.
        held_out, checkpoint, progress
            As for `Autoregressive.train`.
        shape : tuple of int, optional
            Of a datum; by default that of the rows.
        seed : int
            Of the first weights.
        """
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, got {hidden}")
        found = check_data_shape(x, shape)
        d = int(np.prod(found))
        rng = np.random.default_rng(seed)
        start = cls(
            found,
            order=np.arange(d) if order is None else order,
            W=rng.normal(0, 1 / np.sqrt(d), (d, hidden)),
            V=rng.normal(0, 1 / np.sqrt(hidden), (d, hidden)),
            b=log_odds(x, found),
            c=np.zeros(hidden),
        )
        return start.train(x, how, held_out=held_out, checkpoint=checkpoint, progress=progress)


def _block(a: torch.Tensor, x: torch.Tensor, W: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """V_i · h_i (n, m) of m variables x (n, m), from c + Σ_j x_j W_j of what is before them (n, h).

    The states are the hidden vectors that differ: of each row that at the begin, and one after each
    variable that is 1.
    """
    import torch

    n, m = x.shape
    row, column = torch.nonzero(x[:, :-1], as_tuple=True)
    of = torch.cat([torch.arange(n), row])  # row of each state
    since = torch.cat([torch.zeros(n, dtype=torch.long), column + 1])  # its first variable
    state = torch.zeros(n, m, dtype=torch.long)  # of each variable: the latest
    state[of, since] = torch.arange(len(of))
    seen = x[of] * (torch.arange(m) < since[:, None])
    h = torch.addmm(a.index_select(0, of), seen, W).sigmoid_()
    return (h @ V.T).gather(0, state.cummax(1).values)
