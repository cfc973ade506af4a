"""What the examples share: crops, noise, figures of merit, pictures side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

GAP = 8  # white pixels between panels


def crop(photograph, top, left, side):
    """Square of a photograph of 8 bits, as floats in [0, 1]."""
    return photograph[top : top + side, left : left + side] / 255


def psnr(image, clean):
    """Peak signal-to-noise ratio in dB of the image clipped to [0, 1]."""
    return -10 * np.log10(np.mean((np.clip(image, 0, 1) - clean) ** 2))


def captions(clean, images):
    """The name of each image, with its PSNR if it has the size of the clean one."""
    return [
        name + (f" {psnr(image, clean):.2f} dB" if np.shape(image) == clean.shape else "")
        for name, image in images.items()
    ]


def picture(images):
    """Images in [0, 1] side by side as uint8; smaller ones are enlarged pixel by pixel."""
    height = max(len(image) for image in images.values())
    shown = []
    for image in images.values():
        factor = height // len(image)
        large = np.kron(np.atleast_3d(image), np.ones((factor, factor, 1)))
        shown += [large, np.ones((height, GAP, large.shape[-1]))]
    pixels = np.rint(255 * np.clip(np.hstack(shown[:-1]), 0, 1)).astype(np.uint8)
    return pixels if pixels.shape[-1] == 3 else pixels[..., 0]


def save(script, clean, images):
    """Write the picture beside the script, and print what it shows."""
    target = Path(script).with_suffix(".png")
    Image.fromarray(picture(images)).save(target, optimize=True)
    print(f"{target.name}: {' | '.join(captions(clean, images))}")
