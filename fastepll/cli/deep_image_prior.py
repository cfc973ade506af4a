"""fastepll deep-image-prior: its options, and what it computes and tells."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import fastepll
from fastepll._validation.measurements import check_kernel
from fastepll.cli.bar import Draw
from fastepll.cli.frames import Restore, Result, result
from fastepll.cli.inputs import read_mask
from fastepll.cli.options import MASK, add_kernel, add_sigma
from fastepll.cli.pictures import Picture, PictureError, check_output, read_picture
from fastepll.cli.tasks import Task, given_noise, kernel_of, size_of
from fastepll.neural import PRESETS, DeepImagePriorResult, FitIteration
from fastepll.operators import Blur
from fastepll.typing import Boundary

RULES = {
    "discrepancy": "the residual is what the noise explains",
    "variance": "the image has settled",
    "never": "",
}
"""When to stop, and what has then come about."""

STATISTICS = {
    "discrepancy": ", residual {:.2f} sigma²",
    "variance": ", variance {:.2e}",
    "never": "",
}
"""What the rules look at, in words."""

DEGRADED = ("mask", "factor", "kernel")  # options that say by what


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of deep-image-prior."""
    add = parser.add_argument
    add("--mask", metavar="FILE", help=f"fill in: {MASK}")
    add("--invert", action="store_true", help="unknown where the mask is 0")
    add("--factor", type=int, choices=range(2, 9), default=1, help="enlarge: so many times")
    add_kernel(parser, required=False, before="deblur: ")
    add("--boundary", choices=get_args(Boundary), default="valid", help="of deblur (%(default)s)")
    add_sigma(parser, None, absent="not known; 0: what is known stays as it is")
    add("--guide", metavar="FILE", help="picture of the same scene that the network gets as input")
    add("--preset", choices=tuple(PRESETS), default="slim", help="network and fit (%(default)s)")
    add("--iterations", type=int, metavar="N", help="at most (those of the preset)")
    add(
        "--stop",
        type=rule_or_number,
        default="auto",
        metavar="{auto,discrepancy,variance,never,N}",
        help="when the residual is what the noise explains, when the image has settled, after all "
        "iterations, or after N; auto: by discrepancy if sigma is known, else by variance, and "
        "never without noise (%(default)s)",
    )
    add("--prior", metavar="NAME|FILE", help="prior of patches beside the network's (none)")
    add("--prior-weight", type=float, default=1.0, metavar="W", help="1: as in EPLL (%(default)s)")
    add(
        "--prior-by",
        choices=("input", "likelihood", "splitting"),
        default="input",
        help="what EPLL restores by it is the network's input and has a part in the result, or it "
        "is a term of the loss, or its denoiser gives images that the network's are pulled to "
        "(%(default)s)",
    )
    add(
        "--average",
        type=float,
        default=0.99,
        metavar="A",
        help="weight of the images so far in the average that is written; 0: the last alone "
        "(%(default)s)",
    )
    add("--seed", type=int, default=0, help="of weights, input and noise (%(default)s)")
    add("--device", help="as torch names it: cuda, mps (cpu)")
    add(
        "--checkpoint", metavar="NPZ", help="write the fit there, and go on from there if it exists"
    )


def rule_or_number(text: str) -> str | int:
    """When to stop: a rule, or after how many iterations."""
    return text if text in ("auto", *RULES) else int(text)


def prepare(arguments: argparse.Namespace) -> Restore:
    """The fit with these options."""
    given = [name for name in DEGRADED if getattr(arguments, name) not in (None, 1)]
    if len(given) > 1:
        raise ValueError(f"--{given[0]} does not go with --{given[1]}")
    if arguments.invert and arguments.mask is None:
        raise ValueError("--invert goes with --mask")
    if arguments.checkpoint is not None:
        if len(arguments.inputs) > 1:
            raise ValueError(f"--checkpoint is for one picture, got {len(arguments.inputs)}")
        check_output(arguments.checkpoint, overwrite=True, suffixes=(".npz",))
    check_torch(arguments.device)
    kernel = None if arguments.kernel is None else kernel_of(arguments)
    mask = None if arguments.mask is None else read_mask(arguments.mask, invert=arguments.invert)
    guide = None if arguments.guide is None else read_picture(arguments.guide).pixels

    def restore(frames: Sequence[Picture], draw: Draw | None) -> Result:
        if len(frames) > 1 and arguments.checkpoint is not None:
            raise ValueError(f"--checkpoint is for one picture, got {len(frames)}")
        found, images = [], []
        for k, frame in enumerate(frames):
            fit, image = fitted(
                frame.pixels,
                arguments,
                kernel=kernel,
                mask=mask,
                guide=guide,
                interrupt="return" if len(frames) == 1 else "raise",
                callback=None if draw is None else drawing(draw, arguments, k, len(frames)),
            )
            found.append(fit)
            images.append(image)
        return result(
            frames,
            images[0] if len(frames) == 1 else np.stack(images),
            facts_of(found, arguments, kernel, mask),
            [] if mask is None else [mask],
            factor=arguments.factor,
            interrupted=found[-1].stopped == "interrupt",
        )

    return restore


