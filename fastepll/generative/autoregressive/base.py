"""What autoregressive models of binary data share: probability, ancestral samples, completion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.generative import check_order, check_rows
from fastepll._validation.model_arrays import Array
from fastepll.generative.base import IntractableError
from fastepll.generative.torch_model import TorchModel
from fastepll.models.networks import fill
from fastepll.train.descend import descend
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

Model = TypeVar("Model", bound="Autoregressive")


class Autoregressive(TorchModel):
    """Base of the binary autoregressive models.

    A subclass has `build`, `logits`, and a classmethod ``fit`` that makes a model of random weights
    and hands it to `train`.
    """

    domain: ClassVar = "binary"

    @property
    def order(self) -> NDArray[np.intp]:
        """Order of the variables: ``order[i]`` is the one that comes i-th.

        It is the setting ``order`` of models that have it, else that of their numbers.
        """
        if "order" not in self.settings:
            return np.arange(self.d)
        return check_order(self._settings["order"], self.d)

    @abstractmethod
    def logits(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Log odds (n, d) of each variable being 1, given those before it in rows x (n, d)."""

    def logit(self, module: torch.nn.Module, x: torch.Tensor, i: int) -> torch.Tensor:
        """Those (n,) of the variable i alone; what is cheaper than all of them."""
        return self.logits(module, x)[:, i]

    def loss(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Negative log probability (n,) of rows, differentiable in the weights."""
        return cross_entropy(self.logits(module, x), x)

    def train(
        self: Model,
        x: ArrayLike,
        how: Descent,
        *,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
        loss: Callable[[torch.nn.Module, torch.Tensor, torch.Generator], torch.Tensor]
        | None = None,
    ) -> Model:
        """Go on training from the weights that there are; the trained model, this one stays.

        Parameters
        ----------
        x, held_out : array_like, shape (n, d)
            Data; the parameters kept are those that are best on ``held_out``.
        how : Descent
        checkpoint, progress
            As for `fastepll.train.descend.descend`.
        loss : callable, optional
            In the place of `loss`, where training draws something: an order, a mask.
        """
        import torch

        module = self.build()
        fill(module, self._weights)
        rows = torch.from_numpy(check_rows("x", x, self.shape, self.domain)).float()
        kept = None
        if held_out is not None:
            kept = torch.from_numpy(
                check_rows("held_out", held_out, self.shape, self.domain)
            ).float()

        def of(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return self.loss(module, batch) if loss is None else loss(module, batch, generator)

        run = descend(
            module, rows, of, how, held_out=kept, checkpoint=checkpoint, progress=progress
        )
        return self.with_weights(module, steps=run.i, seed=how.seed)  # type: ignore[no-any-return]

    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array:
        """Exact, in float64."""
        return self.in_chunks(lambda rows: -self.loss(self.network, rows), x)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Variable by variable."""
        return self._complete(np.zeros((n, self.d)), 0, rng)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Exact where what is known comes first."""
        n_known = int(known.sum())
        if not known[self.order[:n_known]].all():
            raise IntractableError(
                f"{type(self).__name__} completes exactly only what comes last in its order; "
                "approximately, by importance resampling: fastepll.generative.resample_given"
            )
        return self._complete(np.where(known, x, 0.0), n_known, rng)

    def _propose_given(
        self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Ancestral, with the probability of what is known as the weight."""
        import torch

        rows, uniform = torch.from_numpy(np.where(known, x, 0.0)), rng.random(x.shape)
        weights = torch.zeros(len(x), dtype=rows.dtype)
        first = int(known[self.order].argmin())  # what is known before it has the same weight
        with torch.no_grad():
            for i in self.order[first:]:
                logits = self.logit(self.network, rows, i)
                if known[i]:
                    weights += torch.nn.functional.logsigmoid((2 * rows[:, i] - 1) * logits)
                else:
                    drawn = torch.from_numpy(uniform[:, i]) < torch.sigmoid(logits)
                    rows[:, i] = drawn.to(rows.dtype)
        return np.asarray(rows.numpy()), np.asarray(weights.numpy())

    def conditional(self, x: Array, i: int) -> Array:
        """Probabilities (n, 2) of variable i, given those before it in rows (n, d)."""
        one = self.in_chunks(lambda rows: self.logit(self.network, rows, i).sigmoid(), x)
        return np.stack([1 - one, one], axis=1)

    def _complete(self, x: Array, begin: int, rng: np.random.Generator) -> Array:
        """Draw the variables from the begin-th on, `logit` once for each."""
        import torch

        with torch.no_grad():
            rows, uniform = torch.from_numpy(x), torch.from_numpy(rng.random(x.shape))
            for i in self.order[begin:]:
                p = torch.sigmoid(self.logit(self.network, rows, i))
                rows[:, i] = (uniform[:, i] < p).to(rows.dtype)
        return np.asarray(rows.numpy())


def cross_entropy(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Negative log probability (n,) of rows x (n, d) of independent variables of these log odds."""
    import torch

    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return each.sum(1)


def log_odds(x: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Log odds (d,) of each variable being 1 on its own, as if once more 0 and once more 1."""
    rows = check_rows("x", x, shape, "binary")
    p = (rows.sum(0) + 1) / (len(rows) + 2)
    return np.asarray(np.log(p / (1 - p)))
