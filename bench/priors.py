"""The shipped priors beside each other, on what they were trained near to and on what neither saw.

    python bench/priors.py                # gray, and colour with four priors
    python bench/priors.py --crops 4      # in a minute: the first crops of every set

Sets: ``bsd68`` or its colour originals; the test photographs of BSDS300 that are not in it; those
that the training on BSDS300, and on CLIC, held out (their names are in the models' metadata); and
photographs of no set that a prior was trained on: those of the deep image prior, of scikit-image
and of scikit-learn. All but the first are crops from the middle: 256x256, and of these the inner
128x128 for the quality `exact`, which has the first 12 images of each set. Noise of image i is
seeded by i. The log-likelihood of a patch is that of `likelihood.py`, of 8-bit patches dequantised.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from protocol import GRAY, Image, add_noise, cbsd68, data_dir, psnr, read_colour, write_result

import fastepll
from fastepll.train.patches import cut_patches

FIRST, SECOND = "gray-8x8-200", "gray-8x8-200-clic"
COLOUR = (FIRST, SECOND, "rgb-8x8-200", "rgb-8x8-200-clic")
SIDE, SLOW_SIDE, SLOW = 256, 128, 12
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
    held = {name: fastepll.load_model(name).metadata["held_out_images"] for name in COLOUR[:2]}
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


def chosen(images: Sequence[Image], quality: str, *, whole: bool) -> list[Image]:
    """Those of a quality: fewer and smaller ones for the slow one."""
    if quality != "exact":
        return list(images)
    few = images[:SLOW]
    return list(few) if whole else [centre(image, SLOW_SIDE) for image in few]


def restore(images: Sequence[Image], model: str, sigma: float, quality: str) -> np.ndarray:
    """PSNR of each image in dB."""
    denoise = fastepll.Denoiser(
        model, sigma / 255, quality=quality, channel_axis=-1 if images[0].ndim == 3 else None
    )
    return np.array([psnr(denoise(add_noise(x, sigma, i)), x) for i, x in enumerate(images)])


def nats(images: Sequence[Image], name: str, count: int) -> tuple[float, float]:
    """Mean log-likelihood of a patch of the benchmark, and its standard error over images."""
    model = fastepll.load_model(name)
    d, means = model.d, []
    for i, image in enumerate(images):
        rng = np.random.default_rng([0, i])
        block = cut_patches(255 * image, (8, 8), count // len(images), rng, dequantise=True)
        means.append(model.log_prob(block).mean())
    offset = 0.5 * math.log(d) + (d - 1) * math.log(256 / 255)
    return float(np.mean(means)) + offset, float(np.std(means) / math.sqrt(len(means)))


def compare(
    images: Sequence[Image], models: Sequence[str], qualities: Sequence[str], *, whole: bool
) -> list[dict[str, Any]]:
    """Mean PSNR of each model, and of its difference to the first of its kind with its error."""
    rows = []
    for quality in qualities:
        some = chosen(images, quality, whole=whole)
        for sigma in (15, 25, 50):
            found = {model: restore(some, model, sigma, quality) for model in models}
            row: dict[str, Any] = {"quality": quality, "sigma": sigma, "images": len(some)}
            row["psnr"] = {model: round(float(v.mean()), 3) for model, v in found.items()}
            for old, new in zip(models[::2], models[1::2], strict=True):
                difference = found[new] - found[old]
                error = difference.std() / math.sqrt(len(some))
                row[f"{new} - {old}"] = [round(float(x), 3) for x in (difference.mean(), error)]
            rows.append(row)
            print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quality", nargs="+", default=["balanced", "exact"])
    parser.add_argument("--crops", type=int, help="images of a set, all without it")
    parser.add_argument("--patches", type=int, default=20_000, help="for each log-likelihood")
    parser.add_argument("--gray-only", action="store_true")
    args = parser.parse_args()
    rows, likelihoods = [], []
    for name, every in sets().items():
        images = every[: args.crops]
        for colour, models in ((False, COLOUR[:2]), (True, COLOUR)):
            if colour and args.gray_only:
                continue
            seen = images if colour else [gray(image) for image in images]
            kind = {"set": name, "colour": colour}
            found = compare(seen, models, args.quality, whole=name == "bsd68")
            rows += [kind | row for row in found]
            for model in models[2 * colour :]:
                mean, error = nats(seen, model, args.patches)
                row = {"model": model, "nats": round(mean, 2), "standard error": round(error, 2)}
                likelihoods.append(kind | row)
                print(likelihoods[-1], flush=True)
    write_result("priors", {"rows": rows, "likelihood": likelihoods, "patches": args.patches})


if __name__ == "__main__":
    main()
