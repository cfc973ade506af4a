"""Priors of the image itself: ``python bench/adaptation.py``.

What `fastepll.adapt` gains on photographs, on textures and on pictures that are none, and what a
mixture restores that was learnt from noisy images alone, beside one from the same images without
noise.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from peers import bm3d
from phantoms import filaments
from protocol import Image, add_noise, bsd68, data_dir, psnr, read_gray, write_result

import fastepll
from fastepll.restoration.poisson import generalized_anscombe, inverse_generalized_anscombe

Row = dict[str, Any]

NAME = "gray-8x8-200"
PICTURES = ("barbara", "brick", "grass", "gravel", "text", "page", "coins", "cell", "moon")
OWN = ("brick", "grass", "gravel", "digits")
SIGMA = 25
PHOTONS = 20.0
FIT = {"n_components": 50, "iterations": 20, "seed": 0}


def picture(name: str) -> Image:
    """That of the data, or one that comes with scikit-image, gray, in [0, 1]."""
    from skimage import data, img_as_float

    if name == "barbara":
        return read_gray(data_dir() / "dip" / "barbara.png")
    found = np.asarray(img_as_float(getattr(data, name)()))
    return found if found.ndim == 2 else np.asarray(found @ [0.2125, 0.7154, 0.0721])


def digits(part: str, rows: int = 18) -> Image:
    """Handwritten digits side by side, in [0, 1]."""
    with np.load(data_dir() / "mnist" / "mnist.npz") as file:
        images = file[f"{part}_images"][: rows * rows] / 255
    tiles = images.reshape(rows, rows, 28, 28)
    return np.asarray(tiles.swapaxes(1, 2).reshape(28 * rows, 28 * rows))


def decibels(clean: Image, noisy: NDArray[np.float32], sigma: float, **options: Any) -> float:
    """PSNR of a restoration."""
    return psnr(fastepll.denoise(noisy, sigma / 255, **options), clean)


def adapting(clean: Image, sigma: float, index: int, threads: int) -> dict[str, float]:
    """Decibels by the shipped prior and adapted ones, the last to the clean image; seconds."""
    noisy = add_noise(clean, sigma, index).astype(np.float32)
    restored = partial(decibels, clean, noisy, sigma, n_threads=threads)
    start = time.perf_counter()
    own = fastepll.adapt(NAME, noisy, sigma / 255, n_threads=threads)
    seconds = time.perf_counter() - start
    level = 0.5 / 255  # that is next to no noise
    told = fastepll.adapt(NAME, clean, level, n_threads=threads)
    return {
        "exact": restored(quality="exact"),
        "exact, adapted": restored(quality="exact", model=own),
        "exact, told": restored(quality="exact", model=told),
        "high": restored(quality="high"),
        "high, adapted": restored(quality="high", model=own),
        "seconds to adapt": seconds,
    }


def fluorescence(threads: int) -> dict[str, float]:
    """Decibels on threads under a microscope: 20 photons at most, read noise of one."""
    clean = filaments(128).max(axis=0)
    rng = np.random.default_rng(0)
    noisy = rng.poisson(PHOTONS * clean) + rng.standard_normal(clean.shape)
    even = generalized_anscombe(noisy, sigma=1.0)
    black, white = generalized_anscombe([0.0, PHOTONS], sigma=1.0)
    own = fastepll.adapt(NAME, even, 1.0, data_range=white - black, n_threads=threads)
    options = {"peak": PHOTONS, "n_threads": threads}
    row = {
        f"{quality}{which}": psnr(
            fastepll.denoise_poisson(noisy, sigma=1.0, model=model, quality=quality, **options)
            / PHOTONS,
            clean,
        )
        for quality in ("exact", "high")
        for which, model in (("", NAME), (", adapted", own))
    }
    found = bm3d(threads)((even - black) / (white - black), 1 / (white - black))
    restored = inverse_generalized_anscombe(black + (white - black) * found, sigma=1.0)
    return row | {"BM3D": psnr(restored / PHOTONS, clean)}


def patches(image: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """All of 8x8."""
    return sliding_window_view(image, (8, 8)).reshape(-1, 64).astype(np.float64)


def own_kind(name: str, threads: int) -> dict[str, float]:
    """Decibels on a picture, by priors learnt from another part of its kind."""
    if name == "digits":
        train, test = digits("train"), digits("test", 10)
    else:
        whole = picture(name)
        train, test = whole[:, : whole.shape[1] // 2], whole[:, whole.shape[1] // 2 :]
    seen, noisy = add_noise(train, SIGMA, 0), add_noise(test, SIGMA, 1).astype(np.float32)
    levels = np.random.default_rng(2).uniform(-0.5, 0.5, train.shape) / 255  # dequantised
    models = {
        "shipped": NAME,
        "adapted": fastepll.adapt(NAME, noisy, SIGMA / 255, n_threads=threads),
        "from noisy images": fastepll.GaussianMixture.fit(patches(seen), sigma=SIGMA / 255, **FIT),
        "from clean images": fastepll.GaussianMixture.fit(patches(train + levels), **FIT),
    }
    restored = partial(decibels, test, noisy, SIGMA, quality="exact", n_threads=threads)
    return {which: restored(model=model) for which, model in models.items()}


def rounded(row: dict[str, float]) -> Row:
    """To a thousandth."""
    return {key: round(value, 3) for key, value in row.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    found: dict[str, list[Row]] = {}
    for part in (others, kinds, photographs):
        found[part.__name__] = []
        for row in part(args.images, args.threads):
            found[part.__name__].append(row)
            print(row, flush=True)
    if args.images == 68:
        write_result("adaptation", {"threads": args.threads, **found})


def photographs(n_images: int, threads: int) -> Iterator[Row]:
    """Of images of bsd68, by noise level."""
    for sigma in (15, 25, 50):
        each = [adapting(clean, sigma, i, threads) for i, clean in enumerate(bsd68()[:n_images])]
        means = {key: statistics.mean(one[key] for one in each) for key in each[0]}
        most = max(one["exact"] - one["exact, adapted"] for one in each)
        yield {"image": "bsd68", "sigma": sigma} | rounded(means | {"most lost": most})


def others(_: int, threads: int) -> Iterator[Row]:
    """Of textures and of pictures that are no photographs."""
    for name in PICTURES:
        clean = picture(name)
        row = adapting(clean, SIGMA, 0, threads)
        row["BM3D"] = psnr(bm3d(threads)(add_noise(clean, SIGMA, 0), SIGMA / 255), clean)
        yield {"image": name, "sigma": SIGMA} | rounded(row)
    yield {"image": "fluorescence", "photons": PHOTONS} | rounded(fluorescence(threads))


def kinds(_: int, threads: int) -> Iterator[Row]:
    """Of priors learnt from noisy images alone."""
    for name in OWN:
        yield {"kind": name} | rounded(own_kind(name, threads))


if __name__ == "__main__":
    main()
