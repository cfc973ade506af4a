"""Images, noise, figures of merit and machine facts that every benchmark shares."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import versions
from numpy.typing import NDArray

import fastepll

Image = NDArray[np.float64]
Denoise = Callable[[Image, float], Image]  # (noisy, sigma), both in [0, 1], -> restored
RESULTS = Path(__file__).parent / "results"
GRAY = np.array([0.298936, 0.587043, 0.114021])


def data_dir() -> Path:
    """Folder of the data (FASTEPLL_DATA, else ../shared/data beside the repository)."""
    beside = Path(__file__).parents[1].resolve().parent / "shared" / "data"
    return Path(os.environ.get("FASTEPLL_DATA", beside))


def read_gray(path: Path) -> Image:
    """Gray image in [0, 1]; from colour by the protocol's weights, rounded to 8 bits."""
    from PIL import Image as PILImage

    pixels = np.asarray(PILImage.open(path), dtype=np.float64)
    if pixels.ndim == 3:
        pixels = np.round(pixels[..., :3] @ GRAY)
    return pixels / 255


def read_colour(path: Path) -> Image:
    """RGB image in [0, 1], (height, width, 3)."""
    from PIL import Image as PILImage

    return np.asarray(PILImage.open(path).convert("RGB"), dtype=np.float64) / 255


def cbsd68() -> list[Image]:
    """The colour originals of `bsd68`, in its order."""
    with open(data_dir() / "bsd68" / "sources.csv", newline="") as file:
        return [read_colour(data_dir() / row["colour"]) for row in csv.DictReader(file)]


def bsd68() -> list[Image]:
    """The 68 gray test images, in sorted file order."""
    return [read_gray(path) for path in sorted((data_dir() / "bsd68").glob("*.png"))]


def add_noise(image: Image, sigma: float, index: int) -> Image:
    """White Gaussian noise, sigma on the 0-255 scale; neither clipped nor quantised."""
    noise = np.random.default_rng(index).standard_normal(image.shape)
    return image + sigma / 255 * noise


def psnr(restored: Image, clean: Image) -> float:
    """Peak signal-to-noise ratio in dB of the result clipped to [0, 1]."""
    error = np.clip(restored, 0, 1).astype(np.float64) - clean
    return float(-10 * np.log10(np.mean(error**2)))


def ssim(restored: Image, clean: Image) -> float:
    """Structural similarity with the settings of Wang et al. (2004)."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            clean,
            np.clip(restored, 0, 1).astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
    )


def cpu_name() -> str:
    """Name of the processor."""
    if sys.platform == "linux":
        for line in subprocess.check_output(["lscpu"], text=True).splitlines():
            if line.startswith("Model name:"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_result(name: str, figures: dict[str, Any]) -> None:
    """Write figures with the machine they were measured on to ``bench/results/NAME.json``."""
    config = fastepll.show_config("dict")
    machine = {
        "cpu": cpu_name(),
        "processors": os.cpu_count(),
        "isa": config["simd"]["in use"],
        "python": platform.python_version(),
        "numpy": np.__version__,
        **versions.code(),
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, **figures}, indent=1) + "\n")
    print(f"wrote {path}")
