"""A linear physics of deepinv as an operator of fastepll."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastepll._validation.arguments import check_count
from fastepll._validation.measurements import check_plane, check_sides
from fastepll.operators import Identity, Mask, Operator
from fastepll.typing import FloatArray

ALIKE = 1e-4  # of the largest value: two channels that a physics treats alike differ by rounding


def from_physics(
    physics: Any, in_shape: Sequence[int], *, image: int = 0, n_images: int = 1
) -> Operator:
    """Adapt a linear physics of deepinv, for `fastepll.restore`.

    Parameters
    ----------
    physics : deepinv.physics.LinearPhysics or alike
        Its ``A`` and ``A_adjoint`` map real tensors of a batch. Its noise is not used.
    in_shape : (int, int) or (int, int, int)
        Height and width of the image, for a physics of gray images or of any number of channels
        (``Blur``, ``Downsampling``). (C, height, width) for one that wants C channels, such as
        ``Inpainting`` with a mask of three; it must treat each for itself, and all alike.
    image, n_images : int
        Which image of a batch of how many the operator is for, where the parameters of the physics
        (masks, filters) are of one image each. The physics then computes the whole batch for it.

    Returns
    -------
    Operator
        Of one plane, without the axes of batch and channel: measurements that the physics gives as
        (1, C, h, w) are planes (h, w). It computes in the physics' own precision and on its device,
        in memory that both share where they can, and its ``solve`` takes conjugate gradients. Of
        ``Inpainting`` and ``Denoising`` it is a `fastepll.operators.Mask` and ``Identity``.

    Raises
    ------
    TypeError
        No ``A`` or ``A_adjoint``, or measurements that are not one real tensor.
    ValueError
        in_shape or n_images does not fit the physics, or it mixes channels.

    Examples
    --------
    >>> import deepinv, fastepll, torch
    >>> from fastepll.deepinv import from_physics
    >>> x = torch.linspace(0, 1, 40).expand(1, 1, 32, 40)
    >>> physics = deepinv.physics.Blur(filter=torch.full((1, 1, 1, 5), 0.2), padding="valid")
    >>> operator = from_physics(physics, (32, 40))
    >>> operator.in_shape, operator.out_shape
    ((32, 40), (32, 36))
    >>> restored = fastepll.restore(physics(x)[0, 0], operator, 0.01)
    >>> restored.shape
    (32, 40)
    """
    check_physics(physics)
    sides = tuple(in_shape)
    channels = 1
    if len(sides) == 3:
        channels, *rest = sides
        channels = check_count("in_shape", channels, 1, 1 << 20)
        sides = tuple(rest)
    height, width = check_sides("in_shape", sides)
    count = check_count("n_images", n_images, 1, 1 << 20)
    which = check_count("image", image, 0, count - 1)
    operator = Physical(physics, channels, (height, width), which, count)
    names = names_of(physics)
    if "Denoising" in names:
        return Identity(operator.in_shape)
    if "Inpainting" in names:
        known = operator.forward(np.ones(operator.in_shape))
        if np.isin(known, (0, 1)).all():
            return Mask(known == 0)
    if names & {"Blur", "BlurFFT"}:
        operator.kind = "blur"
    return operator


class Physical(Operator):
    """What `from_physics` returns."""

    def __init__(
        self, physics: Any, channels: int, in_shape: tuple[int, int], image: int, n_images: int
    ) -> None:
        super().__init__(in_shape, ())
        self.physics, self.channels = physics, channels
        self.image, self.n_images = image, n_images
        held: list[torch.Tensor] = [*physics.buffers(), *physics.parameters()]
        like = next((t for t in held if t.is_floating_point()), torch.zeros(()))
        self._device, self._dtype = like.device, like.dtype
        generator = torch.Generator().manual_seed(0)
        sample = torch.rand((1, channels, *in_shape), generator=generator).to(
            self._device, self._dtype
        )
        measured = self._measure(sample)
        image_shape = tuple(self._adjoint(measured).shape)
        if image_shape != tuple(sample.shape):
            raise ValueError(
                f"in_shape must be of the images of the physics, got {(channels, *in_shape)} where "
                f"its adjoint gives {image_shape[1:]}"
            )
        self._measured = tuple(measured.shape)
        self.out_shape = self._measured[1:]
        if len(self.out_shape) == 3 and self.out_shape[0] == channels:
            self.out_shape = self.out_shape[1:]
        elif channels > 1:
            raise ValueError(f"physics must keep the channels, got {self.out_shape} of {channels}")
        self._check_channels(sample, measured)

    def forward(self, x: FloatArray) -> FloatArray:
        """A x."""
        x = check_plane("x", x, self.in_shape)
        image = self._tensor(x).expand(1, self.channels, -1, -1)
        return self._plane(self._measure(image), self.out_shape, x.dtype)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Aᵀ y."""
        y = check_plane("y", y, self.out_shape)
        measured = self._tensor(y).expand(1, self.channels, *self.out_shape)
        image = self._adjoint(measured.reshape(self._measured))
        return self._plane(image, self.in_shape, y.dtype)

    def _measure(self, image: torch.Tensor) -> torch.Tensor:
        """What the physics makes of images, without noise."""
        with torch.no_grad():
            measured = self.physics.A(image.expand(self.n_images, *image.shape[1:]))
        if not isinstance(measured, torch.Tensor) or measured.is_complex():
            kind = f"dtype {measured.dtype}" if isinstance(measured, torch.Tensor) else ""
            raise TypeError(
                f"physics must give one real tensor, got {kind or type(measured).__name__}"
            )
        return self._mine(measured)

    def _mine(self, batch: torch.Tensor) -> torch.Tensor:
        """What a batch has of the image."""
        if len(batch) != self.n_images:
            raise ValueError(
                f"n_images must be that of the physics' parameters, got {self.n_images} where it "
                f"gives {len(batch)}"
            )
        return batch[self.image : self.image + 1]

    def _adjoint(self, measured: torch.Tensor) -> torch.Tensor:
        """Images that its adjoint makes of measurements."""
        with torch.no_grad():
            image = self.physics.A_adjoint(measured.expand(self.n_images, *measured.shape[1:]))
        return self._mine(image)

    def _tensor(self, plane: FloatArray) -> torch.Tensor:
        """The plane where it lies if the physics computes with such, else converted."""
        array = np.require(plane, requirements=["C", "W"])
        return torch.from_numpy(array).to(self._device, self._dtype)

    def _plane(
        self, values: torch.Tensor, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> FloatArray:
        """The first channel."""
        first = values[0] if self.channels == 1 else values[0, 0]
        return np.asarray(first.cpu().numpy().reshape(shape), dtype)

    def _check_channels(self, image: torch.Tensor, measured: torch.Tensor) -> None:
        """Raise ValueError unless each channel is treated for itself and all alike."""
        for c in range(self.channels if self.channels > 1 else 0):
            alone = self._measure(image[:, c : c + 1].expand(image.shape))[:, 0]
            if (alone - measured[:, c]).abs().max() > ALIKE * measured.abs().max():
                raise ValueError(
                    f"physics must treat each channel for itself and all alike, got one that does "
                    f"not in channel {c} of {self.channels}"
                )


def names_of(physics: Any) -> set[str]:
    """The classes that it is of."""
    return {kind.__name__ for kind in type(physics).__mro__}


def mask_of_channels(physics: Any, shape: tuple[int, ...], image: int, n_images: int) -> Any:
    """Where an ``Inpainting`` hides other pixels in each channel, (C, height, width); else None."""
    if "Inpainting" not in names_of(physics) or len(shape) != 3:
        return None
    like = next(iter(physics.buffers()))
    with torch.no_grad():
        known = physics.A(torch.ones((n_images, *shape), dtype=like.dtype, device=like.device))
    known = known[image].cpu().numpy() if len(known) == n_images else np.zeros(())
    if known.shape != shape or not np.isin(known, (0, 1)).all() or (known == known[:1]).all():
        return None
    return known == 0


def check_physics(physics: Any) -> None:
    """Raise TypeError unless it has what a linear physics has."""
    for name in ("A", "A_adjoint", "buffers", "parameters"):
        if not hasattr(physics, name):
            raise TypeError(
                f"physics must be a linear physics with {name}, got {type(physics).__name__}"
            )
