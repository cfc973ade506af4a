"""denoise: the method, and every kind of array in and the same kind out."""

from __future__ import annotations

import tracemalloc
from typing import get_args

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import fastepll
from fastepll.backends import get_backend
from fastepll.restoration import denoiser
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.typing import Quality

from ..near_ties import assert_alike
from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene()
SIGMA = 0.1
NOISY = noisy(CLEAN, SIGMA)


def by_hand(image, sigma, model, betas=(1, 4, 8, 16, 32)):
    """EPLL from the model's own estimate of a patch, nothing shared with the backends."""
    p, q = model.patch_shape
    x = image
    for beta in betas:
        windows = sliding_window_view(x, (p, q))
        patches = windows.reshape(-1, p * q)
        mean = patches.mean(axis=1, keepdims=True)
        estimate = model.map_estimate(patches - mean, sigma / np.sqrt(beta)) + mean
        total, count = np.zeros_like(image), np.zeros_like(image)
        for (i, j), patch in zip(np.ndindex(*windows.shape[:2]), estimate, strict=True):
            total[i : i + p, j : j + q] += patch.reshape(p, q)
            count[i : i + p, j : j + q] += 1
        x = (image + beta * total / count) / (1 + beta)
    return x


def assert_is_the_method(image, backend):
    """The reference by hand, the others by the reference."""
    options = {"model": MODEL, "quality": "exact"}
    if backend.name == "reference":
        result = fastepll.denoise(image, SIGMA, backend="reference", **options)
        np.testing.assert_allclose(result, by_hand(image, SIGMA, MODEL), rtol=0, atol=1e-12)
    assert_alike(
        lambda: fastepll.denoise(image, SIGMA, backend=backend.name, **options),
        lambda: fastepll.denoise(image, SIGMA, backend="reference", **options),
        atol=2e-5,
    )


def test_equals_the_method(backend):
    assert_is_the_method(NOISY, backend)


def test_removes_noise():
    result = fastepll.denoise(NOISY, SIGMA, model=MODEL)
    assert rms(NOISY - CLEAN) > 0.09
    assert rms(result - CLEAN) < 0.034


def test_betas_and_their_order():
    once, twice = (
        fastepll.denoise(
            NOISY, SIGMA, model=MODEL, quality="exact", betas=betas, backend="reference"
        )
        for betas in ([4], [8, 4])
    )
    np.testing.assert_allclose(once, by_hand(NOISY, SIGMA, MODEL, [4]), atol=1e-12)
    np.testing.assert_allclose(twice, by_hand(NOISY, SIGMA, MODEL, [8, 4]), atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "top", "tolerance"),
    [
        (np.float64, 1, 0),
        (np.float32, 1, 1e-6),
        (np.float16, 1, 2e-3),
        (np.uint8, 255, 5e-3),
        (np.uint16, 65535, 5e-5),
        (">f4", 1, 1e-6),
        (">u2", 65535, 5e-5),
    ],
)
def test_dtypes(dtype, top, tolerance):
    image = (NOISY.clip(0, 1) * top).astype(dtype)
    if top > 1:
        image = np.rint(NOISY.clip(0, 1) * top).astype(dtype)
    same = image.astype(np.float64) / top
    options = {"model": MODEL, "quality": "exact"}
    assert fastepll.denoise(image, SIGMA * top, **options).dtype == image.dtype
    assert_alike(
        lambda: fastepll.denoise(image, SIGMA * top, **options).astype(np.float64) / top,
        lambda: fastepll.denoise(same, SIGMA, **options).clip(0 if top > 1 else None, None),
        atol=tolerance + 1e-7,
    )


def test_integers_are_rounded_and_clipped():
    clean = np.where(scene(24, 24) > 0.5, 255.0, 0.0)
    image = noisy(clean, 10).clip(0, 255).astype(np.uint8)
    as_float = fastepll.denoise(image.astype(np.float64), 10, model=MODEL, data_range=255)
    assert as_float.min() < 0 or as_float.max() > 255  # otherwise the next line shows nothing
    result = fastepll.denoise(image, 10, model=MODEL)
    np.testing.assert_array_equal(result, np.rint(as_float).clip(0, 255).astype(np.uint8))


def test_floats_are_not_clipped():
    result = fastepll.denoise(NOISY - 0.9, SIGMA, model=MODEL)
    assert result.min() < -0.5
    assert_alike(
        lambda: fastepll.denoise(NOISY - 0.9, SIGMA, model=MODEL) + 0.9,
        lambda: fastepll.denoise(NOISY, SIGMA, model=MODEL),
        atol=2e-6,
    )


@pytest.mark.parametrize("span", [255.0, 4095, 1e-20, 1e20])
def test_data_range(span):
    options = {"model": MODEL, "data_range": span}
    assert_alike(
        lambda: fastepll.denoise(NOISY * span, SIGMA * span, **options) / span,
        lambda: fastepll.denoise(NOISY, SIGMA, model=MODEL),
        atol=2e-6,
    )


def test_twelve_bits_in_sixteen():
    image = np.rint(NOISY.clip(0, 1) * 4095).astype(np.uint16)
    assert_alike(
        lambda: fastepll.denoise(image, SIGMA * 4095, model=MODEL, data_range=4095),
        lambda: 4095 * fastepll.denoise(image / 4095, SIGMA, model=MODEL),
        atol=0.51,
    )


