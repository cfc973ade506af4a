"""What a training run is: every number that decides its result, checked once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

__all__ = ["TrainOptions"]


@dataclass(frozen=True)
class TrainOptions:
    """Settings of one run; see `fastepll.train.train_mixture` for their meaning."""

    n_components: int = 200
    patch_shape: tuple[int, ...] = (8, 8)
    n_patches: int = 2_000_000
    shrink: int = 1
    detail: float = 0.0
    holdout: int = 0
    flips: bool = True
    warm_steps: int = 300
    batch: int = 200_000
    iterations: int = 150
    patience: int = 0
    finish: int = 10
    refresh: int = 5
    floor: float = 0.3
    margin: float = 12.0
    drop: float = 1e-4
    min_weight: float = 1e-3
    prior_weight: float = 0.0
    redraw: int = 0
    sigma: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject values outside their range, by name."""
        lower = dict(
            n_components=1,
            n_patches=10 * self.n_components,
            shrink=1,
            holdout=0,
            warm_steps=0,
            batch=1,
            iterations=0,
            patience=0,
            finish=0,
            refresh=1,
            redraw=0,
            seed=0,
        )
        for name, least in lower.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, got {type(value).__name__}")
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        for name, low, high in (
            ("detail", 0.0, 255.0),
            ("floor", 0.0, 64.0),
            ("margin", 1.0, math.inf),
            ("drop", 0.0, 0.1),
            ("min_weight", 0.0, 0.5),
            ("prior_weight", 0.0, 1e9),
            ("sigma", 0.0, 1e9),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], got {value}")
        if self.patience and not self.holdout:
            raise ValueError(f"patience needs a holdout, got patience {self.patience}, holdout 0")
        shape = self.patch_shape
        sides, channels = shape[:2], shape[2:]
        if (
            len(sides) != 2
            or not all(isinstance(s, int) and 2 <= s <= 16 for s in sides)
            or channels not in ((), (3,))
        ):
            raise ValueError(
                f"patch_shape must be two ints from 2 to 16, and a 3 for colour, got {shape}"
            )

    @property
    def steps(self) -> int:
        """Length of the whole run: warm start, full passes, finishing passes."""
        return self.warm_steps + self.iterations + self.finish

    def arguments(self) -> list[str]:
        """Command-line form of every setting that differs from its default."""
        words: list[str] = []
        for name, value in asdict(self).items():
            if value == getattr(TrainOptions, name):
                continue
            flag = "--" + name.replace("_", "-")
            if isinstance(value, bool):
                words += [flag if value else "--no-" + name.replace("_", "-")]
            else:
                values = value if isinstance(value, tuple) else (value,)
                words += [flag, *map(str, values)]
        return words
