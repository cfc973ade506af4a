"""Enough to see that a wheel works where it was installed, with NumPy, pytest and tifffile."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.operators import Blur


@pytest.fixture
def clean():
    """Two flat halves, in [0, 1]."""
    return np.repeat([[0.2, 0.8]], 32, axis=1).repeat(64, axis=0)


def rms(image: np.ndarray) -> float:
    return float(np.sqrt(np.mean(image**2)))


def test_denoise_by_every_instruction_set(clean, monkeypatch):
    core = pytest.importorskip("fastepll._core")
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    found = []
    for isa in core.supported_isas():
        monkeypatch.setenv("FASTEPLL_SIMD", isa)
        found += [fastepll.denoise(noisy, 0.1, data_range=1.0, n_threads=n) for n in (1, 2)]
        np.testing.assert_array_equal(found[-1], found[-2])
        np.testing.assert_allclose(found[-1], found[0], atol=1e-3)
    assert rms(found[0] - clean) < 0.2 * rms(noisy - clean)


def test_restore(clean):
    blur = Blur(np.full((3, 3), 1 / 9), clean.shape)
    y = blur.forward(clean) + np.random.default_rng(0).normal(0, 0.01, clean.shape)
    restored = fastepll.restore(y, blur, 0.01, data_range=1.0)
    assert rms(restored - clean) < 0.5 * rms(y - clean)


def test_command_line(clean, tmp_path):
    def fastepll_command(*arguments: str) -> str:
        command = [sys.executable, "-m", "fastepll", *arguments]
        return subprocess.run(
            command, check=True, cwd=tmp_path, capture_output=True, text=True
        ).stdout

    assert fastepll_command("--version").strip() == fastepll.__version__
    assert f"in use: {get_backend().name}" in fastepll_command("info")
    tifffile = pytest.importorskip("tifffile")
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 0.1, clean.shape), 0, 1)
    tifffile.imwrite(tmp_path / "noisy.tif", np.rint(255 * noisy).astype(np.uint8))
    fastepll_command("denoise", "noisy.tif", "restored.tif", "--sigma", "25")
    restored = tifffile.imread(tmp_path / "restored.tif") / 255
    assert restored.shape == clean.shape
    assert rms(restored - clean) < 0.3 * rms(noisy - clean)
