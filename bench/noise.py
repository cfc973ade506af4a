"""Error of the noise estimate on bsd68, with areas that have no noise: ``python bench/noise.py``.

Every figure is estimate / truth. The truth is sigma; below a gray level, where rounding is as much
noise, the RMS of what both changed where there is noise. ``float`` is the protocol's noise,
``uint8`` the same rounded and clipped to 8 bits as a camera would. Of each image a share is then
replaced by exact constants, in three ways: bars (the upper and lower rows), blocks of 6 to 48
pixels at random places, and one side of a smooth random field; the value goes round 0, 0.5, 1,
250/255 and several. ``smooth`` is an area that was flat before the noise came. ``small`` is noise
of about a gray level on images that were blurred before. scikit-image (needs PyWavelets) is for
comparison.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from protocol import Image, add_noise, bsd68, cbsd68, data_dir, read_gray, write_result

import fastepll

SIGMAS = (5, 10, 15, 25, 50, 75)
SMALL = (0.3, 0.5, 0.7, 1, 2)
SHARES = (0.0, 0.03, 0.25, 0.6)
KINDS = ("bars", "blocks", "mask")
VALUES = (0.0, 0.5, 1.0, 250 / 255, None)  # None: several


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    parser.add_argument(
        "--folder", help="photographs to use instead of bsd68 (tuning: bsds300/train)"
    )
    parser.add_argument("--model", default="gray-8x8-200")
    args = parser.parse_args()
    if args.folder:
        clean = [read_gray(path) for path in sorted((data_dir() / args.folder).glob("*"))]
    else:
        clean = bsd68()

    def ours(image: Any, axis: int | None = None) -> float:
        return fastepll.estimate_sigma(image, model=args.model, channel_axis=axis)

    rows = [row(*labels, cases, ours) for *labels, cases in experiments(clean[: args.images])]
    if importlib.util.find_spec("pywt"):
        from skimage.restoration import estimate_sigma

        for sigma in SIGMAS:
            cases = flat_cases(clean[: args.images], sigma, 0.0, np.asarray)
            rows.append(row("scikit-image float", sigma, 0.0, cases, estimate_sigma))
    if not args.folder and args.images == 68:
        write_result("noise", {"model": args.model, "rows": rows})


def experiments(clean: list[Image]) -> Iterator[tuple[Any, ...]]:
    """Name, sigma and share of flat area of each row of figures, and its cases."""
    for name, to_dtype in {"float": np.asarray, "uint8": to_uint8}.items():
        for sigma, share in product(SIGMAS, SHARES):
            yield f"fastepll {name}", sigma, share, flat_cases(clean, sigma, share, to_dtype)
    for sigma in SIGMAS:
        cases = (case(filled(x, "bars", 0.25, i), sigma, i) for i, x in enumerate(clean))
        yield "fastepll smooth", sigma, 0.25, cases
    blurred = [blur(x) for x in clean]
    for sigma, share in product(SMALL, (0.0, 0.25)):
        yield "fastepll small", sigma, share, flat_cases(blurred, sigma, share, to_uint8)
    colour = cbsd68()[: len(clean) : 4]
    for sigma, share in product(SIGMAS, (0.0, 0.25, 0.6)):
        yield "fastepll colour", sigma, share, colour_cases(colour, sigma, share)


Case = tuple[str, Any, float, tuple[int, ...]]  # name, noisy image, truth, more arguments


def case(clean: Image, sigma: float, i: int) -> Case:
    """The protocol's noise."""
    noisy = add_noise(clean, sigma, i)
    return str(i + 1), noisy, float(np.std(noisy - clean)), ()


