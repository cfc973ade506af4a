import enum
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

class Mixture:
    def __init__(
        self,
        weights: NDArray[np.float64],
        eigenvalues: NDArray[np.float64],
        eigenvectors: NDArray[np.float64],
        basis: NDArray[np.float64],
        height: int,
        width: int,
        level: str,
        n_threads: int,
    ) -> None: ...
    @property
    def level(self) -> str: ...
    def prepare(self, noise_var: float, n_threads: int) -> Prepared: ...

class Prepared: ...

class Selection(enum.Enum):
    exhaustive = 0
    bounded = 1

def prior_pass(
    image: NDArray[np.float32],
    prepared: Prepared,
    n_threads: int,
    poll: Callable[[float], object] | None,
) -> NDArray[np.float32]: ...
def select(
    image: NDArray[np.float32], prepared: Prepared, selection: Selection, n_threads: int
) -> NDArray[np.int32]: ...
def levels() -> list[str]: ...
def compiled_levels() -> list[str]: ...
def resolve_level(name: str) -> str: ...
def openmp_max_threads() -> int: ...
