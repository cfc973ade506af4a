"""Stacks of images and alpha channels: what calls for each image give, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import Denoiser
from fastepll.operators import Blur, Diagonal, Mask

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
SIGMA = 0.1
FRAMES = np.stack([noisy(scene(30, 37), SIGMA, seed) for seed in range(6)]).astype(np.float32)
RGB = np.stack([FRAMES[:2], 1 - FRAMES[:2], 0.5 * FRAMES[2:4]], axis=-1)
UNKNOWN = np.random.default_rng(1).random((30, 37)) < 0.5
KERNEL = np.full((1, 3), 1 / 3)
OPTIONS = {"model": MODEL, "quality": "fast"}

TASKS = {
    "denoise": lambda y, sigma, **rest: fastepll.denoise(y, sigma, **OPTIONS, **rest),
    "restore": lambda y, sigma, **rest: fastepll.restore(
        y, Diagonal(0.5 + 0.5 * scene(30, 37)), sigma, **OPTIONS, **rest
    ),
    "valid": lambda y, sigma, **rest: fastepll.deblur(y, KERNEL, sigma, **OPTIONS, **rest),
    "inpaint": lambda y, sigma, **rest: fastepll.inpaint(y, UNKNOWN, sigma, **OPTIONS, **rest),
    "super": lambda y, sigma, **rest: fastepll.super_resolve(y, 2, sigma, **OPTIONS, **rest),
}


@pytest.mark.parametrize("task", TASKS)
def test_equals_images_one_by_one(task):
    expected = np.stack([TASKS[task](frame, SIGMA) for frame in FRAMES])
    result = TASKS[task](FRAMES, SIGMA, stack=True)
    np.testing.assert_array_equal(result, expected)
    several = TASKS[task](FRAMES.reshape(2, 3, 30, 37), SIGMA, stack=True)
    np.testing.assert_array_equal(several, expected.reshape(2, 3, *expected.shape[1:]))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("axis", [3, -1, 1, 0, -4])
def test_colours_of_a_stack(task, axis):
    expected = np.stack([TASKS[task](image, SIGMA, channel_axis=-1) for image in RGB])
    moved = np.ascontiguousarray(np.moveaxis(RGB, -1, axis))
    result = TASKS[task](moved, SIGMA, stack=True, channel_axis=axis)
    np.testing.assert_array_equal(result, np.moveaxis(expected, -1, axis))


@pytest.mark.parametrize("task", TASKS)
def test_sigma_of_each_image(task):
    sigmas = np.array([0.05, 0.1, 0.2])
    result = TASKS[task](FRAMES[:3], sigmas, stack=True)
    for frame, sigma, found in zip(FRAMES, sigmas, result, strict=False):
        np.testing.assert_array_equal(found, TASKS[task](frame, sigma))


def test_estimated_and_mapped_sigma():
    result = fastepll.denoise(FRAMES, stack=True, **OPTIONS)
    np.testing.assert_array_equal(result[3], fastepll.denoise(FRAMES[3], **OPTIONS))
    maps = 0.05 + 0.1 * np.random.default_rng(0).random(FRAMES.shape)
    result = fastepll.denoise(FRAMES, maps, stack=True, **OPTIONS)
    np.testing.assert_array_equal(result[4], fastepll.denoise(FRAMES[4], maps[4], **OPTIONS))


def test_denoiser_writes_where_it_is_told():
    ours = Denoiser(SIGMA, model=MODEL, stack=True, shape=FRAMES.shape)
    expected = ours(FRAMES)
    inside = FRAMES.copy()
    assert ours(inside, out=inside) is inside
    np.testing.assert_array_equal(inside, expected)
    wide = np.concatenate([FRAMES, FRAMES[:1]])
    ours(wide[:-1], out=wide[1:])  # each result over the image that comes next
    np.testing.assert_array_equal(wide[1:], expected)
    np.testing.assert_array_equal(ours(FRAMES.astype(np.float64)), expected.astype(np.float64))


@pytest.mark.parametrize("task", TASKS)
def test_progress_covers_the_stack_and_stops_it(task):
    seen: list[float] = []
    TASKS[task](FRAMES[:3], SIGMA, stack=True, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert sum(value == 1 for value in seen) == 1
    assert min(abs(value - 1 / 3) for value in seen) < 0.01

    def stop(fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.4:
            raise KeyboardInterrupt

    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        TASKS[task](FRAMES[:3], SIGMA, stack=True, progress=stop)
    assert seen[-1] < 0.7


@pytest.mark.parametrize("task", ["denoise", "restore", "valid", "inpaint"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_alpha_is_left_alone(task, n, dtype):
    span = 1 if dtype == np.float32 else 65535
    colours = (span * RGB[0, ..., :n].clip(0, 1)).astype(dtype)
    alpha = (span * np.random.default_rng(2).random((30, 37))).astype(dtype)
    image = np.concatenate([colours, alpha[..., None]], axis=-1)
    result = TASKS[task](image, span * SIGMA, channel_axis=-1, alpha=True)
    np.testing.assert_array_equal(result[..., -1], alpha)
    expected = TASKS[task](colours, span * SIGMA, channel_axis=-1)
    np.testing.assert_array_equal(result[..., :-1], expected)
    if n == 1:
        gray = TASKS[task](colours[..., 0], span * SIGMA)
        np.testing.assert_array_equal(result[..., 0], gray)
    stack = TASKS[task](
        np.moveaxis(image, -1, 0)[:, None], span * SIGMA, channel_axis=0, alpha=True, stack=True
    )
    np.testing.assert_array_equal(stack[:, 0], np.moveaxis(result, -1, 0))


def test_alpha_inside_and_not_looked_at():
    image = np.concatenate([RGB[0], np.full((30, 37, 1), np.nan, np.float32)], axis=-1)
    ours = Denoiser(model=MODEL, channel_axis=-1, alpha=True, shape=image.shape)
    expected = fastepll.denoise(RGB[0], model=MODEL, channel_axis=-1)
    assert ours(image, out=image) is image
    np.testing.assert_array_equal(image[..., :3], expected)
    assert np.isnan(image[..., 3]).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fastepll.denoise(FRAMES, SIGMA), r"2-D .* \(6, 30, 37\).*; .*stack=True"),
        (lambda: fastepll.denoise(RGB[0], SIGMA), "for colour give channel_axis"),
        (lambda: fastepll.denoise(RGB[0], SIGMA, stack=True), "patches, got 37x3 pixels"),
        (lambda: fastepll.denoise(FRAMES[0, 0], SIGMA, stack=True), "2-D or more"),
        (lambda: fastepll.denoise(RGB, SIGMA, stack=True, channel_axis=4), r"\[-4, 3\], got 4"),
        (lambda: fastepll.denoise(FRAMES, [0.1, 0.2], stack=True), r"\(6,\), or \(6, 30, 37\)"),
        (
            lambda: fastepll.denoise(np.stack([FRAMES[0], FRAMES[0] * np.nan]), 0.1, stack=True),
            "image must be finite",
        ),
        (lambda: Denoiser(model=MODEL, stack=True, shape=(30,)), "2 numbers or more"),
        (lambda: TASKS["restore"](FRAMES, SIGMA), "stack=True"),
        (lambda: TASKS["restore"](FRAMES[0, 0], SIGMA, stack=True), "y must be 2-D or more"),
        (lambda: TASKS["restore"](FRAMES[:0], SIGMA, stack=True), "must not be empty"),
        (lambda: TASKS["restore"](RGB[0], SIGMA, alpha=True), "at least 2 channels"),
        (lambda: TASKS["restore"](FRAMES, SIGMA, stack=True, start=RGB), "must be None with"),
        (
            lambda: fastepll.restore(
                RGB[0], Blur(KERNEL, (30, 39), "valid"), 0.1, alpha=True, channel_axis=-1
            ),
            "alpha must be False",
        ),
        (
            lambda: fastepll.restore(FRAMES, Mask(UNKNOWN), None, stack=True, **OPTIONS),
            "sigma must be given for a mask",
        ),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ValueError, match=text):
        call()
