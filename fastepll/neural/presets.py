"""The networks of the deep image prior and how they are fitted: named settings, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fastepll._validation.arguments import check_choice

Upsampling: TypeAlias = Literal["nearest", "bilinear"]
Input: TypeAlias = Literal["noise", "coordinates"]


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder:
    """The encoder and decoder with skip connections of the deep image prior.

    Each level halves the image by a convolution of stride 2; on the way back it is enlarged,
    joined by what the skip connection let through, and convolved again.

    Attributes
    ----------
    down, up, skip : tuple of int
        Channels of the encoder, the decoder and the skip connections (0: none), from the level of
        the whole image to the coarsest.
    down_kernel, up_kernel : int
        Sides of the kernels, odd; those of skip connections have one pixel.
    upsampling : {"nearest", "bilinear"} or tuple of them
        One for each level, or for all.
    pointwise : bool
        Whether a convolution of one pixel follows that of the decoder on each level.
    """

    down: tuple[int, ...] = (128,) * 5
    up: tuple[int, ...] = (128,) * 5
    skip: tuple[int, ...] = (4,) * 5
    down_kernel: int = 3
    up_kernel: int = 3
    upsampling: Upsampling | tuple[Upsampling, ...] = "bilinear"
    pointwise: bool = True

    @property
    def multiple(self) -> int:
        """What the sides of an image are padded to a multiple of."""
        return int(2 ** len(self.down))

    @property
    def smallest(self) -> int:
        """Shortest padded side: reflection at the coarsest level needs more than its padding."""
        return self.multiple * (max(self.down_kernel, 3) // 2 + 1)


@dataclass(frozen=True, kw_only=True)
class DeepDecoder:
    """A decoder without convolutions over neighbouring pixels (Heckel & Hand 2019).

    Attributes
    ----------
    channels : int
        Of every layer.
    layers : int
        Mixing of channels, ×2 bilinear enlargement, ReLU and normalisation each.
    """

    channels: int = 128
    layers: int = 5

    @property
    def multiple(self) -> int:
        """What the sides of an image are padded to a multiple of."""
        return int(2**self.layers)

    @property
    def smallest(self) -> int:
        """Shortest padded side."""
        return 2 * self.multiple


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A network, and what `fastepll.deep_image_prior` takes where it is not told otherwise.

    Attributes
    ----------
    network : EncoderDecoder or DeepDecoder
    input : {"noise", "coordinates"}
        What the network maps to the image: uniform noise in [0, 0.1], or the two coordinates.
    input_channels : int
        Of the noise.
    iterations : int
        Steps of Adam.
    learning_rate : float
    input_noise : float
        Standard deviation of the noise added to the input anew in each step.
    """

    network: EncoderDecoder | DeepDecoder
    input: Input = "noise"
    input_channels: int = 32
    iterations: int = 3000
    learning_rate: float = 0.01
    input_noise: float = 0.03


def _uniform(channels: int, levels: int, skip: int) -> EncoderDecoder:
    """As many channels on every level."""
    return EncoderDecoder(down=(channels,) * levels, up=(channels,) * levels, skip=(skip,) * levels)


_WIDE = _uniform(128, 5, 4)
_RISING = (16, 32, 64, 128, 128, 128)

PRESETS = {
    "slim": Preset(network=_uniform(32, 5, 4), iterations=3000),
    "deep-decoder": Preset(network=DeepDecoder(), input_noise=0.0, iterations=5000),
    "denoising": Preset(network=_WIDE, input_noise=1 / 30),
    "super-resolution-x4": Preset(network=_WIDE, iterations=2000),
    "super-resolution-x8": Preset(network=_WIDE, iterations=4000, input_noise=0.05),
    "inpainting": Preset(network=_WIDE, iterations=11000, learning_rate=0.001),
    "inpainting-text": Preset(
        network=replace(_WIDE, skip=(128,) * 5, upsampling="nearest"), iterations=6001
    ),
    "inpainting-vase": Preset(
        network=replace(_WIDE, skip=(0,) * 5, upsampling="nearest"),
        input="coordinates",
        iterations=5001,
    ),
    "inpainting-library": Preset(
        network=EncoderDecoder(
            down=_RISING,
            up=_RISING,
            skip=(0,) * 6,
            down_kernel=5,
            upsampling="nearest",
            pointwise=False,
        ),
        input_channels=1,
        iterations=3001,
        input_noise=0.0,
    ),
    "two-images": Preset(
        network=replace(_WIDE, upsampling=("nearest",) * 2 + ("bilinear",) * 3),
        iterations=601,
        learning_rate=0.1,
        input_noise=0.0,
    ),
}
"""By name. Those from "denoising" on are of the paper's public code, by task."""


def preset_of(preset: str | Preset) -> Preset:
    """A preset by its name, or itself."""
    if isinstance(preset, Preset):
        return preset
    check_choice("preset", preset, tuple(PRESETS))
    return PRESETS[preset]


def check_depth(shape: tuple[int, int], preset: Preset) -> None:
    """Raise ValueError for an image that is more padding than image."""
    least = preset.network.multiple
    if min(shape) < least:
        raise ValueError(
            f"the image must have at least {least} pixels a side for the levels of the network, "
            f"got {shape[0]}x{shape[1]}"
        )
