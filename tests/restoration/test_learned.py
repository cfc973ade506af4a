"""Quality "learned": where its steps come, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.solver.diffusion import diffuse

from ..scenes import noisy, rms, scene, smooth_mixture

MODEL, SIGMA = smooth_mixture(), 0.1
NOISY = noisy(scene(60, 70), SIGMA)


def test_it_is_fast_and_then_the_steps():
    options = {"model": MODEL, "backend": "reference"}
    expected = fastepll.denoise(NOISY, SIGMA, quality="fast", **options)
    backend = get_backend("reference")
    diffuse(expected, NOISY, SIGMA, np.empty_like(expected), backend=backend, n_threads=1)
    found = fastepll.denoise(NOISY, SIGMA, quality="learned", **options)
    np.testing.assert_array_equal(found, expected)


def test_any_settings_can_have_them(backend):
    plain = fastepll.Settings.from_betas([1, 4], stride=3)
    learned = fastepll.Settings.from_betas([1, 4], stride=3, learned=True)
    options = {"model": MODEL, "backend": backend.name}
    expected = fastepll.denoise(NOISY, SIGMA, quality=plain, **options).astype(backend.dtype)
    measured = NOISY.astype(backend.dtype)
    diffuse(expected, measured, SIGMA, np.empty_like(expected), backend=backend, n_threads=1)
    found = fastepll.denoise(NOISY, SIGMA, quality=learned, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_map_with_a_jump_has_the_pixels_of_each_side():
    """Far from it."""
    clean = scene(80, 200)
    sigma = np.where(np.arange(200) < 100, 0.05, 0.1)
    image = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)
    settings = fastepll.Settings.from_betas([1, 4], stride=3, learned=True)
    options = {"model": MODEL, "quality": settings}
    mapped = fastepll.denoise(image, np.broadcast_to(sigma, clean.shape), **options)
    for part, level in ((np.s_[:, :60], 0.05), (np.s_[:, 140:], 0.1)):
        alone = fastepll.denoise(image, level, **options)
        assert np.abs(mapped[part] - alone[part]).max() < 1e-4


def test_pixels_without_noise_stay():
    sigma = np.full(NOISY.shape, SIGMA)
    sigma[20:30, 20:40] = 0
    found = fastepll.denoise(NOISY, sigma, model=MODEL, quality="learned")
    np.testing.assert_array_equal(found[20:30, 20:40], NOISY[20:30, 20:40])


def test_progress_rises_to_one():
    seen: list[float] = []
    fastepll.denoise(NOISY, SIGMA, model=MODEL, quality="learned", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_what_it_cannot_do():
    with pytest.raises(ValueError, match="8x8"):
        fastepll.denoise(NOISY[:7], SIGMA, model=smooth_mixture(4), quality="learned")
    colour = np.stack([NOISY] * 3, -1)
    with pytest.raises(ValueError, match="gray patches"):
        fastepll.denoise(colour, SIGMA, model="rgb-8x8-200", quality="learned", channel_axis=-1)


def test_of_other_operators_it_is_high():
    blurred, kernel = NOISY, np.ones((3, 3)) / 9
    options = {"model": MODEL, "sigma": SIGMA}
    found, expected = (
        fastepll.deblur(blurred, kernel, quality=quality, **options)
        for quality in ("learned", "high")
    )
    np.testing.assert_array_equal(found, expected)


def test_progress_is_told_within_a_step():
    """Of a map as of a number: often, and in order."""
    image = noisy(scene(400, 300), SIGMA)
    for sigma in (SIGMA, np.full(image.shape, SIGMA)):
        seen: list[float] = []
        fastepll.denoise(
            image, sigma, model=MODEL, quality="learned", backend="reference", progress=seen.append
        )
        assert seen == sorted(seen)
        assert seen[-1] == 1.0
        assert np.diff(seen).max() < 0.2


def test_a_photograph():
    """A quarter of one that comes with scikit-image, sigma 25 of 255; dB, here and after "fast"."""
    clean = pytest.importorskip("skimage.data").camera()[100:356, 100:356] / 255
    image = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    for quality, expected in (("fast", 30.273), ("learned", 30.646)):
        error = fastepll.denoise(image, 25 / 255, quality=quality) - clean
        assert -20 * np.log10(rms(error)) == pytest.approx(expected, abs=0.01)
