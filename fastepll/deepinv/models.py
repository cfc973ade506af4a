"""The models of deepinv that compute with fastepll."""

from __future__ import annotations

from typing import Any

import deepinv
import numpy as np
import torch

from fastepll._validation.intensities import check_data_range
from fastepll.deepinv.physics import check_physics, from_physics, mask_of_channels
from fastepll.priors.choice import Model, check_model
from fastepll.restoration.denoise import denoise
from fastepll.restoration.restore import restore
from fastepll.restoration.tasks import inpaint
from fastepll.solver.settings import Settings
from fastepll.torch._tensors import as_array, one_each, without_gradient
from fastepll.typing import BackendName, DataRange, FloatArray, Quality


class Denoiser(deepinv.models.Denoiser):  # type: ignore[misc]
    """`fastepll.denoise` as a denoiser of deepinv.

    It goes wherever deepinv takes one: ``deepinv.optim.PnP`` and ``RED``, and, as its step by
    Tweedie's formula is the score of the prior, ``deepinv.optim.ScorePrior`` and the samplers.

    Parameters
    ----------
    model, quality, n_threads, backend
        As for `fastepll.denoise`.
    data_range : float or "auto", optional
        As for `fastepll.denoise`; 1, as is usual in deepinv, is not doubted whatever iterates of
        an algorithm hold. None asks each image.

    Notes
    -----
    The result has no gradient: what needs one (training, unfolding, diffusion posterior sampling)
    gets a RuntimeError when it asks for it.

    Examples
    --------
    >>> import torch
    >>> from fastepll.deepinv import Denoiser
    >>> clean = torch.full((2, 3, 32, 40), 0.5)
    >>> noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.manual_seed(0))
    >>> restored = Denoiser()(noisy, 0.1)
    >>> restored.shape, restored.dtype
    (torch.Size([2, 3, 32, 40]), torch.float32)
    >>> bool((restored - clean).std() < 0.3 * (noisy - clean).std())
    True
    """

    def __init__(
        self,
        model: Model = "gray-8x8-200",
        *,
        quality: Quality | Settings = "balanced",
        data_range: DataRange = 1.0,
        n_threads: int | None = None,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__()
        self._options: dict[str, Any] = {
            "model": check_model(model),
            "quality": quality,
            "data_range": check_data_range(data_range),
            "n_threads": n_threads,
            "backend": backend,
        }

    def forward(
        self, x: torch.Tensor, sigma: float | torch.Tensor | None = None, **_: Any
    ) -> torch.Tensor:
        """Restore a batch.

        Parameters
        ----------
        x : (B, C, H, W) tensor
            In [0, 1] but for the noise (``data_range``); float16, float32 or float64. On the CPU it
            is read where it lies; of another device's a copy is made.
        sigma : float or tensor, optional
            Standard deviation of the noise; a tensor of one value, or of B, one for each image.
            None: estimated for each.

        Returns
        -------
        torch.Tensor
            A new tensor of the same shape, dtype and device.
        """
        images = as_array("x", x)
        if images.ndim != 4:
            raise ValueError(f"x must be (B, C, H, W), got shape {tuple(images.shape)}")
        levels = one_each(sigma, len(images))

        def run() -> torch.Tensor:
            result = np.empty_like(images)
            for image, level, out in zip(images, levels, result, strict=True):
                out[...] = denoise(image, level, channel_axis=0, **self._options)
            return torch.from_numpy(result).to(x.device)

        return without_gradient(run, x)


class Reconstructor(deepinv.models.Reconstructor):  # type: ignore[misc]
    """`fastepll.restore` as a reconstruction model of deepinv, for its linear physics.

    Parameters
    ----------
    sigma : float or tensor, optional
        Standard deviation of the noise of y; a tensor of one value, or of one for each image. None:
        that of the physics' Gaussian noise, 0 if it has no noise.
    **options
        Those of `fastepll.restore`: model, quality, data_range, betas, check, n_threads, backend.

    Notes
    -----
    Like `Denoiser`, it gives no gradient. Images of a batch are restored one by one, each with its
    own parameters of the physics (masks, filters, sigma) where that has one for each image. An
    ``Inpainting`` whose mask differs between channels, ``Demosaicing`` too, is left to
    `fastepll.inpaint`.

    Examples
    --------
    >>> import deepinv, torch
    >>> from fastepll.deepinv import Reconstructor
    >>> x = torch.linspace(0, 1, 40).expand(1, 3, 32, 40)
    >>> physics = deepinv.physics.Inpainting((3, 32, 40), mask=0.5)
    >>> filled = Reconstructor()(physics(x), physics)
    >>> bool((filled - x).abs().max() < 0.05)
    True
    """

    def __init__(self, sigma: float | torch.Tensor | None = None, **options: Any) -> None:
        super().__init__()
        self.sigma = sigma
        self._options = options

    def forward(self, y: torch.Tensor, physics: Any, **_: Any) -> torch.Tensor:
        """Restore a batch.

        Parameters
        ----------
        y : (B, ...) tensor
            What the physics measured.
        physics : deepinv.physics.LinearPhysics
            As `from_physics` takes it.

        Returns
        -------
        torch.Tensor
            Images (B, C, H, W) on the device of y.
        """
        measured = as_array("y", y)
        n = len(measured)
        sigmas = [
            float(each or 0)
            for each in one_each(noise_of(physics) if self.sigma is None else self.sigma, n)
        ]
        check_physics(physics)
        with torch.no_grad():
            shape = tuple(physics.A_adjoint(y.detach()).shape[1:])
            try:
                alone = len(physics.A_adjoint(y.detach()[:1])) == 1
            except (AssertionError, RuntimeError, ValueError):  # it has parameters for each image
                alone = n == 1
        axis = 0 if len(shape) == 3 and shape[0] > 1 else None
        common = {"channel_axis": axis, **self._options}

        def one(i: int) -> FloatArray:
            which = {} if alone else {"image": i, "n_images": n}
            mask = mask_of_channels(physics, shape, i % n, n)
            if mask is not None:
                common.pop("check", None)
                return inpaint(measured[i], mask, sigmas[i], **common)
            operator = from_physics(physics, shape, **which)
            wanted = operator.out_shape if axis is None else (shape[0], *operator.out_shape)
            return restore(measured[i].reshape(wanted), operator, sigmas[i], **common)

        def run() -> torch.Tensor:
            images = [one(i).reshape(shape) for i in range(n)]
            return torch.from_numpy(np.stack(images)).to(y.device)

        return without_gradient(run, y)


def noise_of(physics: Any) -> float | torch.Tensor:
    """Standard deviations of the Gaussian noise that a physics adds."""
    noise = getattr(physics, "noise_model", None)
    if isinstance(noise, deepinv.physics.ZeroNoise):
        return 0.0
    if not isinstance(noise, deepinv.physics.GaussianNoise):
        raise ValueError(
            f"sigma must be given where the noise of the physics is not Gaussian, "
            f"got None and {type(noise).__name__}"
        )
    return torch.as_tensor(noise.sigma)
