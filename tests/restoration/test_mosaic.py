"""inpaint with a mask for each image of a stack, and for each channel."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.models import load_model
from fastepll.restoration import mosaic

from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
OPTIONS = {"model": MODEL, "quality": "fast"}
RNG = np.random.default_rng(0)
CLEAN = np.stack([scene(32, 40), 1 - scene(32, 40), 0.5 * scene(32, 40)], axis=-1)
FRAMES = np.stack([CLEAN, CLEAN[::-1], CLEAN[:, ::-1]])
EACH = RNG.random(FRAMES.shape[:3]) < 0.4
VALUES = RNG.random(FRAMES.shape) < 0.5


def bayer(height, width):
    """True where the pixels of a camera do not know a channel."""
    unknown = np.ones((height, width, 3), bool)
    unknown[0::2, 0::2, 0] = unknown[0::2, 1::2, 1] = False
    unknown[1::2, 0::2, 1] = unknown[1::2, 1::2, 2] = False
    return unknown


def bilinear(y, unknown):
    from scipy.ndimage import convolve

    tent = np.outer([1, 2, 1], [1, 2, 1])[..., None]
    return convolve(np.where(unknown, 0, y), tent) / convolve(1.0 - unknown, tent)


@pytest.mark.parametrize("sigma", [0.0, np.array([0.02, 0.0, 0.1])])
def test_a_mask_for_each_frame(sigma):
    y = np.where(EACH, np.nan, FRAMES[..., 0])
    result = fastepll.inpaint(y, EACH, sigma, stack=True, **OPTIONS)
    for frame, mask, level, found in zip(y, EACH, np.broadcast_to(sigma, 3), result, strict=True):
        np.testing.assert_array_equal(found, fastepll.inpaint(frame, mask, level, **OPTIONS))
    levels = sigma if np.ndim(sigma) == 0 else sigma[None]
    several = fastepll.inpaint(y[None], EACH[None], levels, stack=True, **OPTIONS)
    np.testing.assert_array_equal(several[0], result)


@pytest.mark.parametrize("axis", [3, -1, 1, 0])
def test_a_mask_for_each_frame_and_channel(axis):
    y = np.where(VALUES, np.nan, FRAMES)
    expected = [
        fastepll.inpaint(a, b, channel_axis=-1, **OPTIONS) for a, b in zip(y, VALUES, strict=True)
    ]
    moved = [np.moveaxis(each, -1, axis) for each in (y, VALUES)]
    result = fastepll.inpaint(*moved, stack=True, channel_axis=axis, **OPTIONS)
    np.testing.assert_array_equal(result, np.moveaxis(np.stack(expected), -1, axis))
    np.testing.assert_array_equal(result[~moved[1]], moved[0][~moved[1]])
    assert rms(np.stack(expected) - FRAMES) < 0.02
    both = [np.moveaxis(each, -1, axis) for each in (y, np.broadcast_to(EACH[..., None], y.shape))]
    both[0] = np.moveaxis(FRAMES, -1, axis)
    np.testing.assert_array_equal(  # the same pixels in every channel: as the mask without them
        fastepll.inpaint(*both, stack=True, channel_axis=axis, **OPTIONS),
        fastepll.inpaint(both[0], EACH, stack=True, channel_axis=axis, **OPTIONS),
    )


def test_alpha():
    y = np.dstack([CLEAN, CLEAN[..., 0]])
    mask = np.dstack([VALUES[0], VALUES[0, ..., 0] | True])
    result = fastepll.inpaint(y, mask, alpha=True, channel_axis=-1, **OPTIONS)
    np.testing.assert_array_equal(result[..., 3], y[..., 3])
    expected = fastepll.inpaint(CLEAN, VALUES[0], channel_axis=-1, **OPTIONS)
    np.testing.assert_array_equal(result[..., :3], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_dtypes_threads_and_progress(dtype):
    scale = {"u": np.iinfo(dtype).max if dtype in (np.uint8, np.uint16) else 0, "f": 1}[
        np.dtype(dtype).kind
    ]
    y, seen = (scale * CLEAN).astype(dtype), []
    options = {"channel_axis": -1, **OPTIONS}
    result = fastepll.inpaint(y, VALUES[0], progress=seen.append, **options)
    assert result.dtype == dtype
    assert seen == sorted(seen)
    assert seen.count(1) == 1
    np.testing.assert_array_equal(result[~VALUES[0]], y[~VALUES[0]])
    expected = fastepll.inpaint(y / scale, VALUES[0], **options)
    assert np.abs(result / scale - expected).max() < 0.01
    np.testing.assert_array_equal(result, fastepll.inpaint(y, VALUES[0], n_threads=3, **options))


def test_backends_agree(backend):
    ours, theirs = (
        fastepll.inpaint(CLEAN, VALUES[0], channel_axis=-1, model=MODEL, backend=name)
        for name in (backend.name, "reference")
    )
    assert rms(ours - theirs) < 1e-3


def test_two_channels_and_colour_patches():
    two = fastepll.inpaint(CLEAN[..., :2], VALUES[0, ..., :2], channel_axis=-1, **OPTIONS)
    assert rms(two - CLEAN[..., :2]) < 0.02
    model = load_model("rgb-8x8-200")
    filled = fastepll.inpaint(CLEAN, VALUES[0], model=model, quality="preview", channel_axis=-1)
    assert rms(filled - CLEAN) < 0.035


def test_noise_of_the_known_values():
    image, sigma = noisy(CLEAN, 0.05), np.full(CLEAN.shape[:2], 0.05)
    options = {"channel_axis": -1, **OPTIONS}
    even = fastepll.inpaint(image, VALUES[0], 0.05, **options)
    assert rms(even - CLEAN) < 0.04
    assert rms(fastepll.inpaint(image, VALUES[0], sigma, **options) - even) < 1e-4
    sigma[:, :10], sigma[3::9, 2::7] = 0, np.inf
    image[:, :10] = CLEAN[:, :10]
    image[3::9, 12::7] = 5
    sigma[3::9, 12::7] = np.inf
    mapped = fastepll.inpaint(image, VALUES[0], sigma, **options)
    known = ~VALUES[0] & (sigma == 0)[..., None]
    np.testing.assert_array_equal(mapped[known], image[known])
    assert rms(mapped - CLEAN) < 0.045


def test_planes_are_orthonormal():
    """So that the data step of a pass is value by value."""
    mix = mosaic.orthonormal_planes(3, MODEL)
    np.testing.assert_allclose(mix.analysis @ mix.analysis.T, np.eye(3), atol=1e-12)
    planes = np.moveaxis(CLEAN, -1, 0)
    back = mosaic.mixed(mosaic.mixed(planes, mix.analysis), mix.synthesis)
    np.testing.assert_allclose(back, planes, atol=1e-12)


def test_mosaics_of_photographs(data_dir):
    """Bayer's filters: 9 dB above bilinear interpolation; with noise of 5 of 255, 5 dB."""
    from skimage.io import imread

    gains = {0: [], 5: []}
    for i, path in enumerate(sorted((data_dir / "bsds300" / "test").glob("*.jpg"))[:3]):
        clean = imread(path)[40:140, 40:140] / 255
        unknown = bayer(100, 100)
        for sigma, gain in gains.items():
            noise = sigma / 255 * np.random.default_rng(i).standard_normal(clean.shape)
            y = np.where(unknown, np.nan, clean + noise)
            restored = fastepll.inpaint(y, unknown, sigma / 255, channel_axis=-1)
            inner = np.s_[4:-4, 4:-4]
            errors = [rms((x - clean)[inner]) for x in (bilinear(y, unknown), restored)]
            gain.append(20 * np.log10(errors[0] / errors[1]))
    assert np.mean(gains[0]) > 9
    assert np.mean(gains[5]) > 5


