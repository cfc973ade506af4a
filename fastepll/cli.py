"""The command line: fastepll denoise, demo, train, info."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

import fastepll
from fastepll._files import (
    INSTALL,
    Picture,
    PictureError,
    check_format,
    check_output,
    read_picture,
    write_picture,
)
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.train import command
from fastepll.typing import BackendName, Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISTAKES = (PictureError, OSError, ValueError, TypeError)
"""What goes wrong by what the user gave: told in one line, without a traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 for a mistake of the user, 130 after Ctrl-C."""
    try:
        arguments = build_parser().parse_args(argv)
        code = arguments.run(arguments)
    except MISTAKES as error:
        return fail(describe(error))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return int(code or 0)


def describe(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def fail(message: str) -> int:
    """Tell the mistake in one line; exit code 2."""
    print(f"fastepll: error: {message}", file=sys.stderr)
    return 2


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands."""
    parser = argparse.ArgumentParser("fastepll", description=fastepll.__doc__)
    parser.add_argument("--version", action="version", version=fastepll.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    denoise = commands.add_parser("denoise", help="restore a noisy picture file")
    denoise.add_argument("input", metavar="IN", help="PNG, JPEG or TIFF, 8 or 16 bit, gray or RGB")
    denoise.add_argument(
        "output", metavar="OUT", help="picture to write, in the format of its name"
    )
    denoise.add_argument(
        "--sigma",
        type=float,
        help="standard deviation of the noise in the values of the file: of 255 for 8 bits, of "
        "65535 for 16 bits (default: estimated)",
    )
    denoise.add_argument(
        "--data-range", type=float, help="step from black to white (255, 65535; 1 for floats)"
    )
    denoise.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    denoise.add_argument("--quiet", action="store_true", help="print nothing but errors")
    denoise.set_defaults(run=run_denoise)

    demo = commands.add_parser("demo", help="add noise to a photograph and restore it")
    demo.add_argument("--out", default="fastepll-demo.png", help="clean | noisy | restored")
    demo.add_argument("--sigma", type=float, default=25.0, help="noise to add, of 255 (25)")
    demo.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")
    demo.set_defaults(run=run_demo, quiet=False)

    for parser_of in (denoise, demo):
        add = parser_of.add_argument
        add("--model", default="gray-8x8-200", help="name or file of the prior (%(default)s)")
        add("--quality", choices=get_args(Quality), default="balanced", help="(%(default)s)")
        add("--backend", choices=get_args(BackendName), help="(the fastest installed)")
        add("--threads", type=int, metavar="N", help="(all processors)")

    training = commands.add_parser("train", help="train a prior on a folder of pictures")
    command.add_arguments(training)
    training.set_defaults(run=run_train)
    commands.add_parser("info", help="what this installation uses").set_defaults(run=run_info)
    return parser


def run_denoise(arguments: argparse.Namespace) -> None:
    """Read, restore, write."""
    check_output(arguments.output, overwrite=arguments.overwrite)
    picture = read_picture(arguments.input)
    check_format(arguments.output, picture)
    axis = -1 if picture.pixels.ndim == 3 else None
    sigma, origin = arguments.sigma, "given"
    if sigma is None:
        sigma, origin = (
            fastepll.estimate_sigma(
                picture.pixels,
                model=arguments.model,
                channel_axis=axis,
                data_range=arguments.data_range,
            ),
            "estimated",
        )
    pixels, seconds = restore(
        picture.pixels, sigma, arguments, channel_axis=axis, data_range=arguments.data_range
    )
    write_picture(
        arguments.output,
        dataclasses.replace(picture, pixels=pixels),
        overwrite=arguments.overwrite,
    )
    if not arguments.quiet:
        print(f"{arguments.output}: {picture}; sigma {sigma:.4g} ({origin})")
        print(f"{seconds:.2f} s, {machinery(arguments)}")


def run_demo(arguments: argparse.Namespace) -> None:
    """Add noise to a photograph, restore it, show and tell the difference."""
    check_output(arguments.out, overwrite=arguments.overwrite)
    clean = photograph() / np.float32(255)
    noise = np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)
    noisy = clean + np.float32(arguments.sigma / 255) * noise
    restored, seconds = restore(noisy, arguments.sigma / 255, arguments)
    gap = np.ones((len(clean), 8), np.float32)
    panels = np.hstack([clean, gap, noisy, gap, restored])
    pixels = np.rint(255 * panels.clip(0, 1)).astype(np.uint8)
    write_picture(arguments.out, Picture(pixels), overwrite=arguments.overwrite)
    height, width = clean.shape
    print(f"photograph 'camera' of scikit-image, {width}x{height}, noise sigma {arguments.sigma:g}")
    print(f"PSNR {psnr(noisy, clean):.2f} dB noisy, {psnr(restored, clean):.2f} dB restored")
    print(f"{seconds:.2f} s, {machinery(arguments)}")
    print(f"clean | noisy | restored: {arguments.out}")


def run_info(arguments: argparse.Namespace) -> None:
    """Print the configuration and the models."""
    fastepll.show_config()
    print("models:")
    for name in fastepll.list_models():
        model = fastepll.load_model(name)
        print(f"  {name}: {model.k} components, patch shape {model.patch_shape}")


def run_train(arguments: argparse.Namespace) -> int:
    """Train a prior."""
    try:
        return command.run(arguments)
    except ImportError as error:
        raise PictureError(
            f"train needs torch ({error}); install it with: pip install 'fastepll[train]'"
        ) from None


def restore(
    pixels: NDArray[Any], sigma: float, arguments: argparse.Namespace, **options: Any
) -> tuple[NDArray[Any], float]:
    """Restored pixels and the seconds it took, with a bar of progress on a terminal."""
    shown = sys.stderr.isatty() and not arguments.quiet
    start = time.perf_counter()
    try:
        result = fastepll.denoise(
            pixels,
            sigma,
            model=arguments.model,
            quality=arguments.quality,
            n_threads=arguments.threads,
            backend=arguments.backend,
            progress=show_progress if shown else None,
            **options,
        )
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr)
    return result, time.perf_counter() - start


def show_progress(fraction: float) -> None:
    """Draw the bar on standard error."""
    done = int(40 * fraction)
    print(
        f"\r[{'#' * done}{' ' * (40 - done)}] {fraction:4.0%}", end="", file=sys.stderr, flush=True
    )


def machinery(arguments: argparse.Namespace) -> str:
    """Threads and backend that the arguments lead to."""
    engine = get_backend(arguments.backend)
    level = (
        f" ({fastepll.show_config('dict')['simd']['in use']})" if engine.name == "native" else ""
    )
    return f"{resolve_threads(arguments.threads)} threads, {engine.name} backend{level}"


def photograph() -> NDArray[np.uint8]:
    """A gray photograph that comes with scikit-image, 512x512."""
    try:
        from skimage import data
    except ImportError as error:
        raise PictureError(
            f"the demo takes its photograph from scikit-image: {error}; {INSTALL}"
        ) from None
    camera: Callable[[], NDArray[np.uint8]] = data.camera
    return camera()


def psnr(image: NDArray[Any], clean: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB of the image clipped to [0, 1]."""
    return float(-10 * np.log10(np.mean((image.clip(0, 1) - clean) ** 2, dtype=np.float64)))
