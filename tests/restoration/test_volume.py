"""Volumes: what they gain over slices, arrays of all kinds, what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fastepll

from ..scenes import noisy, ramp, smooth_mixture

MODEL = smooth_mixture()
SIGMA = 0.1
CLEAN = ramp(16, 24, 28)
VOLUME = noisy(CLEAN, SIGMA)
QUICK = {"model": MODEL, "quality": "preview"}


def denoise(volume, sigma=SIGMA, **options):
    return fastepll.denoise(volume, sigma, spatial_axes=3, **QUICK | options)


def decibels(image, clean):
    return -10 * np.log10(np.mean(np.square(image - clean)))


def balls(side: int = 32) -> np.ndarray:
    """Gray balls that hide one another."""
    rng = np.random.default_rng(3)
    grid = np.mgrid[:side, :side, :side]
    volume = np.full((side,) * 3, 0.5)
    for _ in range(60):
        centre = rng.uniform(0, side, (3, 1, 1, 1))
        inside = ((grid - centre) ** 2).sum(0) < rng.uniform(4, 10) ** 2
        volume[inside] = rng.uniform()
    return volume


@pytest.mark.parametrize(
    ("quality", "slices", "gain"),
    [
        ("exact", 24.82, 0.68),
        ("high", 24.73, 0.80),
        ("balanced", 24.62, 0.82),
        ("fast", 24.55, 0.77),
        ("preview", 24.31, 0.87),
    ],
)
def test_gains_over_slices(quality, slices, gain):
    clean = balls()
    volume = noisy(clean, SIGMA)
    options = {"quality": quality, "model": "gray-8x8-200"}
    before = decibels(fastepll.denoise(volume, SIGMA, stack=True, **options), clean)
    after = decibels(denoise(volume, **options), clean)
    assert before == pytest.approx(slices, abs=0.05)
    assert after - before == pytest.approx(gain, abs=0.05)


def test_axes_do_not_matter():
    """But for the grid of patches, which "exact" has at every voxel."""
    found = denoise(VOLUME, quality="exact")
    turned = denoise(VOLUME.transpose(2, 0, 1), quality="exact").transpose(1, 2, 0)
    np.testing.assert_allclose(turned, found, atol=3e-6)


def test_a_stack_of_volumes():
    stack = np.stack([VOLUME, VOLUME[::-1]])
    found = denoise(stack, np.array([0.05, 0.1]), stack=True)
    for volume, sigma, one in zip(stack, (0.05, 0.1), found, strict=True):
        np.testing.assert_array_equal(one, denoise(volume, sigma))


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_channels_lie_anywhere(axis):
    colours = np.stack([VOLUME, VOLUME[:, ::-1], VOLUME[..., ::-1]], -1)
    wanted = np.moveaxis(denoise(colours, channel_axis=-1), -1, axis)
    found = denoise(np.moveaxis(colours, -1, axis), channel_axis=axis)
    np.testing.assert_array_equal(found, wanted)
    gray = denoise(colours.mean(-1), SIGMA / np.sqrt(3))
    np.testing.assert_allclose(wanted.mean(axis), gray, atol=2e-5)


def test_channels_together_and_alpha():
    model = smooth_mixture(4, channels=3)
    colours = np.stack([VOLUME, VOLUME[:, ::-1], VOLUME[..., ::-1]], -1)
    found = denoise(colours, channel_axis=-1, model=model)
    assert decibels(found[..., 0], CLEAN) > 26
    opaque = np.concatenate([colours, np.full((*VOLUME.shape, 1), 0.3)], -1)
    with_alpha = denoise(opaque, channel_axis=-1, model=model, alpha=True)
    np.testing.assert_array_equal(with_alpha[..., :3], found)
    assert (with_alpha[..., 3] == 0.3).all()


def test_integers():
    eight = np.rint(255 * VOLUME.clip(0, 1)).astype(np.uint8)
    found = denoise(eight, 255 * SIGMA)
    wanted = np.rint(255 * denoise(eight / 255)).clip(0, 255)
    assert found.dtype == np.uint8
    assert np.abs(found - wanted).max() <= 1


def test_arrays_that_are_not_contiguous_stay():
    view = np.repeat(VOLUME, 2, axis=1)[:, ::2].astype(np.float32)[::-1]
    before = view.copy()
    np.testing.assert_array_equal(denoise(view), denoise(before))
    np.testing.assert_array_equal(view, before)


def test_denoiser():
    denoiser = fastepll.Denoiser(SIGMA, spatial_axes=3, shape=VOLUME.shape, **QUICK)
    wanted = denoise(VOLUME)
    np.testing.assert_array_equal(denoiser(VOLUME), wanted)
    for same in (pickle.loads(pickle.dumps(denoiser)), copy.deepcopy(denoiser)):
        np.testing.assert_array_equal(same(VOLUME), wanted)
    own = VOLUME.copy()
    assert denoiser(own, out=own) is own
    np.testing.assert_array_equal(own, wanted)


def test_noise_is_estimated():
    volume = noisy(ramp(24, 40, 48), SIGMA)
    sigma = fastepll.estimate_sigma(volume, spatial_axes=3)
    assert sigma == pytest.approx(SIGMA, rel=0.05)
    np.testing.assert_array_equal(
        denoise(volume, None, model="gray-8x8-200"), denoise(volume, sigma, model="gray-8x8-200")
    )
    several = fastepll.estimate_sigma([volume, volume], spatial_axes=3, stack=True)
    assert several.tolist() == [sigma, sigma]


def test_other_priors():
    class Mean:
        """Patches are flat."""

        patch_shape = (3, 3)

        def denoise(self, patches, sigma, estimator):
            return np.repeat(patches.mean(1, keepdims=True), 9, axis=1)

    found = fastepll.denoise(VOLUME[:8, :9, :10], SIGMA, model=Mean(), spatial_axes=3)
    assert decibels(found, CLEAN[:8, :9, :10]) > 26


@pytest.mark.parametrize("shape", [(6, 6, 6), (7, 6, 9)])
def test_the_smallest(shape):
    flat = noisy(np.full(shape, 0.25), SIGMA)
    assert np.std(denoise(flat)) < 0.5 * SIGMA


@pytest.mark.parametrize(
    ("volume", "sigma", "options", "error", "message"),
    [
        (VOLUME[0], SIGMA, {}, ValueError, r"image must be 3-D with channel_axis None, got shape"),
        (VOLUME[None], SIGMA, {}, ValueError, "for several images give stack=True"),
        (VOLUME[:5], SIGMA, {}, ValueError, "at least 6 voxels along each axis.*stack=True"),
        (VOLUME[..., :5], SIGMA, {}, ValueError, "at least 6 voxels along each axis"),
        (VOLUME, np.full(VOLUME.shape, SIGMA), {}, ValueError, "sigma must be one number"),
        (VOLUME, np.full(3, SIGMA), {}, ValueError, "sigma must be"),
        (VOLUME, -SIGMA, {}, ValueError, "sigma must be >= 0"),
        (np.where(CLEAN > 0.8, np.nan, CLEAN), SIGMA, {}, ValueError, "image must be finite"),
        (VOLUME, SIGMA, {"n_scales": 2}, ValueError, "n_scales must be 1 for a volume, got 2"),
        (VOLUME, SIGMA, {"quality": "learned"}, ValueError, "must not be 'learned' for a volume"),
        (VOLUME, SIGMA, {"channel_axis": 4}, ValueError, r"channel_axis must be in \[-4, 3\]"),
        (VOLUME, SIGMA, {"channel_axis": -1}, ValueError, "image must be 4-D with channel_axis"),
    ],
)
def test_is_refused(volume, sigma, options, error, message):
    with pytest.raises(error, match=message):
        denoise(volume, sigma, **options)


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        (1, ValueError, r"spatial_axes must be in \[2, 3\], got 1"),
        (4, ValueError, r"spatial_axes must be in \[2, 3\], got 4"),
        (2.5, TypeError, "spatial_axes must be an integer"),
        (None, TypeError, "spatial_axes must be an integer"),
        (True, TypeError, "spatial_axes must be an integer"),
    ],
)
def test_other_numbers_of_axes_are_refused(axes, error, message):
    with pytest.raises(error, match=message):
        fastepll.denoise(VOLUME, SIGMA, spatial_axes=axes)
