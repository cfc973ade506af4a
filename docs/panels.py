"""What the examples share: crops, digits, figures of merit, and images side by side."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

GRAY = plt.get_cmap("gray").with_extremes(bad="tab:blue")


def crop(photograph, top, left, side):
    """Square of a photograph of 8 bits, as floats in [0, 1]."""
    return photograph[top : top + side, left : left + side] / 255


def digits(n_test=500):
    """Digits (n, 8, 8), 1 from gray level 8 on, and their classes: to train, then to test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    x, classes = (data.images[order] >= 8).astype(float), data.target[order]
    return (x[:-n_test], classes[:-n_test]), (x[-n_test:], classes[-n_test:])


def mean_nats(models, data):
    """Mean log probability of a datum under each model."""
    return {name: round(float(np.mean(m.log_prob(data))), 2) for name, m in models.items()}


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


def tiles(sheets, columns=4):
    """Sheets of square images in [0, 1], rows (n, d) or (n, side, side) under each caption."""
    high = 0.6 * max(map(len, sheets.values())) / columns + 0.4
    figure, axes = plt.subplots(
        1, len(sheets), figsize=(0.62 * columns * len(sheets), high), squeeze=False
    )
    figure.subplots_adjust(0.005, 0.005, 0.995, 1 - 0.36 / high, wspace=0.06)
    for axis, (caption, rows) in zip(axes.flat, sheets.items(), strict=True):
        side = round(np.prod(np.shape(rows)[1:]) ** 0.5)
        images = np.kron(np.reshape(rows, (-1, side, side)), np.ones((4, 4)))
        padded = np.pad(images, ((0, 0), (1, 0), (1, 0)), constant_values=np.nan)
        grid = padded.reshape(-1, columns, *padded.shape[1:]).swapaxes(1, 2)
        sheet = grid.reshape(-1, columns * padded.shape[2])[1:, 1:]
        axis.imshow(sheet, cmap=GRAY, vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(caption)
        axis.axis("off")
    return figure
