"""A prior of a log density that torch can differentiate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import Array

if TYPE_CHECKING:
    import torch


class TorchDensity:
    """A log density written in torch, for restoration by MAP with its gradient.

    Parameters
    ----------
    log_prob : callable
        Takes mean-free patches, a float64 tensor (n, d), to their log densities (n,), each of its
        own patch alone; they may lack a constant.
    patch_shape : tuple of int
        ``(8, 8)``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors.torch_density import TorchDensity
    >>> prior = TorchDensity(lambda z: -(z / 0.1).abs().sum(1), (2, 2))
    >>> prior.score(np.array([[0.1, -0.2, 0.3, -0.2]]))
    array([[-10.,  10., -10.,  10.]])
    """

    def __init__(
        self, log_prob: Callable[[torch.Tensor], torch.Tensor], patch_shape: Sequence[int]
    ) -> None:
        if not callable(log_prob):
            raise TypeError(f"log_prob must be callable, got {type(log_prob).__name__}")
        shape = tuple(patch_shape)
        self.patch_shape = model_arrays.check_patch_shape(shape, math.prod(shape))
        self._density = log_prob

    def log_prob(self, patches: Array) -> Array:
        """Log density of each patch (n, d), (n,)."""
        import torch

        with torch.no_grad():
            return np.asarray(self._density(torch.from_numpy(patches)))

    def score(self, patches: Array) -> Array:
        """Gradient of the log density of each patch, (n, d)."""
        import torch

        x = torch.from_numpy(patches).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self._density(x).sum(), x)
        return np.asarray(gradient)
