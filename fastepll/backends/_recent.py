"""What backends that prepare their tables in Python keep of them from pass to pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastepll.backends._basis import principal_axes

if TYPE_CHECKING:
    from fastepll.backends.passes import Pass
    from fastepll.models import GaussianMixture

Axes = NDArray[np.float64]
T = TypeVar("T", bound=tuple[Any, ...])


class RecentTables(Generic[T]):
    """Of each model its axes, and tables of the last kinds of pass, until the model is gone.

    Kinds of pass differ in the fields that tables depend on. Tables above a size are not kept.
    """

    def __init__(self, n_kinds: int, most_bytes: int) -> None:
        self.n_kinds, self.most_bytes = n_kinds, most_bytes
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[
            GaussianMixture, tuple[Axes, dict[tuple[Pass, Hashable], T]]
        ] = WeakKeyDictionary()

    def get(
        self,
        model: GaussianMixture,
        step: Pass,
        prepare: Callable[[Axes, Pass], T],
        where: Hashable = None,
    ) -> T:
        """Tables for that pass, prepared if need be from the model's axes, on that device."""
        same = replace(step, stride=1, shift=(0, 0), margin=0.0, middle_margin=0.0, estimator="map")
        with self._lock:
            if model not in self._kept:
                self._kept[model] = principal_axes(model), {}
            axes, kept = self._kept[model]
            tables = kept.pop((same, where), None)
        if tables is None:
            tables = prepare(axes, same)
        with self._lock:
            if n_bytes(tables) <= self.most_bytes:
                kept[same, where] = tables
            while len(kept) > self.n_kinds:
                del kept[next(iter(kept))]
        return tables

    def steps(self, model: GaussianMixture) -> list[Pass]:
        """Kinds of pass whose tables are kept, those used last at the end."""
        return [step for step, _ in self._kept[model][1]]

    def __len__(self) -> int:
        """How many models there are."""
        return len(self._kept)


def n_bytes(tables: tuple[object, ...]) -> int:
    """Size of the arrays in tables of tables."""
    return sum(n_bytes(t) if isinstance(t, tuple) else getattr(t, "nbytes", 0) for t in tables)