def check_torch(device: str | None) -> None:
    """Raise PictureError without torch, ValueError without the device."""
    # Threads of torch that wait without work would slow down those that have some, up to fourfold
    # beside a busy process. It is read when torch is loaded, so here and not in the library.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from fastepll.neural.device import device_of
    except ImportError as error:
        raise PictureError(
            f'deep-image-prior needs torch ({error}); install it with: pip install "fastepll[lab]"'
        ) from None
    device_of(device)


def fitted(
    pixels: NDArray[Any],
    arguments: argparse.Namespace,
    *,
    kernel: NDArray[np.float64] | None,
    guide: NDArray[Any] | None,
    **options: Any,
) -> tuple[DeepImagePriorResult, NDArray[Any]]:
    """The fit to the pixels of a picture, and its image in the frame of the picture."""
    blur = None
    if kernel is not None:
        margin = [0, 0]
        if arguments.boundary == "valid":
            check_kernel(kernel, pixels.shape[:2])
            margin = [side - 1 for side in kernel.shape]
        height, width = (n + more for n, more in zip(pixels.shape, margin, strict=False))
        blur = Blur(kernel, (height, width), arguments.boundary)
    fit = fastepll.deep_image_prior(
        np.atleast_3d(pixels),
        blur,
        arguments.sigma,
        factor=None if arguments.factor == 1 else arguments.factor,
        guide=None if guide is None else np.atleast_3d(guide),
        preset=arguments.preset,
        iterations=arguments.iterations,
        average=arguments.average,
        stop=arguments.stop,
        prior=arguments.prior,
        prior_weight=arguments.prior_weight,
        prior_by=arguments.prior_by,
        channel_axis=-1,
        data_range=arguments.data_range,
        device=arguments.device,
        seed=arguments.seed,
        checkpoint=arguments.checkpoint,
        full_output=True,
        **options,
    )
    assert isinstance(fit, DeepImagePriorResult)
    image = fit.image
    if blur is not None and arguments.boundary == "valid":
        image = image[blur.observed]
    return fit, image.reshape(*image.shape[:2], *pixels.shape[2:])


def drawing(
    draw: Draw, arguments: argparse.Namespace, k: int, n: int
) -> Callable[[FitIteration], None]:
    """What draws how far the fit to picture k of n is."""
    statistic = STATISTICS[rule_of(arguments)]

    def tell(now: FitIteration) -> None:
        words = f"iteration {now.iteration + 1}, loss {now.loss:.2e}"
        known = statistic.format(now.statistic) if np.isfinite(now.statistic) else ""
        draw((k + (now.iteration + 1) / now.n_iterations) / n, words + known)

    return tell


def rule_of(arguments: argparse.Namespace) -> str:
    """The rule that stops, as `fastepll.deep_image_prior` takes it."""
    if isinstance(arguments.stop, int):
        return "never"
    if arguments.stop != "auto":
        return str(arguments.stop)
    if arguments.sigma is None:
        return "variance"
    return "discrepancy" if arguments.sigma > 0 else "never"


def facts_of(
    found: Sequence[DeepImagePriorResult],
    arguments: argparse.Namespace,
    kernel: NDArray[Any] | None,
    mask: NDArray[np.bool_] | None,
) -> dict[str, str]:
    """What is to say of fits."""
    facts = {"preset": arguments.preset}
    if kernel is not None:
        facts["kernel"] = size_of(kernel)
    if mask is not None:
        facts["unknown"] = f"{np.mean(mask):.1%}"
    if arguments.factor > 1:
        facts["factor"] = str(arguments.factor)
    facts |= {"sigma": "not known"} if arguments.sigma is None else given_noise(arguments)
    if arguments.prior is not None:
        facts["beside"] = f"{os.path.basename(arguments.prior)} by {arguments.prior_by}"
    last, why = found[-1], {"iterations": "as many as asked for", "interrupt": "Ctrl-C"}
    reason = RULES[last.rule] if last.stopped == "rule" else why[last.stopped]
    after = span([one.losses.size for one in found])
    facts["stopped"] = f"after {after} iterations ({reason})"
    if any(one.iteration + 1 < one.losses.size for one in found):
        facts["image"] = f"of iteration {span([one.iteration + 1 for one in found])}"
    facts["fit"] = f"{sum(one.seconds for one in found):.2f} s"
    if last.stopped == "interrupt":
        warnings.warn(
            f"interrupted after {after} iterations; what is written is the image so far",
            stacklevel=1,
        )
    return facts


def span(numbers: Sequence[int]) -> str:
    """The number, or from the least to the greatest."""
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"


TASK = Task(
    "deep-image-prior",
    "restore picture files by a network fitted to each",
    "Denoise, or fill in, enlarge or deblur, by a network that is fitted to the picture alone. "
    "Takes minutes, and needs torch. Ctrl-C writes the image so far.",
    add_arguments,
    prepare,
    by_passes=False,
)
