"""MADE: an autoencoder whose masks let each output see only the inputs that come before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.arguments import check_number
from fastepll._validation.generative import check_data_shape, check_order
from fastepll._validation.model_arrays import JSON, Array
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
    variables at later places see it. Masks differ by their orders and degrees, or, if each lets
    through a share of the hidden units alone, by their orders and units: a unit's degree is then
    the same under all.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    orders : array_like of int, shape (m, d)
        ``orders[k, i]`` is the variable that comes i-th under the mask k.
    seed : int
        ``[seed, k]`` is the seed of the degrees under the mask k, or, of a share of the units, of
        its units, and ``seed`` that of the degrees.
    share : float
        Part of each hidden layer that a mask lets through, above 0 to 1.
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
    with one mask drawn for each batch, hence the mean of log p_k, which is below log p.

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
    settings: ClassVar[tuple[str, ...]] = ("orders", "seed", "share")

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        share: ArrayLike = 1.0,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata, share=share, **arrays)

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
        sizes, ends = self.sizes, [*itertools.pairwise(range(self.depth + 2)), (0, self.depth + 1)]
        used = [np.zeros((sizes[after], sizes[before]), bool) for before, after in ends]
        for k in range(len(self.orders)):
            units = (np.arange(self.d), *self.units(k), np.arange(self.d))
            for one, (before, after), mask in zip(used, ends, self.masks(k), strict=False):
                one[np.ix_(units[after], units[before])] |= mask.numpy()
        return sum(sizes[1:]) + sum(int(one.sum()) for one in used)

    @property
    def _shared(self) -> bool:
        """Whether masks differ by the units that they let through."""
        return bool(self._settings["share"] < 1)

    @kept
    def _own(self) -> dict[int, Masks]:
        """Masks in their own orders, as far as they were asked for."""
        return {}

    @kept
    def _units(self) -> list[list[NDArray[np.intp]]]:
        """Of each mask and hidden layer."""
        seed, share = int(self._settings["seed"]), float(self._settings["share"])
        counts = [(size, max(round(size * share), 1)) for size in self.sizes[1:-1]]
        draws = (np.random.default_rng([seed, k]) for k in range(len(self.orders)))
        return [[np.sort(rng.permutation(size)[:n]) for size, n in counts] for rng in draws]

    def units(self, k: int) -> list[NDArray[np.intp]]:
        """Numbers, ascending, of the units of each hidden layer that the mask k lets through."""
        return self._units[k]

    def masks(self, k: int, order: NDArray[np.intp] | None = None) -> Masks:
        """Where the weights of each layer, and last the direct ones if any, have a part in it.

        They are those between the `units` of the mask.

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
        seed = int(self._settings["seed"])
        rng = np.random.default_rng(seed if self._shared else [seed, k])
        place, least = np.argsort(order), 0
        degrees = [place]
        for size, units in zip(self.sizes[1:-1], self.units(k), strict=True):
            drawn = rng.integers(least, max(self.d - 1, 1), size)
            degrees.append(drawn[units])
            least = drawn.min()
        steps = [torch.from_numpy(one.astype(np.int32)) for one in degrees]
        inner = (after[:, None] >= before for before, after in itertools.pairwise(steps))
        outer = (steps[-1], steps[0]) if "direct" in self._weights else (steps[-1],)
        return *inner, *(steps[0][:, None] > before for before in outer)

    def layers(
        self, module: torch.nn.Module, k: int, order: NDArray[np.intp] | None = None
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Weights and biases of each layer under a mask, and last the direct ones if any.

        Parameters are those of `masks`.
        """
        import torch

        n, parameter = self.depth + 1, module.get_parameter
        W: list[torch.Tensor] = [parameter(f"W{i}") for i in range(n)]
        b: list[torch.Tensor] = [parameter(f"b{i}") for i in range(n)]
        if self._shared:
            for i, units in enumerate(map(torch.from_numpy, self.units(k))):
                W[i], b[i] = W[i][units], b[i][units]
                W[i + 1] = W[i + 1].index_select(1, units)
        if "direct" in self._weights:
            W.append(parameter("direct"))
            b.append(torch.zeros((), dtype=W[-1].dtype))
        return [(w * mask, c) for w, mask, c in zip(W, self.masks(k, order), b, strict=True)]

    def build(self) -> torch.nn.Module:
        """Zeros of the sizes that W0, W1, … tell."""
        import torch

        if not len(self.orders):
            raise ValueError("orders must be at least one, got none")
        seed, share = self._settings["seed"], self._settings["share"]
        if share.shape != () or not 0 < share <= 1:
            raise ValueError(f"share must be above 0 to 1, got {share.tolist()!r:.40}")
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
        self,
        module: torch.nn.Module,
        x: torch.Tensor,
        k: int = 0,
        order: NDArray[np.intp] | None = None,
        drop: Callable[[torch.Tensor], torch.Tensor] = lambda h: h,
    ) -> torch.Tensor:
        """Log odds (n, d) under a mask; ``drop`` takes hidden layers to what is seen of them."""
        layers, n = self.layers(module, k, order), self.depth
        W, b = layers[n]
        found = _hidden(layers[:n], x, drop) @ W.T + b
        for direct, _ in layers[n + 1 :]:
            found = found + x @ direct.T
        return found

    def loss(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Negative log of the mean of the densities, (n,)."""
        import torch

        m = len(self.orders)
        each = [self.loss_under(module, x, k) for k in range(m)]
        return math.log(m) - torch.logsumexp(-torch.stack(each), 0)

    def loss_under(self, module: torch.nn.Module, x: torch.Tensor, k: int) -> torch.Tensor:
        """Negative log probability (n,) under the mask k."""
        return base.cross_entropy(self.logits(module, x, k), x)

    def _represent(self, x: Array) -> Array:
        """The last hidden layer, on average over the masks; 0 where one lets a unit not through."""
        import torch

        n, m = self.depth, len(self.orders)
        layers = [self.layers(self.network, k)[:n] for k in range(m)]

        def mean(rows: torch.Tensor) -> torch.Tensor:
            found = torch.zeros(len(rows), self.sizes[n], dtype=rows.dtype)
            for k, one in enumerate(layers):
                found[:, self.units(k)[-1]] += _hidden(one, rows) / m
            return found

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

        with torch.no_grad():
            (first, start), *rest = self.layers(self.network, k, order)
            *hidden, (last, bias) = rest[: self.depth]
            rows = torch.from_numpy(x)
            a = start + rows @ first.T
            for i in order[begin:]:
                logit = _hidden(hidden, torch.relu(a)) @ last[i] + bias[i]
                for direct, _ in rest[self.depth :]:
                    logit += rows @ direct[i]
                u = torch.from_numpy(uniform[:, i])
                rows[:, i] = (u < torch.sigmoid(logit)).to(rows.dtype)
                a.addr_(rows[:, i], first[:, i])
        return np.asarray(rows.numpy())

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        hidden: Sequence[int] = (500,),
        order: ArrayLike | None = None,
        masks: int = 1,
        share: float = 1.0,
        dropout: float = 0.0,
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
        share : float
            Part of each hidden layer that each lets through, above 0 to 1.
        dropout : float
            Part of the hidden units that training leaves out for a datum, from 0 to below 1.
        direct : bool
            Whether inputs have weights to the log odds, too.
        how : Descent
            Its seed is that of the batches, and of their masks.
        held_out, checkpoint, progress
            As for `Autoregressive.train`; ``held_out`` is looked at under all masks.
        shape : tuple of int, optional
            Of a datum; by default that of the rows.
        seed : int
            Of the first weights, the orders and the degrees.
        """
        import torch

        hidden = tuple(hidden)
        if min(masks, len(hidden), *hidden) < 1:
            raise ValueError(f"masks and sizes must be at least 1, got {masks} and {hidden}")
        check_number("dropout", dropout, 0, 1 - 1e-6)
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
        start = cls(found, None, orders=orders, seed=seed, share=share, **arrays)

        def loss(
            module: torch.nn.Module, rows: torch.Tensor, generator: torch.Generator
        ) -> torch.Tensor:
            if not module.training:
                return start.loss(module, rows)

            def drop(h: torch.Tensor) -> torch.Tensor:
                if not dropout:
                    return h
                left = torch.full_like(h, 1 - dropout)
                return h * torch.bernoulli(left, generator=generator) / (1 - dropout)

            k = int(torch.randint(masks, (), generator=generator))
            return base.cross_entropy(start.logits(module, rows, k, drop=drop), rows)

        return start.train(
            x, how, held_out=held_out, checkpoint=checkpoint, progress=progress, loss=loss
        )


def _hidden(
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]],
    x: torch.Tensor,
    drop: Callable[[torch.Tensor], torch.Tensor] = lambda h: h,
) -> torch.Tensor:
    """What comes of x by layers of rectified linear units."""
    for W, b in layers:
        x = drop((x @ W.T + b).relu())
    return x


def _drawn(rng: np.random.Generator, m: int, d: int) -> NDArray[np.intp]:
    """Orders (m, d)."""
    return np.stack([rng.permutation(d) for _ in range(m)])
