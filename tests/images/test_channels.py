"""Colour planes: an orthonormal transform up to a scale per plane, and better than R, G, B."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.images.channels import dct_matrix, opponent_planes
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import denoise_plane

from ..near_ties import assert_alike
from ..scenes import noisy, rms, scene, smooth_mixture


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 31])
def test_planes(n):
    planes = opponent_planes(n)
    basis = planes.analysis / planes.gains[:, None]
    np.testing.assert_allclose(basis @ basis.T, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(planes.synthesis @ planes.analysis, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(planes.analysis[0], np.full(n, 1 / n), atol=1e-15)
    np.testing.assert_allclose(planes.analysis[1:].sum(axis=1), 0, atol=1e-13)


def test_gains_are_what_white_noise_has():
    planes = opponent_planes(3)
    noise = np.random.default_rng(0).standard_normal((100_000, 3)) @ planes.analysis.T
    covariance = np.cov(noise.T)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), planes.gains, rtol=0.01)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=0.01)


def test_three_channels_are_the_opponent_space():
    red_blue, green_magenta = np.array([1, 0, -1]) / 2**0.5, np.array([1, -2, 1]) / 6**0.5
    np.testing.assert_allclose(dct_matrix(3)[1:], [red_blue, green_magenta], atol=1e-15)


def test_one_channel_is_left_alone():
    planes = opponent_planes(1)
    assert planes.analysis == planes.synthesis == planes.gains == 1


def test_colour_gains_from_what_channels_share():
    model, sigma = smooth_mixture(), 0.1
    clean = np.stack([scene(), 0.8 * scene() + 0.1, scene() ** 1.2], axis=-1)
    image = noisy(clean, sigma)
    together = fastepll.denoise(image, sigma, model=model, channel_axis=-1)
    one_by_one = np.stack(
        [fastepll.denoise(image[..., c], sigma, model=model) for c in range(3)], axis=-1
    )
    assert rms(together - clean) < 0.9 * rms(one_by_one - clean)


@pytest.mark.parametrize("channels", [2, 4])
def test_other_numbers_of_channels(channels):
    clean = np.stack([scene() ** (1 + c / 4) for c in range(channels)])
    image = noisy(clean, 0.1)
    result = fastepll.denoise(image, 0.1, model=smooth_mixture(), channel_axis=0)
    assert rms(result - clean) < 0.32 * rms(image - clean)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("quality", ["exact", "fast"])
def test_a_prior_of_colour_patches_restores_the_channels_together(quality, axis):
    model = smooth_mixture(5, 3)
    image = np.stack([noisy(scene(40, 31) * (1 - 0.3 * c), 0.1, seed=c) for c in range(3)])
    settings = settings_for(quality, 0.1, model.patch_shape)
    reference = {"backend": get_backend("reference"), "n_threads": 1}
    given = np.moveaxis(image, 0, axis).astype(np.float32)
    options = {"model": model, "quality": quality, "channel_axis": axis}
    assert_alike(
        lambda: np.moveaxis(fastepll.denoise(given, 0.1, **options), axis, 0),
        lambda: denoise_plane(image, model, 0.1, settings, **reference),
        atol=1e-5,
    )


def test_colour_patches_of_bytes_and_an_estimated_sigma():
    model = smooth_mixture(5, 3)
    image = np.stack([noisy(scene(40, 31), 0.1, seed=c) for c in range(3)], -1)
    as_bytes = np.round(255 * image.clip(0, 1)).astype(np.uint8)
    options = {"model": model, "channel_axis": -1}
    assert_alike(
        lambda: fastepll.denoise(as_bytes, 25.5, **options).transpose(2, 0, 1),
        lambda: 255 * fastepll.denoise(as_bytes / 255, 0.1, **options).transpose(2, 0, 1),
        atol=0.51,
    )
    sigma = fastepll.estimate_sigma(as_bytes, channel_axis=-1)
    estimated = fastepll.denoise(as_bytes, model=model, channel_axis=-1)
    assert np.array_equal(
        estimated, fastepll.denoise(as_bytes, sigma, model=model, channel_axis=-1)
    )
    assert sigma == fastepll.estimate_sigma(as_bytes, model=model, channel_axis=-1)


@pytest.mark.parametrize("quality", ["exact", "fast"])
def test_colour_patches_with_a_map_of_sigma(quality):
    model = smooth_mixture(5, 3)
    image = np.stack([noisy(scene(100, 104), 0.1, seed=c) for c in range(3)])
    options = {"model": model, "quality": quality, "channel_axis": 0}
    alike = np.full(image.shape[1:], 0.1)
    assert_alike(
        lambda: fastepll.denoise(image, alike, **options),
        lambda: fastepll.denoise(image, 0.1, **options),
        atol=1e-4,
    )
