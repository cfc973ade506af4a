"""Timings that also assert the answer: ``pytest bench``; needs no data.

    pytest bench --benchmark-compare          # beside the last run kept with --benchmark-autosave
    python bench/test_bench.py                # writes results/expected.json, in a minute

The answers are the PSNR that the float64 reference reaches with the settings of each quality level
on a scene of occluding disks; every backend must reach them to 0.01 dB. They are written anew when
the settings or the model change, and never otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import fastepll
from fastepll.backends import why_not
from fastepll.typing import BackendName, Quality

EXPECTED = Path(__file__).parent / "results" / "expected.json"
SIGMA, SIDE = 25 / 255, 128
Array = np.ndarray[Any, np.dtype[np.float64]]


def scene() -> tuple[Array, Array]:
    """Disks that hide each other, shaded and softly textured: clean, noisy."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    clean = np.full((SIDE, SIDE), 0.5)
    for _ in range(150):
        row, col = rng.uniform(0, SIDE, 2)
        radius, gray, texture, angle = rng.uniform([3, 0.1, 0, 0], [25, 0.9, 0.08, np.pi])
        waves = texture * np.sin(0.9 * (x * np.cos(angle) + y * np.sin(angle)))
        shade = 0.1 * (x - col) / radius
        inside = (y - row) ** 2 + (x - col) ** 2 < radius**2
        clean[inside] = (gray + waves + shade)[inside]
    return clean, clean + SIGMA * rng.standard_normal(clean.shape)


def psnr(restored: Array, clean: Array) -> float:
    return float(-10 * np.log10(np.mean((np.clip(restored, 0, 1) - clean) ** 2)))


@pytest.fixture(scope="module")
def images() -> tuple[Array, Array]:
    return scene()


@pytest.mark.parametrize("quality", get_args(Quality))
@pytest.mark.parametrize("backend", ["native", "numba"])
def test_denoise(benchmark, images, backend: BackendName, quality: Quality):
    if why_not(backend):
        pytest.skip(why_not(backend))
    clean, noisy = images
    restored = benchmark(fastepll.denoise, noisy, SIGMA, quality=quality, backend=backend)
    expected = json.loads(EXPECTED.read_text())["psnr"][quality]
    assert psnr(restored, clean) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads(benchmark, images, n_threads: int):
    _, noisy = images
    restored = benchmark(fastepll.denoise, noisy, SIGMA, n_threads=n_threads)
    np.testing.assert_array_equal(restored, fastepll.denoise(noisy, SIGMA, n_threads=3))


def test_denoiser(benchmark, images):
    _, noisy = images
    denoiser = fastepll.Denoiser(sigma=SIGMA, shape=noisy.shape)
    restored = benchmark(denoiser, noisy, out=np.empty_like(noisy))
    np.testing.assert_array_equal(restored, fastepll.denoise(noisy, SIGMA))


def test_estimate_sigma(benchmark, images):
    _, noisy = images
    assert benchmark(fastepll.estimate_sigma, noisy) == pytest.approx(SIGMA, rel=0.1)


def main() -> None:
    clean, noisy = scene()
    figures = {
        quality: psnr(fastepll.denoise(noisy, SIGMA, quality=quality, backend="reference"), clean)
        for quality in get_args(Quality)
    }
    figures = {quality: round(value, 4) for quality, value in figures.items()}
    print(f"noisy {psnr(noisy, clean):.2f}", figures)
    EXPECTED.write_text(json.dumps({"psnr": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
