from collections.abc import Callable
from typing import Any

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
        channels: int,
        isa: str,
        n_threads: int,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def prepare(
        self,
        noise_var: float,
        exact: bool,
        n_screen: int,
        n_refine: int,
        margin: float,
        middle_margin: float,
        top_mean: bool,
        weighted: bool,
        rank_tolerance: float,
        window_decay: float,
        n_threads: int,
    ) -> PreparedMixture: ...

class PreparedMixture:
    @property
    def nbytes(self) -> int: ...

Image = NDArray[np.floating[Any]]
Call = tuple[
    Image, PreparedMixture, int, int, int, Image | None, float, NDArray[np.int32] | None, Image
]

def prior_passes(
    calls: list[Call], n_threads: int, poll: Callable[[float], object] | None
) -> None: ...
def select(
    image: NDArray[np.floating[Any]],
    prepared: PreparedMixture,
    stride: int,
    shift_y: int,
    shift_x: int,
    exhaustive: bool,
    n_threads: int,
) -> NDArray[np.int32]: ...
def log_probs(
    image: NDArray[np.floating[Any]], prepared: PreparedMixture, n_threads: int
) -> NDArray[np.float64]: ...
def patch_statistics(
    plane: NDArray[np.float32],
    corners: NDArray[np.int32],
    height: int,
    width: int,
    high: NDArray[np.float32],
    side: int,
    isa: str,
    n_threads: int,
) -> NDArray[np.float32]: ...
def conditional_log_probs(
    squared_norms: NDArray[np.float32],
    precisions: NDArray[np.float64],
    offsets: NDArray[np.float64],
    n_low: int,
    isa: str,
    n_threads: int,
) -> NDArray[np.float64]: ...

class DiffusionStep:
    def __init__(
        self,
        analysis: NDArray[np.float64],
        values: NDArray[np.float64],
        synthesis: NDArray[np.float64],
        height: int,
        width: int,
        reach: float,
        reaction: float,
        guided: bool,
        isa: str,
    ) -> None: ...

def diffuse(
    image: NDArray[np.floating[Any]],
    noisy: NDArray[np.floating[Any]],
    step: DiffusionStep,
    out: NDArray[np.floating[Any]],
    origin: tuple[int, int],
    n_threads: int,
    poll: Callable[[float], object] | None,
) -> None: ...
def halve(
    image: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]], n_threads: int
) -> None: ...
def add_coarse(
    image: NDArray[np.floating[Any]],
    coarse: NDArray[np.floating[Any]],
    weight: float,
    scratch: NDArray[np.floating[Any]],
    n_threads: int,
) -> None: ...
def supported_isas() -> list[str]: ...
def compiled_isas() -> list[str]: ...
def resolve_isa(name: str) -> str: ...
def use_runner(runner: object) -> None: ...
def thread_limit() -> int: ...
def set_thread_limit(n: int) -> None: ...
def thread_counts() -> dict[str, int]: ...
def pooled_bytes() -> int: ...
