"""Degraded crops that the deep image prior and EPLL both restore, and what is noted of each."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from harness import Values
from measures import Image, data_dir, psnr
from PIL import Image as PILImage
from protocol import cbsd68, read_colour, read_gray

import fastepll
from fastepll.neural import FitIteration
from fastepll.neural.stopping import Discrepancy, MovingVariance
from fastepll.operators import Blur, Downsample, bicubic_kernel

SIDE = 256  # of the crops
SIGMA = 25 / 255
JPEG_SIGMA = 25 / 255
"""For EPLL. On the middles of every 20th photograph of bsds300/train 8, 16, 20, 25, 30, 36 of 255
give 25.92, 26.26, 26.35, 26.40, 26.38, 26.28 dB; no noise is as large as that, but blocks are."""
BLUR_SIGMA = 0.01
PAPER = ("F16_GT", "kate", "library", "vase", "zebra_GT")  # images of the paper, in colour
BSD = tuple(f"bsd68-{i:02d}" for i in (5, 16, 27, 38, 49, 60))
IMAGES = (*PAPER, *BSD)
HOLES = ("kate", "library", "vase")
EVERY = 20  # iterations from one look at the PSNR to the next


@dataclass(frozen=True, eq=False)
class Case:
    """What was measured of a crop.

    Attributes
    ----------
    clean, y : array
    epll : callable
        Restores y by EPLL with a model.
    known : dict
        What `fastepll.deep_image_prior` is told beside y.
    before : array, optional
        What there is without restoration: y, or its bicubic enlargement; None of missing pixels.
    white : bool
        Whether its sigma is that of white noise, by which a fit can be stopped.
    """

    clean: Image
    y: Image
    epll: Callable[[str], Image]
    known: Mapping[str, Any] = field(default_factory=dict)
    before: Image | None = None
    white: bool = False


@cache
def crop(name: str) -> Image:
    """The middle of an image, (height, width, channels)."""
    if name.startswith("bsd68-"):
        whole = cbsd68()[int(name[-2:])]
    elif name == "barbara":
        whole = read_gray(data_dir() / "dip" / "barbara.png")[..., None]
    else:
        whole = read_colour(data_dir() / "dip" / f"{name}.png")
    return middle(whole)


def middle(image: np.ndarray) -> np.ndarray:
    """The middle `SIDE` × `SIDE` pixels."""
    top, left = ((n - SIDE) // 2 for n in image.shape[:2])
    return image[top : top + SIDE, left : left + SIDE]


def denoise(clean: Image) -> Case:
    """White noise."""
    y = clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape)
    return Case(
        clean,
        y,
        lambda model: fastepll.denoise(y, SIGMA, channel_axis=-1, quality="high", model=model),
        {"sigma": SIGMA},
        before=y,
        white=True,
    )


def masked(clean: Image, mask: np.ndarray) -> Case:
    """Missing pixels."""
    y = np.where(mask[..., None], 0, clean)
    return Case(
        clean,
        y,
        lambda model: fastepll.inpaint(y, mask, channel_axis=-1, quality="high", model=model),
        {"mask": mask, "sigma": 0.0},
    )


def half_missing(clean: Image) -> Case:
    """Half of the pixels missing at random."""
    return masked(clean, np.random.default_rng(0).random(clean.shape[:2]) < 0.5)


def enlarge(clean: Image, factor: int = 4) -> Case:
    """Bicubic reduction."""
    reduce = Downsample(bicubic_kernel(factor), clean.shape[:2], factor)
    y = np.stack([reduce.forward(plane) for plane in np.moveaxis(clean, -1, 0)], -1)
    return Case(
        clean,
        y,
        lambda model: fastepll.super_resolve(
            y, factor, channel_axis=-1, quality="high", model=model
        ),
        {"factor": factor},
        before=np.stack([bicubic(plane, clean.shape) for plane in np.moveaxis(y, -1, 0)], -1),
    )


def bicubic(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Plane (h, w) enlarged to the height and width of a shape."""
    picture = PILImage.fromarray(plane.astype(np.float32))
    return np.asarray(picture.resize(shape[1::-1], PILImage.Resampling.BICUBIC), np.float64)


def deblur(clean: Image) -> Case:
    """The first motion blur of Levin et al., and a little noise."""
    kernel = np.load(data_dir() / "kernels" / "levin09.npz")["levin1"]
    blur = Blur(kernel, clean.shape[:2], "reflect")
    y = np.stack([blur.forward(plane) for plane in np.moveaxis(clean, -1, 0)], -1)
    y += BLUR_SIGMA * np.random.default_rng(0).standard_normal(clean.shape)
    return Case(
        clean,
        y,
        lambda model: fastepll.restore(
            y, blur, BLUR_SIGMA, channel_axis=-1, quality="high", model=model
        ),
        {"operator": blur, "sigma": BLUR_SIGMA},
        before=y,
        white=True,
    )


