"""The shipped priors beside each other, on what they were trained near to and on what neither saw.

    python bench/priors.py                        # everything
    python bench/priors.py --kind gray --quality balanced    # these rows anew, the others kept

Sets: ``bsd68`` or its colour originals; the test photographs of BSDS300 that are not in it; those
that the training on BSDS300, and on CLIC, held out (their names are in the models' metadata); and
photographs of no set that a prior was trained on: those of the deep image prior, of scikit-image
and of scikit-learn. All but the first are crops of 256x256 from the middle. In colour each set has
20 images. The quality `exact` has the first 12 of each set, 6 in colour, and the inner 128x128 of
all but the gray ``bsd68``. Noise of image i is seeded by i. Log-likelihoods are of 8-bit patches
dequantised, in the convention of `likelihood.py`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from protocol import (
    GRAY,
    RESULTS,
    Image,
    add_noise,
    bsd68,
    cbsd68,
    data_dir,
    psnr,
    read_colour,
    write_result,
)

import fastepll
from fastepll.train.patches import cut_patches

FIRST, SECOND = "gray-8x8-200", "gray-8x8-200-clic"
RGB = ("rgb-8x8-200", "rgb-8x8-200-clic")
MODELS = {"gray": (FIRST, SECOND), "colour": (FIRST, SECOND, *RGB)}
LIKELY = {"gray": (FIRST, SECOND), "colour": RGB}
PATCHES = 6_000  # for each log-likelihood
SIDE, SLOW_SIDE, SLOW, IN_COLOUR = 256, 128, 12, 20
DIP = ("F16_GT", "barbara", "kate", "library", "vase", "zebra_GT")
SKIMAGE = ("astronaut", "camera", "chelsea", "coffee", "motorcycle_left", "rocket")
SKLEARN = ("china", "flower")


def centre(image: Image, side: int) -> Image:
    """The square in the middle, or all of an image that is smaller."""
    top, left = (max(length - side, 0) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def quarters(image: Image) -> list[Image]:
    """Its four quarters: photographs of a megapixel have room for a crop in each."""
    rows, cols = image.shape[0] // 2, image.shape[1] // 2
    return [image[i : i + rows, j : j + cols] for i in (0, rows) for j in (0, cols)]


def neither() -> list[Path]:
    """Photographs of no set that a prior was trained on."""
    import skimage
    import sklearn.datasets

    packages = Path(skimage.__file__).parent / "data", Path(sklearn.datasets.__file__).parent
    folders = (data_dir() / "dip", packages[0], packages[1] / "images")
    return [
        next(folder.glob(f"{name}.*g"))
        for folder, names in zip(folders, (DIP, SKIMAGE, SKLEARN), strict=True)
        for name in names
    ]


def sets() -> dict[str, list[Image]]:
    """Colour images of every set, in [0, 1], by its name."""
    root = data_dir()
    held = {name: fastepll.load_model(name).metadata["held_out_images"] for name in (FIRST, SECOND)}
    with open(root / "bsd68" / "sources.csv", newline="") as file:
        used = {Path(row["colour"]).name for row in csv.DictReader(file)}
    rest = [p for p in sorted((root / "bsds300/test").iterdir()) if p.name not in used]
    clic = [q for name in held[SECOND] for q in quarters(read_colour(root / "clic2025" / name))]
    return {
        "bsd68": cbsd68(),
        "bsds300, other test": [centre(read_colour(p), SIDE) for p in rest],
        "bsds300, held out": [
            centre(read_colour(root / "bsds300/train" / name), SIDE) for name in held[FIRST]
        ],
        "clic2025, held out": [centre(crop, SIDE) for crop in clic],
        "neither": [centre(read_colour(path), SIDE) for path in neither()],
    }


def gray(image: Image) -> Image:
    """By the weights of the protocol, rounded to 8 bits."""
    return np.round(255 * image @ GRAY) / 255


def chosen(name: str, images: Sequence[Image], kind: str, quality: str) -> list[Image]:
    """Those of a quality: fewer and smaller ones for the slow one, fewer in colour."""
    if kind == "gray":
        some = bsd68() if name == "bsd68" else [gray(image) for image in images]
    else:
        some = list(images[:IN_COLOUR])
    if quality != "exact":
        return some
    if kind == "colour":
        return [centre(image, SLOW_SIDE) for image in some[: SLOW // 2]]
    some = some[:SLOW]
    return some if name == "bsd68" else [centre(image, SLOW_SIDE) for image in some]


def restore(images: Sequence[Image], model: str, sigma: float, quality: str) -> np.ndarray:
    """PSNR of each image in dB."""
    denoise = fastepll.Denoiser(
        sigma / 255,
        model=model,
        quality=quality,
        channel_axis=-1 if images[0].ndim == 3 else None,
    )
    return np.array([psnr(denoise(add_noise(x, sigma, i)), x) for i, x in enumerate(images)])


def nats(images: Sequence[Image], name: str) -> tuple[float, float]:
    """Mean log-likelihood of a patch of the benchmark, and its standard error over images."""
    model = fastepll.load_model(name)
    d, means = model.d, []
    for i, image in enumerate(images):
        rng = np.random.default_rng([0, i])
        block = cut_patches(255 * image, (8, 8), PATCHES // len(images), rng, dequantise=True)
        means.append(model.log_prob(block).mean())
    offset = 0.5 * math.log(d) + (d - 1) * math.log(256 / 255)
    return float(np.mean(means)) + offset, float(np.std(means) / math.sqrt(len(means)))


def compare(images: Sequence[Image], models: Sequence[str], quality: str) -> list[dict[str, Any]]:
    """Mean PSNR of each model, and of its difference to the one before it with its error."""
    rows = []
    for sigma in (15, 25, 50):
        found = {model: restore(images, model, sigma, quality) for model in models}
        row: dict[str, Any] = {"quality": quality, "sigma": sigma, "images": len(images)}
        row["psnr"] = {model: round(float(v.mean()), 3) for model, v in found.items()}
        for old, new in zip(models[::2], models[1::2], strict=True):
            difference = found[new] - found[old]
            error = difference.std() / math.sqrt(len(images))
            row[f"{new} - {old}"] = [round(float(x), 3) for x in (difference.mean(), error)]
        rows.append(row)
    return rows


def likelihoods(images: Sequence[Image], models: Sequence[str]) -> list[dict[str, Any]]:
    """Log-likelihood of patches under each model."""
    found = {model: nats(images, model) for model in models}
    return [
        {"model": model, "nats": round(mean, 2), "standard error": round(error, 2)}
        for model, (mean, error) in found.items()
    ]


def store(kind: str, name: str, part: str, rows: list[dict[str, Any]]) -> None:
    """Put rows in place of those of the same kind, set and quality."""
    path = RESULTS / "priors.json"
    figures = json.loads(path.read_text()) if path.exists() else {"rows": [], "likelihood": []}
    where = {"kind": kind, "set": name}
    new = [where | row for row in rows]
    key = "likelihood" if part == "likelihood" else "rows"
    mine = where if key == "likelihood" else where | {"quality": part}
    others = [row for row in figures[key] if any(row[k] != v for k, v in mine.items())]
    parts = {"rows": figures["rows"], "likelihood": figures["likelihood"], key: others + new}
    write_result("priors", {**parts, "patches": PATCHES})
    print(*new, sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", nargs="+", default=["gray", "colour"])
    parser.add_argument("--quality", nargs="+", default=["balanced", "exact"])
    args = parser.parse_args()
    images = sets()
    for kind, quality in itertools.product(args.kind, args.quality):
        models = MODELS[kind]
        for name, every in images.items():
            some = chosen(name, every, kind, quality)
            store(kind, name, quality, compare(some, models, quality))
            if quality == "balanced":
                store(kind, name, "likelihood", likelihoods(some, LIKELY[kind]))


if __name__ == "__main__":
    main()