def flat_cases(
    clean: list[Image], sigma: float, share: float, to_dtype: Callable[[Image], Any]
) -> Iterator[Case]:
    """Each image with noise and, in each way, a share of it without."""
    for i, image in enumerate(clean):
        noisy = to_dtype(add_noise(image, sigma, i))
        top = 255 if noisy.dtype == np.uint8 else 1
        for kind in KINDS if share else KINDS[:1]:
            flat = np.zeros(image.shape, bool) if share == 0 else area(kind, share, image.shape, i)
            damaged = to_dtype(filled(noisy / top, kind, share, i)) if share else noisy
            inside = ~flat & (noisy > 0) & (noisy < 255) if top == 255 else ~flat
            truth = top * sigma / 255 if sigma >= 5 else np.std((noisy - top * image)[inside])
            yield f"{i + 1}" + f" {kind}" * bool(share), damaged, float(truth), ()


def colour_cases(clean: list[Image], sigma: float, share: float) -> Iterator[Case]:
    """Each channel with an area of its own without noise, and gray stored as RGB."""
    for i, image in enumerate(clean):
        noisy = add_noise(image, sigma, i)
        kinds = KINDS if share else KINDS[:1]
        for kind in kinds:
            planes = [filled(noisy[..., c], kind, share, 3 * i + c) for c in range(3)]
            yield f"{4 * i + 1} {kind}", np.stack(planes, -1), sigma / 255, (-1,)
        same = np.repeat(filled(noisy[..., 1], kind, share, i)[..., None], 3, axis=-1)
        yield f"{4 * i + 1} gray", same, sigma / 255, (-1,)


@cache
def area(kind: str, share: float, shape: tuple[int, ...], seed: int) -> Any:
    """Mask of a share of an image."""
    rng = np.random.default_rng(1000 + seed)
    flat = np.zeros(shape, bool)
    if kind == "bars":
        n = round(share * shape[0])
        flat[: n // 2] = flat[shape[0] - (n - n // 2) :] = True
    elif kind == "blocks":
        while flat.mean() < share:
            (y, x), (height, width) = rng.integers(0, shape), rng.integers(6, 48, 2)
            flat[y : y + height, x : x + width] = True
    else:
        spectrum = np.fft.fft2(rng.standard_normal(shape)) * gaussian(shape, 6.0)
        field = np.fft.ifft2(spectrum).real
        flat = field < np.quantile(field, share)
    return flat


def filled(image: Image, kind: str, share: float, seed: int) -> Image:
    """The image with a constant, or several, in that area."""
    if share == 0:
        return image
    value = VALUES[seed % len(VALUES)]
    columns = np.arange(image.shape[1]) * 5 // image.shape[1]
    fill = np.array([0.1, 0.9, 0.0, 0.5, 0.3])[columns] if value is None else value
    return np.where(area(kind, share, image.shape, seed), fill, image)


def blur(image: Image) -> Image:
    """The image without noise of its own, and not in whole gray levels."""
    return np.fft.ifft2(np.fft.fft2(image) * gaussian(image.shape, 2.0)).real


def gaussian(shape: tuple[int, ...], width: float) -> Image:
    """Transfer function of a Gaussian filter, periodic."""
    y, x = (np.fft.fftfreq(n) for n in shape)
    return np.exp(-2 * (np.pi * width) ** 2 * np.add.outer(y**2, x**2))


def to_uint8(image: Any) -> Any:
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)


def row(
    method: str,
    sigma: float,
    share: float,
    cases: Iterator[Case],
    run: Callable[..., float],
) -> dict[str, Any]:
    """Figures of one method, noise level and share of flat area."""
    names, ratios, seconds = [], np.empty(0), 0.0
    for name, noisy, truth, arguments in cases:
        start = time.process_time()
        ratios = np.append(ratios, run(noisy, *arguments) / truth)
        seconds += time.process_time() - start
        names.append(name)
    figures = {
        "method": method,
        "sigma": sigma,
        "flat": share,
        "mean": round(float(ratios.mean()), 4),
        "median": round(float(np.median(ratios)), 4),
        "min": round(float(ratios.min()), 4),
        "max": round(float(ratios.max()), 4),
        "worst image": names[int(np.abs(ratios - 1).argmax())],
        "within 10 %": f"{(np.abs(ratios - 1) <= 0.1).sum()}/{len(ratios)}",
        "processor seconds": round(seconds / len(ratios), 4),
    }
    print(figures, flush=True)
    return figures


if __name__ == "__main__":
    main()
