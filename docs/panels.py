"""What the examples share: crops, figures of merit, and images side by side."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt


def crop(photograph, top, left, side):
    """Square of a photograph of 8 bits, as floats in [0, 1]."""
    return photograph[top : top + side, left : left + side] / 255


def psnr(image, clean):
    """Peak signal-to-noise ratio in dB of the image clipped to [0, 1]."""
    return -10 * np.log10(np.mean((np.clip(image, 0, 1) - clean) ** 2))


def captions(clean, images):
    """The name of each image, with its PSNR if it has the size of the clean one."""
    return [
        name + (f"\n{psnr(image, clean):.2f} dB" if np.shape(image) == clean.shape else "")
        for name, image in images.items()
    ]


def show(clean, images):
    """Images in [0, 1] side by side under their captions."""
    figure, axes = plt.subplots(1, len(images), figsize=(3.4 * len(images), 3.9))
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.875, wspace=0.02)
    for axis, image, caption in zip(axes, images.values(), captions(clean, images), strict=True):
        axis.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(caption)
        axis.axis("off")
    return figure
