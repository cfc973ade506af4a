"""Pictures of where denoisers fail: for each, the block that it restores worst beside the others.

A block is where the square error of a method is most above that of the best other method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from protocol import Image

mpl.use("Agg")
from matplotlib import pyplot as plt

BLOCK = 72
Restored = Mapping[str, Sequence[Image]]


def blocks(error: Image) -> NDArray[np.float64]:
    """Mean square errors of blocks that overlap by half."""
    step = BLOCK // 2
    rows, cols = (size // step for size in error.shape)
    cells = np.square(error[: rows * step, : cols * step]).reshape(rows, step, cols, step)
    means = cells.mean((1, 3))
    return (means[1:, 1:] + means[1:, :-1] + means[:-1, 1:] + means[:-1, :-1]) / 4


def worst(name: str, images: Sequence[Image], restored: Restored) -> tuple[int, int, int, str]:
    """Image, top and left of the block, and which of the others is best there."""
    found: list[tuple[float, int, int, int, str]] = []
    others = [each for each in restored if each != name]
    for i, clean in enumerate(images):
        own = blocks(restored[name][i] - clean)
        theirs = np.stack([blocks(restored[each][i] - clean) for each in others])
        excess = own - theirs.min(0)
        row, col = (int(k) for k in np.unravel_index(excess.argmax(), excess.shape))
        best = others[int(theirs[:, row, col].argmin())]
        found.append((float(excess[row, col]), i, row * BLOCK // 2, col * BLOCK // 2, best))
    return max(found)[1:]


def decibels(one: Image, other: Image) -> str:
    """PSNR of a block."""
    return f"{-10 * np.log10(np.mean(np.square(one - other))):.1f} dB"


def draw(path: Path, images: Sequence[Image], noisy: Sequence[Image], restored: Restored) -> None:
    """A row for each method: the block clean, noisy, by the method, and by the best other one."""
    figure, axes = plt.subplots(
        len(restored), 4, figsize=(8, 2.2 * len(restored)), layout="constrained", squeeze=False
    )
    for row, name in zip(axes, restored, strict=True):
        i, top, left, best = worst(name, images, restored)
        here = np.s_[top : top + BLOCK, left : left + BLOCK]
        clean = images[i][here]
        parts = {"clean": clean, "noisy": noisy[i][here]}
        parts |= {each: restored[each][i][here] for each in (name, best)}
        for axis, (title, part) in zip(row, parts.items(), strict=True):
            axis.imshow(part, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_axis_off()
            told = "" if title == "clean" else f", {decibels(part, clean)}"
            axis.set_title(title + told, fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)
