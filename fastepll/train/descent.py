"""How a network is trained by gradients, and where such a run is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from fastepll._validation.arguments import check_count, check_number

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Descent:
    """How to descend.

    Attributes
    ----------
    iterations, batch : int
        Steps, and rows in each.
    learning_rate : float
        Of Adam, falling by a half cosine to ``final`` of it after ``warmup`` steps of rising.
    warmup : int
    final : float
    weight_decay : float
        Decoupled, as in AdamW.
    clip : float
        Greatest norm of a gradient.
    average : float
        Decay of the exponential average of the parameters that is evaluated and kept; 0: none.
    every : int
        Steps from one look at the held-out rows to the next.
    seed : int
    """

    iterations: int = 10_000
    batch: int = 100
    learning_rate: float = 1e-3
    warmup: int = 0
    final: float = 0.01
    weight_decay: float = 0.0
    clip: float = math.inf
    average: float = 0.0
    every: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        for name in ("iterations", "batch", "every", "warmup", "seed"):
            least = int(name not in ("warmup", "seed"))
            check_count(name, getattr(self, name), least, 1 << 40)
        for name, low, high in (
            ("learning_rate", 1e-30, 1e30),
            ("final", 0, 1),
            ("weight_decay", 0, 1e30),
            ("average", 0, 1 - 1e-12),
        ):
            check_number(name, getattr(self, name), low, high)
        if not self.clip > 0:
            raise ValueError(f"clip must be positive, got {self.clip}")

    def rate(self, i: int) -> float:
        """Learning rate of a step."""
        if i < self.warmup:
            return self.learning_rate * (i + 1) / self.warmup
        part = (i - self.warmup) / max(self.iterations - self.warmup, 1)
        return self.learning_rate * (
            self.final + (1 - self.final) * (1 + math.cos(math.pi * part)) / 2
        )

    def options(self) -> dict[str, float]:
        """What must agree with a checkpoint."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass
class Run:
    """A descent, and where it is.

    Attributes
    ----------
    module : torch.nn.Module
        In the end it has the parameters of the best look at the held-out rows, or the last ones.
    history : list of (step, training loss since the last look, held-out loss)
        Losses in nats; the held-out one is NaN without such rows.
    """

    module: torch.nn.Module
    how: Descent
    optimizer: torch.optim.Adam
    i: int = 0
    history: list[tuple[int, float, float]] = field(default_factory=list)
    average: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    total: float = 0.0
    order: tuple[int, NDArray[np.intp]] | None = None
    """Number of an epoch, and the order of its rows."""
