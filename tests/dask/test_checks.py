"""fastepll.dask refuses, assumes and rounds as fastepll does for the whole image."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import operators

from ..conftest import BACKENDS
from ..scenes import noisy, scene, smooth_mixture

da = pytest.importorskip("dask.array")
ours = pytest.importorskip("fastepll.dask")
native = pytest.mark.skipif("native" not in BACKENDS, reason="bits are those of the native backend")

QUICK = {"model": smooth_mixture(), "quality": "preview"}
UNIT = noisy(scene(70, 90), 0.02)
UNKNOWN = np.random.default_rng(0).random(UNIT.shape) < 0.2
GAIN = np.linspace(0.5, 3, 90) * np.ones(UNIT.shape)


def lazy(values):
    return da.from_array(values, chunks=(40, 50))


def computed(array):
    return array.compute(scheduler="synchronous")


HIDDEN = np.ma.masked_array(UNIT, UNKNOWN)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ours.denoise(lazy(HIDDEN), 0.02, **QUICK),
        lambda: ours.denoise(lazy(HIDDEN), 0.02, data_range="auto", **QUICK),
        lambda: ours.restore(lazy(HIDDEN), operators.Mask(UNKNOWN), 0.02, **QUICK),
        lambda: ours.restore(
            lazy(UNIT), ours.Mask(lazy(np.ma.masked_array(UNKNOWN, UNKNOWN))), 0.02, **QUICK
        ),
        lambda: ours.restore(
            lazy(UNIT), ours.Diagonal(lazy(np.ma.masked_array(GAIN, UNKNOWN))), 0.02, **QUICK
        ),
        lambda: ours.denoise(lazy(UNIT).map_blocks(np.ma.masked_greater, 0.6), 0.02, **QUICK),
    ],
)
def test_masked_blocks_are_refused(call):
    with pytest.raises(TypeError, match="must have no masked pixels, got a masked array"):
        computed(call())


def test_masked_blocks_with_nothing_masked():
    found = computed(ours.denoise(lazy(np.ma.asarray(UNIT)), 0.02, **QUICK))
    np.testing.assert_array_equal(found, computed(ours.denoise(lazy(UNIT), 0.02, **QUICK)))
    assert type(found) is np.ndarray


@native
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32, np.uint16, np.float32])
@pytest.mark.parametrize("given", ["auto", 4000.0])
def test_ranges(dtype, given):
    scale = 50 if dtype == np.int8 else 4000
    image = np.asarray(scale * UNIT - (0 if dtype in (np.uint16, np.uint32) else 20)).astype(dtype)
    whole = fastepll.denoise(image, 0.02 * scale, data_range=given, **QUICK)
    blocks = ours.denoise(lazy(image), 0.02 * scale, data_range=given, **QUICK)
    assert blocks.dtype == dtype
    np.testing.assert_array_equal(computed(blocks), whole)
    mask = operators.Mask(UNKNOWN)
    whole = fastepll.restore(image, mask, 0.02 * scale, data_range=given, **QUICK)
    blocks = ours.restore(lazy(image), mask, 0.02 * scale, data_range=given, **QUICK)
    np.testing.assert_array_equal(computed(blocks), whole)


@pytest.mark.parametrize(
    ("image", "sigma"),
    [
        (255 * (UNIT - UNIT.mean()), 5.0),
        (255 * (UNIT - UNIT.mean()), 0.5),
        (30 * UNIT, 0.6),
        (UNIT, 5.0),
        (np.rint(4000 * UNIT).astype(np.int32), 80),
        (np.rint(4000 * UNIT).astype(np.int16), 80),
    ],
)
def test_contradictions(image, sigma):
    for call in (
        lambda: ours.denoise(lazy(image), sigma, **QUICK),
        lambda: ours.restore(lazy(image), operators.Mask(UNKNOWN), sigma, **QUICK),
    ):
        with pytest.raises(ValueError, match="data_range must be given"):
            computed(call())


@native
def test_what_is_no_contradiction():
    loud = noisy(UNIT, 0.5)
    found = computed(ours.denoise(lazy(loud), 0.5, **QUICK))
    np.testing.assert_array_equal(found, fastepll.denoise(loud, 0.5, **QUICK))
    y = GAIN * UNIT
    found = computed(ours.restore(lazy(y), ours.Diagonal(lazy(GAIN)), 0.02, **QUICK))
    wanted = fastepll.restore(y, operators.Diagonal(GAIN), 0.02, **QUICK)
    np.testing.assert_array_equal(found, wanted)
