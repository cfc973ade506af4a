"""The commands that restore picture files: their options, and what they compute."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import fastepll
from fastepll.cli.frames import Restore, Result, pixels_of, result, where
from fastepll.cli.inputs import read_kernel, read_mask
from fastepll.cli.options import MASK, add_kernel, add_sigma, keywords
from fastepll.cli.pictures import Picture
from fastepll.noise.estimate import WHY_ZERO
from fastepll.typing import Boundary, Poll


@dataclass(frozen=True)
class Task:
    """A command: its name, what ``--help`` says, its own options, and what it does.

    ``by_passes``: whether passes of the prior restore, with the options of `add_engine`.
    """

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace], Restore]
    by_passes: bool = True


def denoise_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of denoise."""
    parser.add_argument(
        "--volume",
        action="store_true",
        help="restore the pages of a TIFF together, as slices of a volume or frames",
    )
    parser.add_argument(
        "--adapt",
        action="store_true",
        help="by a prior adapted to the picture first: for textures, text, pictures of other kinds",
    )
    add_sigma(parser, None)


def prepare_denoise(arguments: argparse.Namespace) -> Restore:
    """Denoising with these options."""
    if arguments.volume and arguments.stack:
        raise ValueError(
            "--stack restores pages one by one, --volume all together: give one of them"
        )

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        sigma, facts = noise(frames, arguments)
        given, noisy = keywords(frames, arguments), pixels_of(frames)
        if arguments.adapt and np.max(sigma) > 0:
            own = {name: value for name, value in given.items() if name != "quality"}
            level = float(sigma) if np.size(sigma) == 1 else None
            given["model"] = fastepll.adapt(image=noisy, sigma=level, **own)
            facts = facts | {"prior": f"{arguments.model}, adapted"}
        return result(frames, fastepll.denoise(noisy, sigma, progress=progress, **given), facts)

    return restore


def deblur_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of deblur."""
    add_kernel(parser, required=True)
    parser.add_argument(
        "--boundary",
        choices=get_args(Boundary),
        default="valid",
        help="what lies beyond the border: valid, unknown and estimated; periodic, the other side; "
        "reflect, a mirror image (%(default)s)",
    )
    add_sigma(parser, None)


def prepare_deblur(arguments: argparse.Namespace) -> Restore:
    """Deblurring with these options."""
    kernel = kernel_of(arguments)

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        sigma, facts = noise(frames, arguments)
        pixels = fastepll.deblur(
            pixels_of(frames),
            kernel,
            sigma,
            boundary=arguments.boundary,
            progress=progress,
            **keywords(frames, arguments),
        )
        return result(frames, pixels, {"kernel": size_of(kernel), **facts})

    return restore


def inpaint_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of inpaint."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--mask",
        metavar="FILE",
        help=MASK,
    )
    which.add_argument(
        "--unknown-value",
        type=float,
        metavar="V",
        help="unknown are the pixels whose channels all have this value; nan for NaN",
    )
    parser.add_argument("--invert", action="store_true", help="unknown where the mask is 0")
    add_sigma(parser, 0.0)


def prepare_inpaint(arguments: argparse.Namespace) -> Restore:
    """Inpainting with these options."""
    given = None
    if arguments.mask is not None:
        given = read_mask(arguments.mask, invert=arguments.invert)
    elif arguments.invert:
        raise ValueError("--invert goes with --mask")

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        masks = [where(one, arguments.unknown_value) if given is None else given for one in frames]
        pixels = fastepll.inpaint(
            pixels_of(frames),
            masks[0] if len(frames) == 1 else np.stack(masks),
            arguments.sigma,
            progress=progress,
            **keywords(frames, arguments),
        )
        facts = {"unknown": f"{np.mean(masks):.1%}", **given_noise(arguments)}
        return result(frames, pixels, facts, masks[:1])

    return restore


def super_resolve_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of super-resolve."""
    parser.add_argument(
        "--factor", type=int, choices=range(2, 9), default=2, help="times larger (%(default)s)"
    )
    add_kernel(parser, required=False, absent=" (bicubic)")
    add_sigma(parser, 0.0)


def prepare_super_resolve(arguments: argparse.Namespace) -> Restore:
    """Super-resolution with these options."""
    kernel = None if arguments.kernel is None else kernel_of(arguments)

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        pixels = fastepll.super_resolve(
            pixels_of(frames),
            arguments.factor,
            arguments.sigma,
            kernel=kernel,
            progress=progress,
            **keywords(frames, arguments),
        )
        facts = {"factor": str(arguments.factor), **given_noise(arguments)}
        return result(frames, pixels, facts, factor=arguments.factor)

    return restore


def kernel_of(arguments: argparse.Namespace) -> NDArray[np.float64]:
    """The kernel that the options name."""
    return read_kernel(arguments.kernel, arguments.kernel_key, normalize=arguments.normalize)


def noise(
    frames: Sequence[Picture], arguments: argparse.Namespace
) -> tuple[float | NDArray[np.float64], dict[str, str]]:
    """Standard deviation of the noise, given or estimated in each picture, and the words for it."""
    if arguments.sigma is not None:
        return arguments.sigma, given_noise(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the restoration has the same to say
        unused = {"quality", "backend"}
        given = {k: v for k, v in keywords(frames, arguments).items() if k not in unused}
        sigma = fastepll.estimate_sigma(pixels_of(frames), **given)
    least, most = np.min(sigma), np.max(sigma)
    if least == 0:
        warnings.warn(f"{WHY_ZERO}; if it has noise, give --sigma", stacklevel=1)
    several = f"{least:.4g} to " * (np.size(sigma) > 1)
    return sigma, {"sigma": f"{several}{most:.4g} (estimated)"}


def given_noise(arguments: argparse.Namespace) -> dict[str, str]:
    """The words for a standard deviation that was given."""
    return {"sigma": f"{arguments.sigma:.4g} (given)"}


def size_of(kernel: NDArray[Any]) -> str:
    """Width and height in words."""
    return f"{kernel.shape[1]}x{kernel.shape[0]}"


TASKS = (
    Task(
        "denoise",
        "restore noisy picture files",
        "Remove noise.",
        denoise_arguments,
        prepare_denoise,
    ),
    Task(
        "deblur",
        "sharpen picture files that a known kernel blurred",
        "Undo a blur by a known kernel.",
        deblur_arguments,
        prepare_deblur,
    ),
    Task(
        "inpaint",
        "fill in missing pixels of picture files",
        "Fill in missing pixels.",
        inpaint_arguments,
        prepare_inpaint,
    ),
    Task(
        "super-resolve",
        "enlarge picture files",
        "Enlarge. Alpha channels are enlarged pixel by pixel.",
        super_resolve_arguments,
        prepare_super_resolve,
    ),
)
