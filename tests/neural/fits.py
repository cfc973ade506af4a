"""A tiny network, a scene to fit it to, and short calls."""

from __future__ import annotations

import numpy as np

import fastepll
from fastepll.neural import EncoderDecoder, Preset

from ..scenes import noisy, scene

TINY = Preset(
    network=EncoderDecoder(down=(16,) * 3, up=(16,) * 3, skip=(4,) * 3, pointwise=False),
    input_channels=4,
    iterations=40,
)
CLEAN, SIGMA = scene(64, 72), 0.1
NOISY = noisy(CLEAN, SIGMA)


def psnr(image, clean=CLEAN):
    return -10 * np.log10(np.mean((image - clean) ** 2))


def fit(y, *args, preset=TINY, precision="float32", **options):
    return fastepll.deep_image_prior(y, *args, preset=preset, precision=precision, **options)
