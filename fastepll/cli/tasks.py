"""The commands that restore picture files: their options, and what they compute."""

from __future__ import annotations

import argparse
import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import fastepll
from fastepll.cli.batch import Restore, Result
from fastepll.cli.inputs import read_kernel, read_mask
from fastepll.cli.pictures import Picture, enlarge
from fastepll.noise.estimate import WHY_ZERO
from fastepll.typing import Boundary, Poll

SIGMA = (
    "standard deviation of the noise in the values of the file: of 255 for 8 bits, of 65535 for 16"
)


@dataclass(frozen=True)
class Task:
    """A command: its name, what ``--help`` says, its own options, and what it does."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace], Restore]


def denoise_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of denoise."""
    parser.add_argument("--sigma", type=float, help=f"{SIGMA} bits (default: estimated)")


def prepare_denoise(arguments: argparse.Namespace) -> Restore:
    """Denoising with these options."""

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        sigma, note = noise(frames, arguments)
        pixels = fastepll.denoise(
            pixels_of(frames), sigma, progress=progress, **options(frames, arguments)
        )
        return result(frames, pixels, note)

    return restore


def deblur_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of deblur."""
    kernel_arguments(parser, required=True)
    parser.add_argument(
        "--boundary",
        choices=get_args(Boundary),
        default="valid",
        help="what lies beyond the border: valid, unknown and estimated; periodic, the other side; "
        "reflect, a mirror image (%(default)s)",
    )
    parser.add_argument("--sigma", type=float, help=f"{SIGMA} bits (default: estimated)")


def prepare_deblur(arguments: argparse.Namespace) -> Restore:
    """Deblurring with these options."""
    kernel = kernel_of(arguments)

    def restore(frames: Sequence[Picture], progress: Poll | None) -> Result:
        sigma, note = noise(frames, arguments)
        pixels = fastepll.deblur(
            pixels_of(frames),
            kernel,
            sigma,
            boundary=arguments.boundary,
            progress=progress,
            **options(frames, arguments),
        )
        return result(frames, pixels, f"kernel {size_of(kernel)}, {note}")

    return restore


def inpaint_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of inpaint."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--mask",
        metavar="FILE",
        help="picture (not JPEG) or .npy of the size of IN: unknown where it is neither 0 nor "
        "transparent",
    )
    which.add_argument(
        "--unknown-value",
        type=float,
        metavar="V",
        help="unknown are the pixels whose channels all have this value; nan for NaN",
    )
    parser.add_argument("--invert", action="store_true", help="unknown where the mask is 0")
    parser.add_argument("--sigma", type=float, default=0.0, help=f"{SIGMA} bits (0)")


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
            **options(frames, arguments),
        )
        note = f"{np.mean(masks):.1%} unknown, sigma {arguments.sigma:.4g} (given)"
        return result(frames, pixels, note, masks[:1])

    return restore


def super_resolve_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of super-resolve."""
    parser.add_argument(
        "--factor", type=int, choices=(2, 3, 4), default=2, help="times larger (%(default)s)"
    )
    kernel_arguments(parser, required=False)
    parser.add_argument("--sigma", type=float, default=0.0, help=f"{SIGMA} bits (0)")


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
            **options(frames, arguments),
        )
        note = f"{arguments.factor} times larger, sigma {arguments.sigma:.4g} (given)"
        return result(frames, pixels, note, factor=arguments.factor)

    return restore


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


def kernel_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Options that say which kernel blurred."""
    parser.add_argument(
        "--kernel",
        metavar="FILE",
        required=required,
        help=".npy, .npz or a gray picture of the kernel" + ("" if required else " (bicubic)"),
    )
    parser.add_argument(
        "--kernel-key", metavar="NAME", help="array of the .npz file (the only one)"
    )
    parser.add_argument(
        "--normalize",
        action="store_true",
        help="divide the kernel by its sum (of a picture always)",
    )


def kernel_of(arguments: argparse.Namespace) -> NDArray[np.float64]:
    """The kernel that the options name."""
    return read_kernel(arguments.kernel, arguments.kernel_key, normalize=arguments.normalize)


def options(frames: Sequence[Picture], arguments: argparse.Namespace) -> dict[str, Any]:
    """What all tasks are called with."""
    return {
        "model": arguments.model,
        "quality": arguments.quality,
        "channel_axis": -1 if frames[0].pixels.ndim == 3 else None,
        "stack": len(frames) > 1,
        "data_range": arguments.data_range,
        "n_threads": arguments.threads,
        "backend": arguments.backend,
    }


def pixels_of(frames: Sequence[Picture]) -> NDArray[Any]:
    """The pixels of one picture, or those of several as a stack."""
    return frames[0].pixels if len(frames) == 1 else np.stack([one.pixels for one in frames])


def noise(
    frames: Sequence[Picture], arguments: argparse.Namespace
) -> tuple[float | NDArray[np.float64], str]:
    """Standard deviation of the noise, given or estimated in each picture, and the words for it."""
    if arguments.sigma is not None:
        return arguments.sigma, f"sigma {arguments.sigma:.4g} (given)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the restoration has the same to say
        unused = {"quality", "backend"}
        given = {k: v for k, v in options(frames, arguments).items() if k not in unused}
        sigma = fastepll.estimate_sigma(pixels_of(frames), **given)
    least, most = np.min(sigma), np.max(sigma)
    if least == 0:
        warnings.warn(f"{WHY_ZERO}; if it has noise, give --sigma", stacklevel=1)
    several = f"{least:.4g} to " * (len(frames) > 1)
    return sigma, f"sigma {several}{most:.4g} (estimated)"


def where(picture: Picture, value: float) -> NDArray[np.bool_]:
    """Where all channels have the value."""
    same = np.isnan(picture.pixels) if math.isnan(value) else picture.pixels == value
    unknown: NDArray[np.bool_] = same.all(axis=-1) if same.ndim == 3 else same
    return unknown


def result(
    frames: Sequence[Picture],
    pixels: NDArray[Any],
    note: str,
    between: Sequence[NDArray[Any]] = (),
    *,
    factor: int = 1,
) -> Result:
    """The pictures with new pixels, and the figure before | between | after, of the first."""
    each = [pixels] if len(frames) == 1 else list(pixels)
    larger = frames if factor == 1 else [enlarge(one, factor) for one in frames]
    restored = [dataclasses.replace(one, pixels=new) for one, new in zip(larger, each, strict=True)]
    return Result(restored, note, [frames[0].pixels, *between, each[0]])


def size_of(kernel: NDArray[Any]) -> str:
    """Width and height in words."""
    return f"{kernel.shape[1]}x{kernel.shape[0]}"
