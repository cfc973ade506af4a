"""What a fit costs: parameters, multiply-adds, memory."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fastepll.neural.networks import Network
from fastepll.neural.presets import DeepDecoder, Preset

STORED = {False: 1.1, True: 0.9}
"""Bytes kept, by whether features are halved, over those of all features in float32; like `BASE`
from the peaks that the cells "cost" of bench/studies/deep_image_prior.py measure."""

BASE = 100e6  # bytes that are taken besides


@dataclass(frozen=True)
class Cost:
    """Of a preset for an image.

    Attributes
    ----------
    n_parameters : int
    flops : float
        Of an iteration: twice the multiply-adds of the convolutions, of the image and, twice as
        many, of the gradient.
    nbytes : float
        Memory, about.
    """

    n_parameters: int
    flops: float
    nbytes: float


def cost_of(
    preset: Preset, shape: tuple[int, int], n_channels: int, *, n_in: int | None = None, half: bool
) -> Cost:
    """Cost of an iteration for images of that (padded) height and width; nothing is computed."""
    inputs = n_in or (2 if preset.input == "coordinates" else preset.input_channels)
    counts = {"features": 0, "multiply-adds": 0}

    def count(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        counts["features"] += output.numel()
        if isinstance(module, nn.Conv2d):
            per_value = module.weight[0].numel()
            counts["multiply-adds"] += output.numel() * per_value
            if module.padding != (0, 0):
                counts["features"] += output.numel() // module.out_channels * module.in_channels

    sides = shape
    if isinstance(preset.network, DeepDecoder):
        sides = (shape[0] // preset.network.multiple, shape[1] // preset.network.multiple)
    with torch.device("meta"):
        network = Network(preset.network, inputs, n_channels, half=False)
        for module in network.modules():
            if not [*module.children()]:
                module.register_forward_hook(count)
        network(torch.zeros(1, inputs, *sides))
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    stored = 4 * STORED[half] * counts["features"]
    nbytes = stored + 24 * n_parameters + BASE  # weights twice, gradients and Adam's moments
    return Cost(n_parameters, 6.0 * counts["multiply-adds"], nbytes)


def check_memory(cost: Cost, device: torch.device) -> None:
    """Raise MemoryError if the device has not so much memory to spare."""
    free = float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else available()
    if cost.nbytes > free:
        raise MemoryError(
            f"the fit needs about {cost.nbytes / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are "
            "free; restore parts of the image, or take a smaller preset"
        )


def available() -> float:
    """Bytes that this machine has to spare, infinity where that cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return float(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf
