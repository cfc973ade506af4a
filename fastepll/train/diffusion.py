"""Train the reaction diffusions of quality "learned": ``python -m fastepll.train.diffusion``.

    python -m fastepll.train.diffusion bsds300/train out.npz --checkpoint state.npz

Each step denoises two photographs with new noise of one level, drawn from 2 to 75 (of 255), by
"fast", and descends the mean square error of pieces of them after all steps, in units of that of
the photograph before, as the mean of decibels does. With ``--chroma`` these are steps of the chroma
of photographs in colour, guided by the luminance that "learned" restores.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastepll.images.channels import opponent_planes
from fastepll.models.diffusion import ReactionDiffusion
from fastepll.restoration.denoise import denoise
from fastepll.train.descend import descend
from fastepll.train.descent import Descent, Run
from fastepll.train.diffusion_network import SIGMAS, DiffusionNetwork
from fastepll.train.patches import list_images, read_gray, read_rgb

SIDE, CHROMA_SIDE, BORDER = 96, 128, 8  # of the pieces, and what the loss leaves out
PHOTOGRAPHS = 2  # of a batch
HALVINGS, CHROMA_HALVINGS = (2, 1, 1, 0, 0), (1, 0)
HOW = Descent(
    iterations=16_000,
    batch=4,
    learning_rate=2e-3,
    warmup=50,
    clip=1.0,
    average=0.999,
    every=1000,
)


def train_diffusion(
    folder: str | Path,
    *,
    chroma: bool = False,
    strange: float = 0.1,
    halvings: Sequence[int] | None = None,
    n_filters: int = 48,
    side: int = 8,
    model: str = "gray-8x8-200",
    start: ReactionDiffusion | None = None,
    how: Descent = HOW,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[Run], None] | None = None,
    license: str = "",
) -> ReactionDiffusion:
    """Train one on the photographs of a folder.

    Parameters
    ----------
    folder : path
    chroma : bool
        Whether of chroma, guided by luminance.
    strange : float
        With chroma, share of the pieces in colours that photographs do not have, in [0, 1].
    halvings : sequence of int, optional
        Of each step, how often the image is halved for it.
    n_filters, side : int
        Filters of a step, and the side of their patches.
    model : str
        Prior of the passes before the steps.
    start : ReactionDiffusion, optional
        Steps to go on from; without them filters begin as cosines.
    how : Descent
    checkpoint, checkpoint_seconds, progress
        As for `fastepll.train.descend.descend`.
    license : str
        SPDX expression, kept in the metadata.

    Raises
    ------
    ValueError
        Photographs that are too small, an odd batch, or a start of other shapes.
    """
    cut = partial(chroma_pieces, strange=strange) if chroma else pieces
    least = CHROMA_SIDE if chroma else SIDE
    photographs = [(read_rgb if chroma else read_gray)(path) for path in list_images(folder)]
    if min(min(one.shape[:2]) for one in photographs) < least:
        raise ValueError(f"photographs of folder must be at least {least}x{least} pixels")
    if halvings is None:
        halvings = CHROMA_HALVINGS if chroma else HALVINGS
    if how.batch % PHOTOGRAPHS:
        raise ValueError(f"batch of how must be a multiple of {PHOTOGRAPHS}, got {how.batch}")

    def batch(rng: np.random.Generator, n: int) -> torch.Tensor:
        sigma = math.exp(rng.uniform(math.log(SIGMAS[0]), math.log(SIGMAS[-1])))
        chosen = rng.choice(len(photographs), PHOTOGRAPHS)
        parts = [
            piece
            for k in chosen
            for piece in cut(photographs[k], sigma, model, n // PHOTOGRAPHS, rng)
        ]
        planes = torch.from_numpy(np.stack(parts))
        return torch.cat([planes, torch.full_like(planes[:, :1], sigma)], 1)

    network = DiffusionNetwork(halvings, n_filters, side, guided=chroma)
    if start is not None:
        network.take(start)

    def loss(planes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        first, other, clean, before = (planes[:, i : i + 1] for i in range(4))
        found: torch.Tensor = network(first, other, float(planes[0, 4, 0, 0]))
        inner = slice(BORDER, -BORDER)
        return ((found - clean).square() / before)[..., inner, inner].mean()

    descend(
        network,
        batch,
        loss,
        how,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
    )
    pictures = f"{chroma=}, {strange=}" if chroma else f"{chroma=}"
    command = f"train_diffusion(…, {pictures}, {halvings=}, {n_filters=}, {side=}, {how})"
    before = {} if start is None else {"start": start.metadata.get("command", "")}
    return network.model({"model": model, "command": command, "license": license, **before})


def pieces(
    clean: NDArray[np.float64], sigma: float, model: str, n: int, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Pieces (4, SIDE, SIDE) of a photograph in [0, 255]: the start, the noisy one, the clean one.

    Each turned and mirrored by chance. The last plane has the mean square error of the whole start.
    """
    noisy = clean + sigma * rng.standard_normal(clean.shape)
    start = denoise(noisy, sigma, quality="fast", data_range=255.0, model=model)
    before = np.full_like(clean, np.mean(np.square(start - clean)))
    planes = np.stack([start, noisy, clean, before]).astype(np.float32)
    return [turned(planes[(slice(None), *place(clean, SIDE, rng))], rng) for _ in range(n)]