def jpeg(clean: Image) -> Case:
    """JPEG of quality 10."""
    file = io.BytesIO()
    pixels = np.round(255 * clean).astype(np.uint8)
    PILImage.fromarray(pixels).save(file, "JPEG", quality=10)
    y = np.asarray(PILImage.open(file), np.float64) / 255
    return Case(
        clean,
        y,
        lambda model: fastepll.denoise(y, JPEG_SIGMA, channel_axis=-1, quality="high", model=model),
        {"sigma": JPEG_SIGMA},
        before=y,
    )


def paper_mask(name: str) -> Case:
    """A crop with the mask that the paper has for its image: text, or a large hole."""
    pixels = read_gray(data_dir() / "dip" / f"{name}_mask.png")
    return masked(crop(name), middle(pixels) < 0.5)


DEGRADED: dict[str, Callable[[Image], Case]] = {
    "denoise": denoise,
    "inpaint": half_missing,
    "enlarge": enlarge,
    "deblur": deblur,
    "jpeg": jpeg,
}
TASKS: dict[str, tuple[str, ...]] = {**dict.fromkeys(DEGRADED, IMAGES), "hole": HOLES}
"""Names of tasks, and of the crops of each."""


def case(task: str, name: str) -> Case:
    """What was measured of a crop."""
    return paper_mask(name) if task == "hole" else DEGRADED[task](crop(name))


def by_epll(case: Case, model: str) -> tuple[Values, Image]:
    """PSNR and seconds of EPLL, and its image."""
    case.epll(model)  # the tables of a new model
    start = time.process_time()
    image = case.epll(model)
    seconds = time.process_time() - start
    return {"psnr": psnr(image, case.clean), "seconds": seconds}, image


def by_network(case: Case, **options: Any) -> tuple[Values, Image]:
    """What all rules would have done in a fit that none of them stops, and its image.

    The averaged images are meant, but for the best and the last output.
    """
    watch = Watching(case)
    result = fastepll.deep_image_prior(
        case.y,
        channel_axis=-1,
        stop="never",
        callback=watch,
        full_output=True,
        **{**case.known, **options},
    )
    values = watch.values()
    values |= {"parameters": result.n_parameters, "flops": result.flops}
    return values | {"loss": result.losses[-1]}, result.image


class Watching:
    """A callback that notes the PSNR, and what each rule would return."""

    def __init__(self, case: Case) -> None:
        self.clean, self.white = case.clean, case.white
        self.rules = {"variance": MovingVariance(), "discrepancy": Discrepancy()}
        self.stops: dict[str, tuple[int, float]] = {}
        self.rule_best: tuple[int, float] = (0, -math.inf)
        self.curve: Values = {}
        self.best = self.best_output = (0, -math.inf)
        self.begin, self.idle = time.process_time(), 0.0
        self.last: Values = {}

    def __call__(self, step: FitIteration) -> None:
        """Note an iteration."""
        start, i = time.process_time(), step.iteration
        self.look(step)
        self.idle += time.process_time() - start
        self.last |= {"iterations": i + 1, "seconds": start - self.begin - self.idle}

    def look(self, step: FitIteration) -> None:
        """Note what this iteration would be worth."""
        i = step.iteration
        variance = self.rules["variance"]
        done = variance.update(i, step.output, math.nan)
        if variance.best == i:
            self.rule_best = i, psnr(step.image, self.clean)
        if done and "variance" not in self.stops:
            self.stops["variance"] = self.rule_best
        close = self.white and self.rules["discrepancy"].update(i, step.output, step.residual)
        if close and "discrepancy" not in self.stops:
            self.stops["discrepancy"] = i, psnr(step.image, self.clean)
        if (i + 1) % EVERY and i + 1 < step.n_iterations:
            return
        average, output = psnr(step.image, self.clean), psnr(step.output, self.clean)
        self.best = max(self.best, (i, average), key=lambda one: one[1])
        self.best_output = max(self.best_output, (i, output), key=lambda one: one[1])
        self.last = {"output": output, "average": average}
        if (i + 1) % (10 * EVERY) == 0:
            self.curve[f"average {i + 1}"] = average

    def values(self) -> Values:
        """All that was noted."""
        if self.rule_best[0]:
            self.stops.setdefault("variance", self.rule_best)
        found = {"best": self.best, "best output": self.best_output, **self.stops}
        values = dict(self.last)
        for name, (i, value) in found.items():
            values |= {name: value, f"{name} at": i + 1}
        return values | self.curve
