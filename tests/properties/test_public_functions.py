"""Whatever array an image is, it is restored as its plain float copy is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastepll
from fastepll.operators import Blur, Diagonal

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture(3)
SHAPE = (12, 15)
SIGMA = 0.1
OPTIONS = {"model": MODEL, "quality": "fast"}
UNKNOWN = np.random.default_rng(0).random(SHAPE) < 0.4
KERNEL = np.outer([1, 2, 1], [1, 1, 2]) / 16
DTYPES = ["f2", "f4", "f8", ">f4", ">f8", "u1", "u2", ">u2"]


def per_pixel(y: np.ndarray, unit: float, options: dict[str, Any]) -> np.ndarray:
    """A map of the noise for each image."""
    if not options.get("stack"):
        return np.full(SHAPE, SIGMA * unit)
    axis = options.get("channel_axis")
    return np.full(np.delete(y.shape, [] if axis is None else axis), SIGMA * unit)


FUNCTIONS = {
    "denoise": lambda y, unit, **rest: fastepll.denoise(y, SIGMA * unit, **rest),
    "Denoiser": lambda y, unit, **rest: fastepll.Denoiser(sigma=SIGMA * unit, **rest)(y),
    "deblur": lambda y, unit, **rest: fastepll.deblur(y, KERNEL, SIGMA * unit, **rest),
    "inpaint": lambda y, unit, **rest: fastepll.inpaint(y, UNKNOWN, SIGMA * unit, **rest),
    "super_resolve": lambda y, unit, **rest: fastepll.super_resolve(y, 2, SIGMA * unit, **rest),
    "restore": lambda y, unit, **rest: fastepll.restore(
        y, Blur(KERNEL, SHAPE), SIGMA * unit, **rest
    ),
    "weighted": lambda y, unit, **rest: fastepll.restore(
        y, Diagonal(0.5 + 0.5 * scene(*SHAPE)), per_pixel(y, unit, rest), **rest
    ),
    "denoise_poisson": lambda y, unit, **rest: fastepll.denoise_poisson(
        y, unit / 50, 0.02 * unit, 0.0, peak=unit, **rest
    ),
}
NUMBERS = {
    "estimate_sigma": fastepll.estimate_sigma,
    "expected_patch_log_likelihood": lambda image, **rest: fastepll.expected_patch_log_likelihood(
        image, model=MODEL, sigma=SIGMA * rest.pop("unit"), **rest
    ),
}


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values elsewhere in memory."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "reversed":
        return np.ascontiguousarray(array[tuple([slice(None, None, -1)] * array.ndim)])[
            tuple([slice(None, None, -1)] * array.ndim)
        ]
    if layout == "strided":
        wide = np.zeros([2 * n for n in array.shape], array.dtype)
        wide[tuple([slice(1, None, 2)] * array.ndim)] = array
        return wide[tuple([slice(1, None, 2)] * array.ndim)]
    if layout == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        raw[...] = array
        return raw
    result = np.array(array, order="C")
    result.flags.writeable = layout != "frozen"
    return result


@st.composite
def images(draw) -> tuple[np.ndarray, float, dict[str, Any]]:
    """An image of some kind, its data range, and the options that say so."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    channels, frames = draw(st.sampled_from([0, 1, 2, 3, 4])), draw(st.sampled_from([0, 1, 2]))
    planes = [
        noisy(scene(*SHAPE), SIGMA / 2, seed=i).clip(0, 1)
        for i in range(max(channels, 1) * max(frames, 1))
    ]
    array = np.array(planes).reshape(max(frames, 1), max(channels, 1), *SHAPE)
    options: dict[str, Any] = {}
    unit = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
    array = (np.rint(array * unit) if unit > 1 else array).astype(dtype)
    array = array if frames else array[0]
    if frames:
        options["stack"] = True
    if channels:
        axis = draw(st.sampled_from(range(array.ndim))) if frames else draw(st.integers(0, 2))
        array = np.moveaxis(array, -3, axis)
        options["channel_axis"] = axis if draw(st.booleans()) else axis - array.ndim
    else:
        array = array.squeeze(-3)
    layout = draw(st.sampled_from(["fortran", "reversed", "strided", "unaligned", "frozen"]))
    return laid_out(array, layout), unit, options


@pytest.mark.parametrize("name", FUNCTIONS)
@given(images(), st.sampled_from([1, 2, 7, 64]))
@settings(max_examples=20)
def test_images(name, image, n_threads):
    array, unit, options = image
    before = array.copy()
    result = FUNCTIONS[name](array, unit, **OPTIONS, **options, n_threads=n_threads)
    np.testing.assert_array_equal(array, before)
    plain = np.array(before, before.dtype.newbyteorder("="), order="C")
    same = FUNCTIONS[name](plain, unit, **OPTIONS, **options)
    np.testing.assert_array_equal(result, same)
    assert result.dtype == (np.float64 if name == "denoise_poisson" else array.dtype)
    options["data_range"] = unit
    if name == "denoise_poisson":
        del options["data_range"]
    wide = FUNCTIONS[name](plain.astype(np.float64), unit, **OPTIONS, **options)
    assert wide.dtype == np.float64
    rounding = {"f2": 1e-3, "f4": 1e-6, "f8": 1e-12}.get(array.dtype.str[1:], 0.51 / unit)
    if array.dtype.kind == "u":
        wide = wide.clip(0, unit)
    difference = np.abs(result.astype(np.float64) - wide) / unit
    if name != "denoise_poisson":  # which takes the digits of float16 as they are
        assert np.quantile(difference, 0.9) <= rounding + 1e-6
        assert difference.max() < 0.05  # a near tie


@pytest.mark.parametrize("name", NUMBERS)
@given(images())
@settings(max_examples=20)
def test_numbers(name, image):
    array, unit, options = image
    if options.pop("stack", False):
        array = np.take(
            array,
            0,
            axis=next(
                i
                for i in range(4)
                if "channel_axis" not in options or i != options["channel_axis"] % 4
            ),
        )
        if "channel_axis" in options:
            options["channel_axis"] = next(i for i, n in enumerate(array.shape) if n not in SHAPE)
    if name != "estimate_sigma":
        options["unit"] = unit
    result = NUMBERS[name](array, **options)
    plain = np.array(array, np.float64, order="C")
    assert result == pytest.approx(NUMBERS[name](plain, **options, data_range=unit), rel=1e-5)
    assert isinstance(result, float)