def test_any_memory_layout_and_untouched():
    expected = fastepll.denoise(NOISY, SIGMA, model=MODEL)
    strided = np.zeros((2 * len(NOISY), 3 * NOISY.shape[1]))[::-2, ::3]
    strided[:] = NOISY
    read_only = NOISY.copy()
    read_only.flags.writeable = False
    for image in (strided, np.asfortranarray(NOISY), read_only, NOISY.tolist()):
        before = np.array(image)
        np.testing.assert_array_equal(fastepll.denoise(image, SIGMA, model=MODEL), expected)
        np.testing.assert_array_equal(image, before)


def test_single_precision_input_is_never_written_to(backend):
    image = NOISY.astype(np.float32)
    before = image.copy()
    result = fastepll.denoise(image, SIGMA, model=MODEL, backend=backend.name)
    assert not np.shares_memory(image, result)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("sigma", [0, 0.0, 1e-9])
def test_no_noise_gives_a_copy(sigma):
    result = fastepll.denoise(NOISY, sigma, model=MODEL)
    assert not np.shares_memory(NOISY, result)
    np.testing.assert_array_equal(result, NOISY)


@pytest.mark.parametrize("shape", [(6, 6), (6, 7), (19, 6), (7, 131)])
def test_small_images(shape, backend):
    image = noisy(scene(*shape), SIGMA)
    assert_is_the_method(image, backend)


def test_sigma_is_estimated():
    sigma = fastepll.estimate_sigma(NOISY, model=MODEL)
    np.testing.assert_array_equal(
        fastepll.denoise(NOISY, model=MODEL), fastepll.denoise(NOISY, sigma, model=MODEL)
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_channel_axis(axis):
    image = noisy(np.stack([CLEAN, 1 - CLEAN, 0.5 * CLEAN], axis=-1), SIGMA)
    expected = fastepll.denoise(image, SIGMA, model=MODEL, channel_axis=-1)
    moved = np.moveaxis(image, -1, axis)
    result = fastepll.denoise(moved, SIGMA, model=MODEL, channel_axis=axis)
    assert result.shape == moved.shape
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(np.moveaxis(result, axis, -1), expected)


def test_one_channel_is_gray():
    result = fastepll.denoise(NOISY[None], SIGMA, model=MODEL, channel_axis=0)
    np.testing.assert_array_equal(result[0], fastepll.denoise(NOISY, SIGMA, model=MODEL))


def test_same_for_any_number_of_threads(backend, n_threads):
    arguments = {"model": MODEL, "backend": backend.name}
    np.testing.assert_array_equal(
        fastepll.denoise(NOISY, SIGMA, n_threads=n_threads, **arguments),
        fastepll.denoise(NOISY, SIGMA, n_threads=1, **arguments),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_progress(channels, backend):
    seen: list[float] = []
    image = np.stack([NOISY] * channels, axis=-1)
    fastepll.denoise(
        image, SIGMA, model=MODEL, channel_axis=-1, backend=backend.name, progress=seen.append
    )
    assert seen == sorted(seen)
    assert seen[0] >= 0
    assert seen[-1] == 1.0
    assert sum(fraction == 1.0 for fraction in seen) == 1


def test_progress_without_noise():
    seen: list[float] = []
    fastepll.denoise(NOISY, 0, model=MODEL, progress=seen.append)
    assert seen == [1.0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_progress_raises_ends_the_call(error, backend):
    def stop(fraction: float) -> None:
        raise error

    with pytest.raises(error):
        fastepll.denoise(NOISY, SIGMA, model=MODEL, backend=backend.name, progress=stop)


@pytest.mark.parametrize("quality", get_args(Quality))
def test_levels_of_quality_are_their_settings(quality):
    model = smooth_mixture(8)
    settings = settings_for(quality, SIGMA)
    named, given = (
        fastepll.denoise(NOISY, SIGMA, model=model, quality=q, backend="reference")
        for q in (quality, settings)
    )
    np.testing.assert_array_equal(named, given)
    plane = denoise_plane(
        NOISY, model, SIGMA, settings, backend=get_backend("reference"), n_threads=1
    )
    np.testing.assert_array_equal(named, plane)
    assert rms(named - CLEAN) < 0.034


def test_levels_of_quality_fit_small_patches(backend):
    for quality in get_args(Quality):
        model = smooth_mixture(2)
        result = fastepll.denoise(NOISY, SIGMA, model=model, quality=quality, backend=backend.name)
        assert rms(result - CLEAN) < 0.08


def test_balanced_is_the_default():
    expected = fastepll.denoise(NOISY, SIGMA, model=MODEL, quality="balanced")
    np.testing.assert_array_equal(fastepll.denoise(NOISY, SIGMA, model=MODEL), expected)


def test_betas_replace_the_schedule_of_settings():
    settings = fastepll.Settings(noise=[1], blend=[0.5], stride=2, estimator="top_mean")
    expected = fastepll.Settings.from_betas([8, 4], stride=2, estimator="top_mean")
    np.testing.assert_array_equal(
        fastepll.denoise(NOISY, SIGMA, model=MODEL, quality=settings, betas=[8, 4]),
        fastepll.denoise(NOISY, SIGMA, model=MODEL, quality=expected),
    )


def test_conversions_need_no_more_than_the_planes(monkeypatch):
    def copy(noisy, *_, out, **__):
        out[:] = noisy
        return out

    monkeypatch.setattr(denoiser, "restore_plane", copy)
    image = np.zeros((2048, 1536), np.float32)
    fastepll.denoise(image[:64, :64], SIGMA, model=MODEL)  # caches
    tracemalloc.start()
    fastepll.denoise(image, SIGMA, model=MODEL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * image.nbytes + 4e6
