"""What autoregressive priors share: whitened coordinates, training, ancestral samples."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models.networks import arrays_of, fill
from fastepll.priors._whitening import Coordinates, whitening_of
from fastepll.priors.base import check_parameter, training_coordinates
from fastepll.priors.torch_prior import TorchPrior
from fastepll.train.descend import descend
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

Self = TypeVar("Self", bound="AutoregressivePrior")
Patches: TypeAlias = "ArrayLike | Callable[[np.random.Generator, int], ArrayLike]"
Progress: TypeAlias = "Callable[[Run], None]"
FIRST = 200_000  # patches drawn for the whitening


class AutoregressivePrior(TorchPrior):
    """Base of the priors of log p(y) = sum_i log p(y_i | y_j, j < i), y whitened coordinates.

    A subclass has `make`, which makes a module that takes rows y (n, q) to log densities (n,), and
    a classmethod ``fit`` that hands such a module of random weights to `train_module`.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    whitening : array_like, shape (q, q)
        A of y = A c, invertible; in its file with the weights.
    **arrays : array_like
        Weights by name.
    """

    settings: ClassVar[tuple[str, ...]] = ("whitening",)

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        **arrays: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata, **arrays)
        whitening = check_parameter("whitening", self._settings["whitening"], (self.q, self.q))
        condition = np.linalg.cond(whitening)
        if not condition < 1e12:
            raise ValueError(f"whitening must be invertible, got a condition of {condition:.3g}")
        self._settings["whitening"] = self.whitening = whitening
        self._log_volume = float(np.linalg.slogdet(whitening)[1])

    @abstractmethod
    def make(self) -> torch.nn.Module:
        """A module of the sizes that the weights' shapes tell, with any weights."""

    def build(self) -> torch.nn.Module:
        """The module of `make`, when weights of other shapes than its own are refused."""
        import torch

        with torch.device("meta"):
            fill(self.make(), self._weights)
        return self.make()

    def log_density(self, module: torch.nn.Module, c: torch.Tensor) -> torch.Tensor:
        """Log density of coordinates (m, q)."""
        import torch

        y = c @ torch.tensor(self.whitening, dtype=c.dtype).T
        log_density: torch.Tensor = module(y) + self._log_volume
        return log_density

    @kept
    def unwhitening(self) -> Array:
        """Inverse of the whitening."""
        return np.asarray(np.linalg.inv(self.whitening))

    def _axes(self, name: str, n_axes: int) -> tuple[int, ...]:
        """Lengths of the axes of one of the weights."""
        if name not in self._weights or self._weights[name].ndim != n_axes:
            found = self._weights[name].shape if name in self._weights else "none"
            raise ValueError(f"{name} must have {n_axes} axes, got {found}")
        if 0 in self._weights[name].shape:
            raise ValueError(f"{name} must not be empty, got {self._weights[name].shape}")
        return self._weights[name].shape

    def _count(self, pattern: str) -> int:
        """How many of the weights have a name like that."""
        return sum(bool(re.fullmatch(pattern, name)) for name in self._weights)

    @classmethod
    def train_module(
        cls: type[Self],
        make: Callable[[int], torch.nn.Module],
        patches: Patches,
        how: Descent,
        *,
        patch_shape: Sequence[int],
        coordinates: Coordinates,
        held_out: ArrayLike | None,
        checkpoint: str | Path | None,
        progress: Progress | None,
        seed: int,
    ) -> Self:
        """The prior that maximum likelihood makes of a module.

        Parameters
        ----------
        make : callable
            Makes the module for a number of coordinates, with weights that torch draws.
        patches : array_like, shape (n, d), or callable
            Rows, or what draws a number of them with a NumPy generator.
        how, held_out, checkpoint, progress
            As for `fastepll.train.descend.descend`.
        patch_shape, coordinates, seed
            As for ``fit``.
        """
        import torch

        if callable(patches):
            draw = patches
            first = training_coordinates(draw(np.random.default_rng([seed, 1]), FIRST), patch_shape)
        else:
            first = training_coordinates(patches, patch_shape)
        whitening = whitening_of(first, patch_shape, coordinates)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = make(len(whitening))
        metadata: dict[str, JSON] = {"seed": seed, "steps": how.iterations, "batch": how.batch}
        prior = cls(patch_shape, metadata, whitening=whitening, **arrays_of(module))

        def rows(c: Array) -> torch.Tensor:
            return torch.from_numpy(c @ whitening.T).float()

        data: Any = rows(first)
        if callable(patches):

            def data(rng: np.random.Generator, n: int) -> torch.Tensor:
                return rows(training_coordinates(draw(rng, n), patch_shape))

        descend(
            module,
            data,
            lambda y, _: -(module(y) + prior._log_volume),
            how,
            held_out=None
            if held_out is None
            else rows(training_coordinates(held_out, patch_shape)),
            checkpoint=checkpoint,
            progress=progress,
        )
        return prior.with_weights(module)  # type: ignore[no-any-return]