@pytest.mark.parametrize(
    ("mask", "error", "text"),
    [
        (VALUES[0] | True, ValueError, "a pixel of every channel known"),
        (VALUES[0] | [True, False, False], ValueError, "a pixel of every channel known"),
        (EACH[0] | True, ValueError, "mask must leave a pixel known"),
        (VALUES[0, :-1], ValueError, r"one of the shapes \(32, 40\), \(32, 40, 3\), got"),
        (VALUES[0].astype(np.uint8), TypeError, "mask must be of bool.*got dtype uint8"),
        (EACH, ValueError, r"got \(3, 32, 40\)"),
    ],
)
def test_bad_masks(mask, error, text):
    with pytest.raises(error, match=text):
        fastepll.inpaint(CLEAN, mask, channel_axis=-1, **OPTIONS)


def test_bad_masks_of_stacks():
    with pytest.raises(ValueError, match=r"shapes \(32, 40\), \(3, 32, 40\), .*got \(2, 32, 40\)"):
        fastepll.inpaint(FRAMES, EACH[:2], stack=True, channel_axis=-1, **OPTIONS)
    with pytest.raises(ValueError, match=r"shapes \(32, 40\), \(3, 32, 40\), got \(3, 32, 40, 3\)"):
        fastepll.inpaint(FRAMES[..., 0], VALUES, stack=True, **OPTIONS)
    with pytest.raises(TypeError, match="mask must be of bool"):
        fastepll.inpaint(FRAMES[..., 0], EACH.astype(np.uint8), stack=True, **OPTIONS)


def test_no_pixel_unknown():
    same = fastepll.inpaint(CLEAN, VALUES[0] & False, channel_axis=-1, **OPTIONS)
    np.testing.assert_array_equal(same, CLEAN)
