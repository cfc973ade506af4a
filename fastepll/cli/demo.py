"""fastepll demo: noise on a photograph, and the photograph back."""

from __future__ import annotations

import argparse
import time
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastepll
from fastepll.cli.bar import bar
from fastepll.cli.figure import side_by_side
from fastepll.cli.machine import machinery
from fastepll.cli.pictures import Picture, check_output, read_picture, write_picture
from fastepll.cli.say import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of demo."""
    parser.add_argument("--out", default="fastepll-demo.png", help="clean | noisy | restored")
    parser.add_argument("--sigma", type=float, default=25.0, help="noise to add, of 255 (25)")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Add noise to a photograph, restore it, show and tell the difference."""
    check_output(arguments.out, overwrite=arguments.overwrite)
    clean = photograph() / np.float32(255)
    noise = np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)
    noisy = clean + np.float32(arguments.sigma / 255) * noise
    start = time.perf_counter()
    with bar("camera") as progress:
        restored = fastepll.denoise(
            noisy,
            arguments.sigma / 255,
            model=arguments.model,
            quality=arguments.quality,
            n_threads=arguments.threads,
            backend=arguments.backend,
            progress=progress,
        )
    seconds = time.perf_counter() - start
    pixels = side_by_side([clean, noisy, restored], None)
    write_picture(arguments.out, Picture(pixels), overwrite=arguments.overwrite)
    height, width = clean.shape
    size = f"{width}x{height}"
    print(f"photograph 'camera' by Lav Varshney (CC0), {size}, noise sigma {arguments.sigma:g}")
    print(f"PSNR {psnr(noisy, clean):.2f} dB noisy, {psnr(restored, clean):.2f} dB restored")
    print(f"{seconds:.2f} s, {machinery(arguments)}")
    say(f"clean | noisy | restored: {arguments.out}")


def photograph() -> NDArray[np.uint8]:
    """A gray photograph, 512x512."""
    return read_picture(str(files("fastepll.cli").joinpath("camera.png"))).pixels


def psnr(image: NDArray[Any], clean: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB of the image clipped to [0, 1]."""
    return float(-10 * np.log10(np.mean((image.clip(0, 1) - clean) ** 2, dtype=np.float64)))
