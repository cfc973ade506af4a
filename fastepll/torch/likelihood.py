"""The expected patch log-likelihood as a function of a tensor that torch can differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastepll.priors.choice import Model
from fastepll.restoration.likelihood import Likelihood
from fastepll.restoration.options import ProbabilityOptions
from fastepll.torch._tensors import as_images, without_gradient
from fastepll.typing import BackendName, FloatArray


def expected_patch_log_likelihood(
    x: torch.Tensor,
    model: Model = "gray-8x8-200",
    *,
    sigma: float = 0.0,
    data_range: float | None = 1.0,
    n_threads: int | None = None,
    backend: BackendName | None = None,
) -> torch.Tensor:
    """`fastepll.expected_patch_log_likelihood` of images, with its gradient.

    Its negative is a regulariser for whatever has an image for a result: a network, the
    parameters of a renderer, the image itself.

    Parameters
    ----------
    x : tensor
        Images (B, C, H, W), or one, (C, H, W) or (H, W); float16, float32 or float64, finite. On
        the CPU it is read where it lies; of another device's a copy is made.
    model : str, path, GaussianMixture or other prior
        As for `fastepll.denoise`. A prior of gray patches sees the opponent planes of several
        channels, one of colour patches the channels together. One that is no mixture must have
        ``log_prob`` and, for a gradient, ``score``.
    sigma : float
        Standard deviation, in the units of x, of white noise that the density is that of patches
        with; 0 for a prior that is no mixture. With more of it the gradient is smoother and leads
        from further away.
    data_range : float, optional
        The intensity step from black to white, whatever x holds. None: 1, and an x that cannot be
        in [0, 1] is refused.
    n_threads : int, optional
        As for `fastepll.denoise`.
    backend : {"native", "numba", "reference", "torch"}, optional
        None: the first of these that is installed.

    Returns
    -------
    torch.Tensor
        In nats, float64 (float32 on a device that has no other), on the device of x: (B,) of a
        batch, else without dimensions.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.expected_patch_log_likelihood`; the message names the argument. TypeError too
        for a model without ``score`` where a gradient is wanted.
    RuntimeError
        A second derivative is asked for: there is none.

    See Also
    --------
    fastepll.expected_patch_log_likelihood

    Notes
    -----
    Where x needs a gradient, that is computed together with the value. In noise of variance s² the
    gradient of the log density of a patch z is ``(ẑ - z)/s²``, ẑ its posterior mean, so that of
    all overlapping patches is ``n (x̃ - x)/s²`` at a pixel under n of them, x̃ the average of the
    estimates. All but "reference" take x̃ in float32 from the best four components, less those
    whose probability is below e⁻⁷ of the best one's. In crops of photographs, clean and with noise
    of 5/255 and 25/255, under the shipped priors, that gives a gradient which is off by 0.01 to
    0.5 % in the norm for sigma 0, up to 3 % for 5/255 and up to 10 % for 25/255, where in flat
    patches many components are about as probable; the cosine with the exact one was 0.996 at least.
    Variance that all components have in all directions counts as noise, so sigma may be 0. Where
    the two together are below 4e-7 (in units of data_range²), and for mixtures with variance along
    the constant patch, the exact gradient over all components takes its place, in float64 NumPy,
    which is slow; it is what "reference" gives.

    References
    ----------
    B. Efron, Tweedie's formula and selection bias, JASA 2011.

    Examples
    --------
    A step uphill makes a noisy image more probable:

    >>> import torch
    >>> from fastepll.torch import expected_patch_log_likelihood
    >>> clean = torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32)
    >>> noise = 0.1 * torch.randn(clean.shape, generator=torch.manual_seed(0))
    >>> x = (clean + noise).requires_grad_()
    >>> before = expected_patch_log_likelihood(x, sigma=0.1)
    >>> before.sum().backward()
    >>> with torch.no_grad():
    ...     after = expected_patch_log_likelihood(x + 1e-5 * x.grad, sigma=0.1)
    >>> bool(after > before)
    True
    """
    images = as_images("x", x)
    if isinstance(data_range, str):  # which x decides, and so has a derivative
        raise TypeError(f"data_range must be a real number or None, got {data_range!r}")
    options: ProbabilityOptions = {
        "model": model,
        "data_range": data_range,
        "channel_axis": 0,
        "n_threads": n_threads,
        "backend": backend,
    }
    likelihoods = [Likelihood.of(image, sigma, options, "x") for image in images]
    if torch.is_grad_enabled() and x.requires_grad:
        values: torch.Tensor = LogLikelihood.apply(x, likelihoods)  # type: ignore[no-untyped-call]
    else:
        values = values_of(likelihoods, x)
    return values if x.ndim == 4 else values[0]


def values_of(likelihoods: list[Likelihood], x: torch.Tensor) -> torch.Tensor:
    """Their values, on the device of x."""
    return on_device(np.array([each.value() for each in likelihoods]), x)


def on_device(array: FloatArray, x: torch.Tensor) -> torch.Tensor:
    """A tensor on the device of x, of float32 where that has no float64."""
    kind = np.float32 if x.device.type == "mps" else array.dtype
    return torch.from_numpy(array.astype(kind, copy=False)).to(x.device)


class LogLikelihood(torch.autograd.Function):
    """Log-likelihoods (B,) of images whose gradient is kept from the forward step."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, likelihoods: list[Likelihood]) -> torch.Tensor:
        """Values, and the gradients for later."""
        slopes = np.stack([np.moveaxis(each.gradient(), -1, 0) for each in likelihoods])
        ctx.save_for_backward(on_device(slopes, x))
        ctx.x = x  # for what depends on it, not for its values, which may change
        return values_of(likelihoods, x)

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Gradient with respect to x, given that with respect to the values."""
        (slopes,) = ctx.saved_tensors

        def run() -> torch.Tensor:
            inner = slopes * outer.to(slopes.dtype)[:, None, None, None]
            return torch.as_tensor(inner.reshape(ctx.x.shape).to(ctx.x.dtype))

        why = "expected_patch_log_likelihood of fastepll has no second derivative"
        return without_gradient(run, ctx.x, outer, why=why), None