def chroma_pieces(
    clean: NDArray[np.float64],
    sigma: float,
    model: str,
    n: int,
    rng: np.random.Generator,
    *,
    strange: float,
) -> list[NDArray[np.float32]]:
    """Pieces (4, CHROMA_SIDE, CHROMA_SIDE) of the chroma planes of a photograph in colour.

    As `pieces`, with the luminance that "learned" restores in the place of the noisy plane. The
    last plane has the mean square error of all three planes of the place, in colour. In a share of
    them, the strange ones, colours are rotated by chance, so that chroma has edges as strong as
    those of luminance, and where that has none.
    """
    mix, found = opponent_planes(3), list[NDArray[np.float32]]()
    for _ in range(-(-n // 2)):
        part = clean[place(clean, CHROMA_SIDE, rng)]
        if rng.random() < strange:
            part = part @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
        noisy = part + sigma * rng.standard_normal(part.shape)
        expected, planes = (np.moveaxis(each @ mix.analysis.T, -1, 0) for each in (part, noisy))
        options: dict[str, Any] = {"data_range": 255.0, "model": model}
        starts = [denoise(planes[0], sigma * mix.gains[0], quality="learned", **options)]
        starts += [denoise(plane, sigma, quality="fast", **options) for plane in planes[1:]]
        errors = [np.mean(np.square(a - b)) for a, b in zip(starts, expected, strict=True)]
        before = np.full(planes[0].shape, np.sum(errors / mix.gains**2))
        found += [
            turned(np.stack([starts[c], starts[0], expected[c], before]), rng) for c in (1, 2)
        ]
    return found[:n]


def place(image: NDArray[np.float64], side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square somewhere in an image."""
    top, left = (int(rng.integers(size - side + 1)) for size in image.shape[:2])
    return slice(top, top + side), slice(left, left + side)


def turned(planes: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    """Planes turned and mirrored by chance."""
    piece = np.rot90(planes, int(rng.integers(4)), (1, 2))
    return np.ascontiguousarray(piece[..., ::-1] if rng.integers(2) else piece, np.float32)


def main() -> None:
    """Run from a shell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--chroma", action="store_true", help="steps of chroma")
    parser.add_argument("--strange", type=float, default=0.1, help="share of strange colours")
    parser.add_argument("--halvings", type=int, nargs="+", help="of the image, for each step")
    parser.add_argument("--filters", type=int, default=48)
    parser.add_argument("--start", help="file of steps to go on from")
    parser.add_argument("--iterations", type=int, default=HOW.iterations)
    parser.add_argument("--learning-rate", type=float, default=HOW.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="gray-8x8-200")
    parser.add_argument("--license", default="")
    parser.add_argument("--checkpoint")
    arguments = parser.parse_args()

    def tell(run: Run) -> None:
        if run.i % 100 == 0:
            print(run.i, run.history[-1:], flush=True)

    train_diffusion(
        arguments.folder,
        chroma=arguments.chroma,
        strange=arguments.strange,
        halvings=arguments.halvings and tuple(arguments.halvings),
        n_filters=arguments.filters,
        model=arguments.model,
        start=ReactionDiffusion.load(arguments.start) if arguments.start else None,
        how=replace(
            HOW,
            iterations=arguments.iterations,
            learning_rate=arguments.learning_rate,
            seed=arguments.seed,
        ),
        checkpoint=arguments.checkpoint,
        progress=tell,
        license=arguments.license,
    ).save(arguments.out, overwrite=True)


if __name__ == "__main__":
    main()
