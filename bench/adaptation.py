"""Priors of the image itself: ``python bench/adaptation.py``.

What `fastepll.adapt` gains on photographs, on textures and on pictures that are none, and what a
mixture restores that was learnt from noisy images alone, beside one from the same images without
noise.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from protocol import Image, add_noise, bsd68, data_dir, psnr, read_gray, write_result

import fastepll

NAME = "gray-8x8-200"
PICTURES = ("brick", "grass", "gravel", "text", "page", "coins", "cell", "moon")
OWN = ("brick", "grass", "gravel", "digits")
SIGMA = 25
FIT = {"n_components": 50, "iterations": 20, "seed": 0}


def picture(name: str) -> Image:
    """A gray picture that comes with scikit-image, in [0, 1]."""
    from skimage import data, img_as_float

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


def patches(image: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """All of 8x8."""
    return sliding_window_view(image, (8, 8)).reshape(-1, 64).astype(np.float64)


def own_kind(name: str, threads: int) -> dict[str, Any]:
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
    return {"kind": name} | {
        which: round(restored(model=model), 3) for which, model in models.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for sigma in (15, 25, 50):
        each = [
            adapting(clean, sigma, i, args.threads)
            for i, clean in enumerate(bsd68()[: args.images])
        ]
        row = {key: round(statistics.mean(one[key] for one in each), 3) for key in each[0]}
        losses = [one["exact"] - one["exact, adapted"] for one in each]
        rows.append({"image": "bsd68", "sigma": sigma} | row | {"most lost": round(max(losses), 3)})
        print(rows[-1], flush=True)
    barbara = read_gray(data_dir() / "dip" / "barbara.png")
    for name in ("barbara", *PICTURES):
        clean = barbara if name == "barbara" else picture(name)
        found = adapting(clean, SIGMA, 0, args.threads)
        row = {key: round(value, 3) for key, value in found.items()}
        rows.append({"image": name, "sigma": SIGMA} | row)
        print(rows[-1], flush=True)
    kinds = [own_kind(name, args.threads) for name in OWN]
    print(*kinds, sep="\n", flush=True)
    if args.images == 68:
        write_result("adaptation", {"threads": args.threads, "rows": rows, "kinds": kinds})


if __name__ == "__main__":
    main()
