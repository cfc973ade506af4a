"""Quality "learned": where its steps come, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.backends.diffusion import diffuse as reference_step
from fastepll.backends.scales import add_coarse, halve
from fastepll.images.channels import opponent_planes
from fastepll.models.diffusion import CHROMA, shipped
from fastepll.solver.denoise_schedule import settings_for
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


def in_colour(*weights):
    clean = scene(60, 70)[..., None] * weights
    return clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape)


def test_luminance_guides_the_steps_of_chroma():
    image, planes = in_colour(0.9, 0.5, 0.7), opponent_planes(3)
    options = {"model": MODEL, "backend": "reference"}
    found, plain = (
        fastepll.denoise(image, SIGMA, quality=quality, channel_axis=-1, **options)
        @ planes.analysis.T
        for quality in ("learned", "fast")
    )
    gray = (image @ planes.analysis.T)[..., 0]
    guide = fastepll.denoise(gray, SIGMA / np.sqrt(3), quality="learned", **options)
    np.testing.assert_allclose(found[..., 0], guide, rtol=0, atol=1e-12)
    for c in (1, 2):
        expected = plain[..., c].copy()
        for step in shipped(CHROMA).steps(SIGMA):
            take_step(expected, guide, step)
        np.testing.assert_allclose(found[..., c], expected, rtol=0, atol=1e-12)


def test_other_numbers_of_channels_have_no_steps_of_chroma():
    image, planes = in_colour(0.9, 0.5), opponent_planes(2)
    settings = replace(settings_for("fast", SIGMA, (6, 6)), learned=True)
    found, plain, given = (
        fastepll.denoise(image, SIGMA, quality=quality, channel_axis=-1, model=MODEL)
        @ planes.analysis.T
        for quality in ("learned", "fast", settings)
    )
    np.testing.assert_allclose(found[..., 1], plain[..., 1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(given[..., 1], plain[..., 1], rtol=0, atol=1e-6)
    assert np.abs(found[..., 0] - plain[..., 0]).max() > 1e-2


def test_a_map_of_one_level_in_colour_is_one_number(backend):
    image = in_colour(0.9, 0.5, 0.7)
    options = {"model": MODEL, "quality": "learned", "channel_axis": -1, "backend": backend.name}
    mapped = fastepll.denoise(image, np.full(image.shape[:2], SIGMA), **options)
    np.testing.assert_allclose(mapped, fastepll.denoise(image, SIGMA, **options), atol=2e-5)


@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (16, 15), (35, 33)])
def test_small_images_have_the_steps_that_fit(shape):
    image = noisy(scene(*shape), SIGMA)
    found = fastepll.denoise(image, SIGMA, model=smooth_mixture(4), quality="learned")
    assert np.isfinite(found).all()
    model = shipped()
    kept = [n for n in model.halvings if min(shape) >> n >= 8]
    start = fastepll.denoise(image, SIGMA, model=smooth_mixture(4), quality="fast")
    expected = start.copy()
    steps = [step for step in model.steps(SIGMA) if step.halvings in kept]
    for step in steps:
        take_step(expected, image, step)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def take_step(image, measured, step):
    """In NumPy, by the formula."""
    halves = [(image, measured)]
    for _ in range(step.halvings):
        shape = halves[-1][0].shape[0] // 2, halves[-1][0].shape[1] // 2
        halves.append(tuple(halve(each, np.empty(shape)) for each in halves[-1]))
    result = reference_step(*halves[-1], step, np.empty_like(halves[-1][0]))
    for before, _ in halves[-2::-1]:
        changed = before.copy()
        add_coarse(changed, result, 1.0, np.empty_like(result))
        result = changed
    image[...] = result


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
    for quality, expected in (("fast", 30.273), ("learned", 30.701)):
        error = fastepll.denoise(image, 25 / 255, quality=quality) - clean
        assert -20 * np.log10(rms(error)) == pytest.approx(expected, abs=0.01)


def test_a_photograph_in_colour():
    """A part of another, sigma 25 of 255."""
    clean = pytest.importorskip("skimage.data").astronaut()[:256, 100:356] / 255
    image = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    for quality, expected in (("balanced", 32.339), ("learned", 32.647)):
        error = fastepll.denoise(image, 25 / 255, quality=quality, channel_axis=-1) - clean
        assert -20 * np.log10(rms(error)) == pytest.approx(expected, abs=0.01)


def test_edges_of_chroma_alone():
    """Strong ones, where the luminance that guides is flat: as photographs do not have them."""
    stripes = np.sign(np.sin(np.arange(160) / 9)) * np.ones((120, 1))
    clean = 0.5 + stripes[..., None] * [0.3, -0.15, -0.15]
    image = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    for quality, expected in (("high", 38.63), ("learned", 39.41)):
        error = fastepll.denoise(image, 25 / 255, quality=quality, channel_axis=-1) - clean
        assert -20 * np.log10(rms(error)) == pytest.approx(expected, abs=0.05)
