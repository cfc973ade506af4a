"""What the deep models share: random weights to begin with, dropout and half precision by seed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.generative import check_whole
from fastepll.generative.autoregressive.base import Autoregressive
from fastepll.models.networks import arrays_of, fill

if TYPE_CHECKING:
    import torch

Model = TypeVar("Model", bound="Deep")
Settings = Mapping[str, NDArray[Any]]
MOST_LAYERS, WIDEST = 64, 4096


class Deep(Autoregressive):
    """Base of the models by deep networks; a subclass has `make` and `logits`."""

    chunk: ClassVar[int] = 100

    @classmethod
    @abstractmethod
    def make(cls, shape: tuple[int, ...], settings: Settings) -> torch.nn.Module:
        """Check the settings, and make a module of random weights."""

    def build(self) -> torch.nn.Module:
        """See `TorchModel.build`; nothing is allocated before the weights are found to fit."""
        import torch

        with torch.device("meta"):
            fill(self.make(self.shape, self._settings), self._weights)
        with torch.random.fork_rng(devices=[]):
            return self.make(self.shape, self._settings)

    @classmethod
    def begin(cls: type[Model], shape: tuple[int, ...], seed: int, **settings: ArrayLike) -> Model:
        """A model of random weights, of which the seed is."""
        import torch

        values = {name: np.asarray(value, np.float64) for name, value in settings.items()}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            module = cls.make(shape, values)
        return cls(shape, None, **values, **arrays_of(module))

    def training_loss(
        self, *, bfloat16: bool
    ) -> Callable[[torch.nn.Module, torch.Tensor, torch.Generator], torch.Tensor]:
        """`loss` with dropout that the generator draws, and products in bfloat16 if wanted."""
        import torch

        def loss(
            module: torch.nn.Module, rows: torch.Tensor, generator: torch.Generator
        ) -> torch.Tensor:
            if not module.training:  # a look at held-out rows: few of them at a time
                return torch.cat(
                    [self.loss(module, part) for part in torch.split(rows, self.chunk)]
                )
            with (
                torch.random.fork_rng(devices=[]),
                torch.autocast("cpu", torch.bfloat16, enabled=bfloat16),
            ):
                torch.set_rng_state(generator.get_state())
                return self.loss(module, rows)

        return loss


def size(settings: Settings, name: str, low: int = 1, high: int = WIDEST) -> int:
    """A size among the settings, checked."""
    return check_whole(name, settings[name], low, high)
