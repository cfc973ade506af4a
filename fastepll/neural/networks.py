"""The networks of the presets in torch."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from fastepll.neural.presets import DeepDecoder, EncoderDecoder, Upsampling

SLOPE = 0.2  # of the leaky ReLU


class Padded(nn.Conv2d):
    """Convolution of an image that is reflected at its border."""

    def __init__(self, n_in: int, n_out: int, side: int, stride: int = 1) -> None:
        super().__init__(n_in, n_out, side, stride, padding=side // 2, padding_mode="reflect")


class Normalisation(nn.BatchNorm2d):
    """Of each channel, by its own mean and variance over the pixels."""

    def __init__(self, n: int) -> None:
        super().__init__(n, track_running_stats=False)


def unit(n_in: int, n_out: int, side: int, stride: int = 1) -> list[nn.Module]:
    """Convolution, normalisation, leaky ReLU."""
    return [
        Padded(n_in, n_out, side, stride),
        Normalisation(n_out),
        nn.LeakyReLU(SLOPE, inplace=True),
    ]


class Level(nn.Module):
    """A level of the encoder and decoder, with those below it inside."""

    def __init__(
        self,
        network: EncoderDecoder,
        i: int,
        n_in: int,
        upsampling: Upsampling,
        inner: Level | None,
    ) -> None:
        super().__init__()
        down, up, skip = network.down[i], network.up[i], network.skip[i]
        side = network.down_kernel
        self.encode = nn.Sequential(*unit(n_in, down, side, 2), *unit(down, down, side))
        self.inner = inner
        self.skip = nn.Sequential(*unit(n_in, skip, 1)) if skip else None
        below = down if inner is None else network.up[i + 1]
        self.enlarge = nn.Upsample(scale_factor=2, mode=upsampling)
        parts = [Normalisation(below + skip), *unit(below + skip, up, network.up_kernel)]
        if network.pointwise:
            parts += unit(up, up, 1)
        self.decode = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of the size of x."""
        coarse = self.encode(x)
        if self.inner is not None:
            coarse = self.inner(coarse)
        coarse = self.enlarge(coarse)
        if self.skip is not None:
            coarse = torch.cat([self.skip(x), coarse], dim=1)
        features: torch.Tensor = self.decode(coarse)
        return features


def features(network: EncoderDecoder | DeepDecoder, n_in: int) -> nn.Sequential:
    """All but the last layer."""
    if isinstance(network, DeepDecoder):
        layers: list[nn.Module] = []
        for i in range(network.layers):
            layers += [
                nn.Conv2d(n_in if i == 0 else network.channels, network.channels, 1, bias=False),
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.ReLU(inplace=True),
                Normalisation(network.channels),
            ]
        return nn.Sequential(*layers)
    n_levels = len(network.down)
    modes = network.upsampling
    inner: Level | None = None
    for i in reversed(range(n_levels)):
        mode = modes if isinstance(modes, str) else modes[i]
        inner = Level(network, i, n_in if i == 0 else network.down[i - 1], mode, inner)
    assert inner is not None
    return nn.Sequential(inner)


class Network(nn.Module):
    """Features, then a linear mixture of them and a sigmoid in float32: an image in [0, 1].

    Parameters
    ----------
    network : EncoderDecoder or DeepDecoder
    n_in, n_out : int
        Channels of its input and of the image.
    half : bool
        Whether the features are computed in bfloat16.
    """

    def __init__(
        self, network: EncoderDecoder | DeepDecoder, n_in: int, n_out: int, *, half: bool
    ) -> None:
        super().__init__()
        self.features = features(network, n_in)
        width = network.channels if isinstance(network, DeepDecoder) else network.up[0]
        self.mix = nn.Conv2d(width, n_out, 1)
        self.halved = half

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Image (1, n_out, height, width)."""
        half = torch.autocast(z.device.type, torch.bfloat16) if self.halved else nullcontext()
        with half:
            found = self.features(z)
        image: torch.Tensor = torch.sigmoid(self.mix(found.to(self.mix.weight.dtype)))
        return image
