"""Denoising as a function of a tensor that torch can differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastepll.priors.choice import Model
from fastepll.restoration.denoise import denoise as denoise_array
from fastepll.restoration.recorded import RecordedDenoiser
from fastepll.solver.settings import Settings
from fastepll.torch._tensors import as_images, one_each, without_gradient
from fastepll.typing import BackendName, Quality


def denoise(
    x: torch.Tensor,
    sigma: float | torch.Tensor | None = None,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    data_range: float | None = 1.0,
    betas: Sequence[float] | None = None,
    n_scales: int | None = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
) -> torch.Tensor:
    """`fastepll.denoise` of images, with its gradient with respect to them.

    Parameters
    ----------
    x : tensor
        Images (B, C, H, W), or one, (C, H, W) or (H, W); float16, float32 or float64, finite. On
        the CPU it is read where it lies; of another device's a copy is made.
    sigma : float or tensor, optional
        Standard deviation of the noise in the units of x; a tensor of one value, or of B, one for
        each image. It has no gradient. None, an estimate for each image, where no gradient is
        wanted.
    model, quality, betas, n_scales, n_threads, backend
        As for `fastepll.denoise`. For a gradient a Gaussian mixture, and no `fastepll.Settings`
        with another estimator than "map"; all levels of quality have that.
    data_range : float, optional
        The intensity step from black to white, whatever x holds. None: 1, and an x that cannot be
        in [0, 1] is refused.

    Returns
    -------
    torch.Tensor
        Of the shape, dtype and device of x; the values that `fastepll.denoise` gives.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`; the message names the argument. Of a gradient that there is not, too.
    RuntimeError
        A second derivative is asked for: there is none.

    See Also
    --------
    fastepll.denoise, fastepll.torch.expected_patch_log_likelihood

    Notes
    -----
    Every pass of the prior takes each patch by the Wiener filter of its most probable component,
    the influence functions of "learned" are linear between their knots, and all else is linear:
    the result is piecewise linear in x, with steps where a component changes. The gradient is that
    of the piece, components held fixed, exactly; what the steps add to the mean over noise, say to
    Stein's estimate of the risk, it does not have. It is computed in float64 NumPy, and takes five
    to fifteen times as long as the denoising. Of each pass an
    image as large as x is kept, and of each step of "learned" two.

    Examples
    --------
    >>> import torch
    >>> from fastepll.torch import denoise
    >>> clean = torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32)
    >>> x = clean + 0.1 * torch.randn(clean.shape, generator=torch.manual_seed(0))
    >>> x.requires_grad = True
    >>> loss = (denoise(x, 0.1) - clean).square().sum()
    >>> loss.backward()
    >>> x.grad.shape
    torch.Size([1, 3, 32, 32])
    """
    images = as_images("x", x)
    if isinstance(data_range, str):  # which x decides, and so has a derivative
        raise TypeError(f"data_range must be a real number or None, got {data_range!r}")
    if torch.is_grad_enabled() and isinstance(sigma, torch.Tensor) and sigma.requires_grad:
        raise ValueError("sigma must not require a gradient: there is none with respect to it")
    levels = one_each(sigma, len(images))
    options: dict[str, Any] = {
        "model": model,
        "quality": quality,
        "data_range": data_range,
        "betas": betas,
        "n_scales": n_scales,
        "n_threads": n_threads,
        "backend": backend,
    }
    result = np.empty_like(images)
    if not (torch.is_grad_enabled() and x.requires_grad):
        for image, level, out in zip(images, levels, result, strict=True):
            out[...] = denoise_array(image, level, channel_axis=0, **options)
        return torch.from_numpy(result.reshape(x.shape)).to(x.device)
    denoisers = [RecordedDenoiser(level, **options) for level in levels]
    restored: torch.Tensor = Denoise.apply(x, images, denoisers)  # type: ignore[no-untyped-call]
    return restored


class Denoise(torch.autograd.Function):
    """Images (B, C, H, W), of the shape of x, each restored by a denoiser of its own."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, images: Any, denoisers: list[RecordedDenoiser]
    ) -> torch.Tensor:
        """Restored images; the denoisers remember how."""
        ctx.x, ctx.denoisers = x, denoisers
        result = np.stack([run(image) for run, image in zip(denoisers, images, strict=True)])
        return torch.from_numpy(result.reshape(x.shape)).to(x.device)

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Gradient with respect to x, given that with respect to the result."""
        x, denoisers = ctx.x, ctx.denoisers

        def run() -> torch.Tensor:
            slopes = as_images("gradient", outer)
            each = zip(denoisers, slopes, strict=True)
            inner = np.stack([denoiser.pull_back(slope) for denoiser, slope in each])
            return torch.from_numpy(inner.reshape(x.shape)).to(x.dtype).to(x.device)

        why = "denoise of fastepll has no second derivative"
        return without_gradient(run, x, outer, why=why), None, None
