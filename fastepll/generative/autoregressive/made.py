"""MADE: an autoencoder whose masks let each output see only the inputs that come before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.generative import check_data_shape, check_order
from fastepll._validation.model_arrays import Array
from fastepll.generative.autoregressive import base
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

    Masks = tuple[torch.Tensor, ...]

HOW = Descent(iterations=20_000, batch=100, learning_rate=1e-3, average=0.999)


class MADE(base.Autoregressive):
    """p(x) = Σ_k p_k(x) / m, of one network under m masks, each with an order of its own.

    Under a mask each hidden unit has a degree g, drawn uniformly: it sees the variables at the
    places 0 to g of the order, by way of units of no greater degree, and only the log odds of the
    variables at later places see it.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    orders : array_like of int, shape (m, d)
        ``orders[k, i]`` is the variable that comes i-th under the mask k.
    seed : int
        ``[seed, k]`` is the seed of the degrees under the mask k.
    W0, b0, W1, b1, … : array_like, shapes (outputs, inputs) and (outputs,)
        Of the hidden layers, of rectified linear units, and last of the log odds.
    direct : array_like, shape (d, d), optional
        Weights from inputs to log odds.

    Raises
    ------
    ValueError
        An order that is no permutation, or arrays that are missing or of other shapes.

    Notes
    -----
    The mean over masks is a normalised density; each mask costs a pass of the network. `fit` trains
    with one mask drawn for each batch, and chooses by the mean of log p_k, which is below log p.

    `sample_given`, of several masks, draws a mask for each datum and puts in its order what is
    known first. That is a draw from the conditional of one network in one order, which need not be
    among ``orders``; the conditional of the mean over masks would be another.

    References
    ----------
    M. Germain, K. Gregor, I. Murray and H. Larochelle, "MADE: masked autoencoder for distribution
    estimation", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import MADE
    >>> from fastepll.train.descent import Descent
    >>> x = [[0, 0, 0], [1, 1, 1]] * 100
    >>> how = Descent(iterations=200, batch=50, learning_rate=0.1)
    >>> model = MADE.fit(x, hidden=(16,), masks=2, how=how)
    >>> np.exp(model.log_prob([[0, 0, 0], [0, 1, 1]])).round(1).tolist()
    [0.5, 0.0]
    """

    kind: ClassVar[str] = "made"
    settings: ClassVar[tuple[str, ...]] = ("orders", "seed")

    @kept
    def orders(self) -> NDArray[np.intp]:
        """Orders of the masks, (m, d)."""
        orders = self._settings["orders"]
        if orders.ndim != 2:
            raise ValueError(f"orders must have shape (m, {self.d}), got {orders.shape}")
        checked = [check_order(order, self.d) for order in orders]
        return np.reshape(checked, (-1, self.d)).astype(np.intp)

    @property
    def order(self) -> NDArray[np.intp]:
        """That of the first mask."""
        return np.asarray(self.orders[0])

    @kept
    def sizes(self) -> tuple[int, ...]:
        """Inputs of each layer, and the d outputs of the last."""
        sizes = [self.d]
        while (name := f"W{len(sizes) - 1}") in self._weights:
            shape = self._weights[name].shape
            if len(shape) != 2 or shape[1] != sizes[-1] or not shape[0]:
                raise ValueError(f"{name} must have shape (outputs, {sizes[-1]}), got {shape}")
            sizes.append(shape[0])
        if len(sizes) < 3 or sizes[-1] != self.d:
            raise ValueError(f"W0, W1, … must lead from {self.d} values to {self.d}, got {sizes}")
        return tuple(sizes)

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.sizes) - 2

    @property
    def n_parameters(self) -> int:
        """Free parameters: biases, and weights that some mask lets through."""
        used = list(self.masks(0))
        for k in range(1, len(self.orders)):
            used = [one | other for one, other in zip(used, self.masks(k), strict=True)]
        return sum(self.sizes[1:]) + sum(int(one.sum()) for one in used)

    @kept
    def _own(self) -> dict[int, Masks]:
        """Masks in their own orders, as far as they were asked for."""
        return {}

    def masks(self, k: int, order: NDArray[np.intp] | None = None) -> Masks:
        """Where the weights of each layer, and last the direct ones if any, have a part in it.

        Parameters
        ----------
        k : int
            Mask.
        order : numpy.ndarray, optional
            In the place of its own.
        """
        import torch

        if order is None:
            if k not in self._own:
                self._own[k] = self.masks(k, self.orders[k])
            return self._own[k]
        rng = np.random.default_rng([int(self._settings["seed"]), k])
        place = np.argsort(order)
        degrees = [place]
        for size in self.sizes[1:-1]:
            degrees.append(rng.integers(degrees[-1].min(), max(self.d - 1, 1), size))
        steps = [torch.from_numpy(one.astype(np.int32)) for one in degrees]
        inner = (after[:, None] >= before for before, after in itertools.pairwise(steps))
        outer = (steps[-1], steps[0]) if "direct" in self._weights else (steps[-1],)
        return *inner, *(steps[0][:, None] > before for before in outer)

    def build(self) -> torch.nn.Module:
        """Zeros of the sizes that W0, W1, … tell."""
        import torch

        if not len(self.orders):
            raise ValueError("orders must be at least one, got none")
        seed = self._settings["seed"]
        if seed.shape != () or not 0 <= seed <= 2**53 or seed != int(seed):
            raise ValueError(f"seed must be an integer from 0 to 2**53, got {seed.tolist()!r:.40}")
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (inputs, outputs) in enumerate(itertools.pairwise(self.sizes)):
            shapes |= {f"W{i}": (outputs, inputs), f"b{i}": (outputs,)}
        if "direct" in self._weights:
            shapes["direct"] = (self.d, self.d)
            if self._weights["direct"].shape != shapes["direct"]:
                raise ValueError(f"direct must have shape {shapes['direct']}")
        module = torch.nn.Module()
        for name, shape in shapes.items():
            module.register_parameter(name, torch.nn.Parameter(torch.zeros(shape)))
        return module

    def logits(
        self, module: torch.nn.Module, x: torch.Tensor, masks: Masks | None = None
    ) -> torch.Tensor:
        """Log odds (n, d) under some masks: by default the first ones."""
        import torch

        masks, n = masks or self.masks(0), self.depth
        W, b = (module.get_parameter(f"{name}{n}") for name in "Wb")
        found = torch.nn.functional.linear(_hidden(module, x, masks[:n]), W * masks[n], b)
        for direct in masks[n + 1 :]:
            found = found + x @ (module.get_parameter("direct") * direct).T
        return found

    def loss(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Negative log of the mean of the densities, (n,)."""
        import torch

        m = len(self.orders)
        each = [self.loss_under(module, x, k) for k in range(m)]
        return math.log(m) - torch.logsumexp(-torch.stack(each), 0)

    def loss_under(self, module: torch.nn.Module, x: torch.Tensor, k: int) -> torch.Tensor:
        """Negative log probability (n,) under the mask k."""
        return base.cross_entropy(self.logits(module, x, self.masks(k)), x)

    def _represent(self, x: Array) -> Array:
        """The last hidden layer, on average over the masks."""
        import torch

        masks = [self.masks(k)[: self.depth] for k in range(len(self.orders))]

        def mean(rows: torch.Tensor) -> torch.Tensor:
            return torch.stack([_hidden(self.network, rows, one) for one in masks]).mean(0)

        return self.in_chunks(mean, x)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Of one mask, as the base; of several, in an order in which what is known comes first."""
        if len(self.orders) == 1:
            return super()._sample_given(x, known, rng)
        return self._complete_known(np.where(known, x, 0.0), known, rng)

    def _complete(self, x: Array, begin: int, rng: np.random.Generator) -> Array:
        """Draw the variables from the begin-th on."""
        known = np.zeros(self.d, bool)
        known[self.order[:begin]] = True
        return self._complete_known(x, known, rng)

    def _complete_known(
        self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator
    ) -> Array:
        """Draw what is not known, under a mask drawn for each row."""
        uniform, drawn = rng.random(x.shape), rng.integers(len(self.orders), size=len(x))
        result = np.empty_like(x)
        for k in np.unique(drawn):
            order, rows = self.orders[k], drawn == k
            first = known[order]
            order = np.concatenate([order[first], order[~first]])
            result[rows] = self._ancestral(x[rows], order, int(first.sum()), k, uniform[rows])
        return result

    def _ancestral(
        self, x: Array, order: NDArray[np.intp], begin: int, k: int, uniform: Array
    ) -> Array:
        """Draw the variables from the begin-th on in an order, with a first layer that grows."""
        import torch

        parameter, n = self.network.get_parameter, self.depth
        names = (*(f"W{i}" for i in range(n + 1)), "direct")
        with torch.no_grad():
            masked = [
                parameter(name) * mask
                for name, mask in zip(names, self.masks(k, order), strict=False)
            ]
            rows = torch.from_numpy(x)
            a = parameter("b0") + rows @ masked[0].T
            for i in order[begin:]:
                h = torch.relu(a)
                for j in range(1, n):
                    h = torch.relu(h @ masked[j].T + parameter(f"b{j}"))
                logit = h @ masked[n][i] + parameter(f"b{n}")[i]
                for direct in masked[n + 1 :]:
                    logit += rows @ direct[i]
                u = torch.from_numpy(uniform[:, i])
                rows[:, i] = (u < torch.sigmoid(logit)).to(rows.dtype)
                a.addr_(rows[:, i], masked[0][:, i])
        return np.asarray(rows.numpy())

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        hidden: Sequence[int] = (500,),
        order: ArrayLike | None = None,
        masks: int = 1,
        direct: bool = True,
        how: Descent = HOW,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[Run], None] | None = None,
        shape: Sequence[int] | None = None,
        seed: int = 0,
    ) -> MADE:
        """Fit to data by maximum likelihood under a mask that is drawn for each batch.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            Of 0 and 1.
        hidden : sequence of int
            Sizes of the hidden layers.
        order : array_like of int, shape (d,) or (masks, d), optional
            One order for all masks, or one for each. By default, of one mask, as the variables are
            numbered; of several, drawn for each.
        masks : int
            Their number.
        direct : bool
            Whether inputs have weights to the log odds, too.
        how : Descent
            Its seed is that of the batches, and of their masks.
        held_out, checkpoint, progress
            As for `Autoregressive.train`; ``held_out`` is looked at under a mask of each 1000 rows.
        shape : tuple of int, optional
            Of a datum; by default that of the rows.
        seed : int
            Of the first weights, the orders and the degrees.
        """
        import torch

        hidden = tuple(hidden)
        if min(masks, len(hidden), *hidden) < 1:
            raise ValueError(f"masks and sizes must be at least 1, got {masks} and {hidden}")
        found = check_data_shape(x, shape)
        rng, d = np.random.default_rng(seed), math.prod(found)
        if order is None:
            orders = np.arange(d)[None] if masks == 1 else _drawn(rng, masks, d)
        else:
            orders = np.broadcast_to(order, (masks, d))
        arrays: dict[str, Array] = {"direct": np.zeros((d, d))} if direct else {}
        for i, (inputs, outputs) in enumerate(itertools.pairwise((d, *hidden, d))):
            arrays[f"W{i}"] = rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs))
            arrays[f"b{i}"] = np.zeros(outputs)
        arrays[f"b{len(hidden)}"] = base.log_odds(x, found)
        start = cls(found, None, orders=orders, seed=seed, **arrays)

        def loss(
            module: torch.nn.Module, rows: torch.Tensor, generator: torch.Generator
        ) -> torch.Tensor:
            k = int(torch.randint(masks, (), generator=generator))
            return start.loss_under(module, rows, k)

        return start.train(
            x, how, held_out=held_out, checkpoint=checkpoint, progress=progress, loss=loss
        )


def _hidden(
    module: torch.nn.Module, x: torch.Tensor, masks: Sequence[torch.Tensor]
) -> torch.Tensor:
    """The last hidden layer, of as many as there are masks."""
    import torch

    for i, mask in enumerate(masks):
        W, b = module.get_parameter(f"W{i}"), module.get_parameter(f"b{i}")
        x = torch.relu(torch.nn.functional.linear(x, W * mask, b))
    return x


def _drawn(rng: np.random.Generator, m: int, d: int) -> NDArray[np.intp]:
    """Orders (m, d)."""
    return np.stack([rng.permutation(d) for _ in range(m)])
