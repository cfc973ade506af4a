"""EM on patches in memory, from checked arguments to the arrays of a mixture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation import model_arrays
from fastepll.train.options import TrainOptions

try:
    from fastepll.train.trainer import Learnt, Trainer
except ImportError as error:
    raise ImportError(
        f"the fit of a Gaussian mixture needs torch ({error}); "
        "install it with: pip install 'fastepll[lab]'"
    ) from error

__all__ = ["fit_arrays"]


def fit_arrays(
    patches: ArrayLike,
    *,
    patch_shape: Sequence[int] = (8, 8),
    n_components: int = 200,
    warm_steps: int = 100,
    batch: int | None = None,
    iterations: int = 20,
    min_weight: float = 1e-3,
    prior_weight: float = 0.0,
    sigma: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[Learnt, dict[str, int]]:
    """What `fastepll.GaussianMixture` takes, of a mixture fitted to patches; and its metadata.

    Arguments as of `fastepll.train.fit_mixture`.
    """
    shape = tuple(patch_shape)
    array = model_arrays.check_patches(patches, int(np.prod(shape))).astype(np.float32)
    if len(array) < 10 * n_components:
        raise ValueError(f"patches must be at least {10 * n_components}, got {len(array)}")
    options = TrainOptions(
        n_components=n_components,
        patch_shape=shape,
        n_patches=len(array),
        warm_steps=warm_steps,
        batch=max(100 * n_components, len(array) // 10) if batch is None else batch,
        iterations=iterations,
        finish=0,
        min_weight=min_weight,
        prior_weight=prior_weight,
        sigma=sigma,
        seed=seed,
    )
    trainer = Trainer(array, options, device)
    while trainer.position < options.steps:
        trainer.step()
    return trainer.result(), {"n_patches": len(array), "seed": seed}
