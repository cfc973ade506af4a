"""The step from black to white: assumed only where the values allow it, and the same everywhere."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur, Diagonal, Downsample, Identity, Mask, Operator

from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(48, 56)
UNIT = noisy(CLEAN, 0.02)
UNKNOWN = np.random.default_rng(0).random(CLEAN.shape) < 0.1
KERNEL = np.full((3, 3), 1 / 9)
QUICK = {"model": MODEL, "quality": "preview"}

FUNCTIONS = {
    "denoise": lambda y, sigma, **more: fastepll.denoise(y, sigma, **QUICK, **more),
    "Denoiser": lambda y, sigma, **more: fastepll.Denoiser(sigma, **QUICK, **more)(y),
    "identity": lambda y, sigma, **more: fastepll.restore(
        y, Identity(CLEAN.shape), sigma, **QUICK, **more
    ),
    "deblur": lambda y, sigma, **more: fastepll.deblur(y, KERNEL, sigma, **QUICK, **more),
    "inpaint": lambda y, sigma, **more: fastepll.inpaint(y, UNKNOWN, sigma, **QUICK, **more),
    "super": lambda y, sigma, **more: fastepll.super_resolve(y, 2, sigma, **QUICK, **more),
}
MEASURES = {
    "estimate": lambda y, sigma, **more: fastepll.estimate_sigma(y, **more),
    "likelihood": lambda y, sigma, **more: fastepll.expected_patch_log_likelihood(
        y, model=MODEL, sigma=sigma, **more
    ),
    "objective": lambda y, sigma, **more: fastepll.objective(
        y, y, sigma=sigma, model=MODEL, **more
    ),
    "objective of y": lambda y, sigma, **more: fastepll.objective(
        CLEAN if not more and y.dtype.kind == "f" else y, y, sigma=sigma, model=MODEL, **more
    ),
}
every = pytest.mark.parametrize("name", FUNCTIONS | MEASURES)
restores = pytest.mark.parametrize("name", FUNCTIONS)

WRONG = {
    "zero mean": 255 * (UNIT - UNIT.mean()),
    "sky subtracted": 40 * UNIT**4 - 2,
    "difference": 255 * (UNIT - np.roll(UNIT, 3, axis=0)),
    "dark 0 to 30": 30 * UNIT,
    "Hounsfield": 3000 * UNIT - 1000,
    "0 to 255": 255 * UNIT,
    "standardised": (UNIT - UNIT.mean()) / UNIT.std() * 2,
    "one of many frames": 255 * UNIT,
}


@every
@pytest.mark.parametrize("image", WRONG)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_that_are_not_in_0_to_1(name, image, dtype):
    call = (FUNCTIONS | MEASURES)[name]
    with pytest.raises(ValueError, match=r"data_range must be given .* values from .* pass data"):
        call(WRONG[image].astype(dtype), 0.05)


@pytest.mark.parametrize("sigma", [2.0, 5.0, np.full(UNIT.shape, 5.0)])
@restores
def test_sigma_above_white(name, sigma):
    """A photograph so dark that its values say nothing: its noise does."""
    with pytest.raises(ValueError, match=r"data_range must be given .* sigma \d.* data_range=255"):
        FUNCTIONS[name](UNIT, sigma)


def test_never_worse_than_untouched():
    clean = 255 * CLEAN - 255 * CLEAN.mean()
    image = noisy(clean, 5.0)
    with pytest.raises(ValueError, match="data_range=255"):
        fastepll.denoise(image, 5.0, model=MODEL)
    for given in (255, "auto"):
        restored = fastepll.denoise(image, 5.0, model=MODEL, data_range=given)
        assert rms(restored - clean) < 0.8 * rms(image - clean)  # 3.4 of 5


@restores
@pytest.mark.parametrize("level", [75 / 255, 0.6, 1.0])
def test_noise_of_photographs_in_0_to_1(name, level):
    image = noisy(CLEAN, level)
    assert not -1 <= image.min() <= image.max() <= 2 or level < 0.5
    assert np.isfinite(FUNCTIONS[name](image, level)).all()


@pytest.mark.parametrize("level", [75 / 255, 0.6])
def test_noise_that_is_not_known(level):
    clean = scene(128, 128)
    image = noisy(clean, level)
    assert fastepll.estimate_sigma(image) == pytest.approx(level, rel=0.05)
    assert rms(fastepll.denoise(image) - clean) < 0.25 * level
    filled = fastepll.inpaint(image, np.eye(128, dtype=bool), model=MODEL, quality="preview")
    assert filled.shape == clean.shape  # sigma=0 is not what it has


def test_dead_pixels_are_explained_by_their_sigma():
    dead = np.random.default_rng(1).random(CLEAN.shape) < 0.01
    sigma = np.where(dead, 9.0, 0.02)
    image = np.where(dead, 30.0, UNIT)
    restored = fastepll.denoise(image, sigma, model=MODEL)
    assert rms((restored - CLEAN)[~dead]) < 0.04
    with pytest.raises(ValueError, match="data_range must"):
        fastepll.denoise(image, 0.02, model=MODEL)


@pytest.mark.parametrize("gain", [0.01, 3.0, 100.0])
def test_gains_of_operators_are_no_contradiction(gain):
    wide = {"data_range": 1.0}
    gains = gain * np.linspace(0.5, 1, 56) * np.ones(CLEAN.shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "kernel sums to")
        operators = [
            Diagonal(gains),
            Blur(gain * KERNEL, CLEAN.shape),
            Downsample(gain * KERNEL, CLEAN.shape, 2),
            Mask(UNKNOWN) @ Blur(gain * KERNEL, CLEAN.shape),
            Blur(KERNEL, CLEAN.shape) @ Diagonal(-gains),
        ]
    for operator in operators:
        y = operator.forward(CLEAN)
        plain, told = (
            fastepll.restore(y, operator, 0.01 * gain, **QUICK, **more) for more in ({}, wide)
        )
        np.testing.assert_array_equal(plain, told)
        with pytest.raises(ValueError, match="data_range must be given"):
            fastepll.restore(255 * y, operator, 0.01 * gain, **QUICK)


class Sums(Operator):
    """Sums of rows and of columns, as a scanner takes."""

    def forward(self, x):
        return np.concatenate([x.sum(0), x.sum(1)])

    def adjoint(self, y):
        return y[None, : self.in_shape[1]] + y[self.in_shape[1] :, None]


class Mixed(Operator):
    """Random signs, as in compressed sensing."""

    def __init__(self):
        super().__init__(CLEAN.shape, (500,))
        self.rows = np.random.default_rng(0).choice([-1.0, 1.0], (500, CLEAN.size))

    def forward(self, x):
        return self.rows @ x.ravel()

    def adjoint(self, y):
        return (y @ self.rows).reshape(CLEAN.shape)


@pytest.mark.parametrize("operator", [Sums(CLEAN.shape, (104,)), Mixed()])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_measurements_that_are_no_images(operator, level):
    y = noisy(operator.forward(CLEAN), level)
    restored = fastepll.restore(y, operator, level, **QUICK)
    assert restored.shape == CLEAN.shape
    for image in (255 * CLEAN, 255 * (CLEAN - CLEAN.mean()), 30 * CLEAN):
        with pytest.raises(ValueError, match=r"data_range must be given .* reaches"):
            fastepll.restore(noisy(operator.forward(image), level), operator, level, **QUICK)
    for more, text in (({"data_range": "auto"}, "must be a number"), ({}, "sigma must be given")):
        with pytest.raises(ValueError, match=text):
            fastepll.restore(y, operator, None if not more else level, **QUICK, **more)


INTEGERS = [np.int8, np.int16, np.int32, np.uint32]


def counts(dtype) -> np.ndarray:
    """Integers of that type that use all of a span of 100, or of 4000 with an offset."""
    if dtype == np.int8:
        return np.rint(200 * UNIT - 100).astype(dtype)
    return np.rint(4000 * UNIT + (0 if dtype == np.uint32 else -1000)).astype(dtype)


@every
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_need_a_range(name, dtype):
    with pytest.raises(ValueError, match=rf"data_range must be given .* {np.dtype(dtype)}, got No"):
        (FUNCTIONS | MEASURES)[name](counts(dtype), 20)


@restores
@pytest.mark.parametrize("dtype", [*INTEGERS, ">i2", ">u2"])
def test_integers_are_those_of_floats_rounded(name, dtype):
    image = counts(dtype)
    span = 200.0 if image.dtype.itemsize == 1 else 4000.0
    found = FUNCTIONS[name](image, 0.02 * span, data_range=span)
    floats = FUNCTIONS[name](image.astype(np.float64), 0.02 * span, data_range=span)
    assert found.dtype == image.dtype
    limits = np.iinfo(image.dtype)
    np.testing.assert_array_equal(found, np.rint(floats).clip(limits.min, limits.max))
    assert image.tolist() == counts(dtype).tolist()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_the_other_functions(dtype):
    image, colour = counts(dtype), np.stack([counts(dtype)] * 2, -1)
    span, wide = 4095.0, {"data_range": 4095.0}
    for name, call in MEASURES.items():
        found, wanted = (call(kind, 80, **wide) for kind in (image, image.astype(float)))
        assert found == pytest.approx(wanted, rel=1e-6), name
    ours = fastepll.Denoiser(0.02 * span, stack=True, channel_axis=-1, **QUICK, **wide)
    stack = np.stack([colour, colour[::-1]])
    out = np.empty_like(stack)
    assert ours(stack, out=out) is out
    one = fastepll.denoise(colour, 0.02 * span, channel_axis=-1, **QUICK, **wide)
    np.testing.assert_array_equal(out[0], one)
    poisson = fastepll.denoise_poisson(np.abs(image.astype(np.int32)).astype(dtype), **QUICK)
    assert poisson.dtype == np.float64


def test_rounding_clips_to_the_dtype():
    image = np.where(np.arange(56) < 28, -32768, 32767) * np.ones((48, 1))
    found = fastepll.denoise(image.astype(np.int16), 3000, data_range=65535, **QUICK)
    assert found.dtype == np.int16
    assert abs(int(found[0, 0]) + 32768) < 2000
    assert abs(int(found[0, -1]) - 32767) < 2000


@pytest.mark.parametrize("offset", [1_000_000, -1_000_000])
def test_offsets_that_float32_can_hold(offset):
    image = counts(np.int32)
    plain = fastepll.denoise(image, 80, data_range=4000, **QUICK)
    moved = fastepll.denoise(image + offset, 80, data_range=4000, **QUICK)
    assert np.abs(moved - offset - plain).max() <= 4  # 250 times the range: of 24 bits 16 are left
    with pytest.raises(ValueError, match="10000 times data_range"):
        fastepll.denoise(image + 1_000_000_000, 80, data_range=4000, **QUICK)
    wide = np.full((9, 9), 65535, np.uint16)
    assert (fastepll.denoise(wide, 1, data_range=1, **QUICK) == 65535).all()  # 16 bits always fit


@restores
@pytest.mark.parametrize(("white", "named"), [(1000, 1023), (4000, 4095), (16000, 16383)])
def test_few_bits_in_uint16(name, white, named):
    image = np.rint(white * UNIT.clip(0, 1)).astype(np.uint16)
    image[0, 0] = white
    with pytest.warns(UserWarning, match=f"largest value is {white}.*data_range={named}") as told:
        FUNCTIONS[name](image, 0.02 * white)
    assert [warning.filename for warning in told] == [__file__]
    auto = FUNCTIONS[name](image, 0.02 * white, data_range="auto")
    np.testing.assert_array_equal(auto, FUNCTIONS[name](image, 0.02 * white, data_range=named))


def test_all_bits_of_uint16_are_not_told_of():
    image = np.rint(65535 * UNIT.clip(0, 1)).astype(np.uint16)
    auto = fastepll.denoise(image, 1300, data_range="auto", **QUICK)
    np.testing.assert_array_equal(auto, fastepll.denoise(image, 1300, **QUICK))


def test_12_bits_as_they_should_be():
    clean = 4095 * scene(96, 96)
    image = np.rint(noisy(clean, 160).clip(0, 4095)).astype(np.uint16)
    for call in (fastepll.estimate_sigma, fastepll.denoise):
        with pytest.warns(UserWarning, match="data_range=4095") as told:
            call(image)
        assert len(told) == 1
    assert fastepll.estimate_sigma(image, data_range="auto") == pytest.approx(160, rel=0.1)
    restored = fastepll.denoise(image, 160, data_range="auto", model=MODEL)
    assert rms(restored - clean) < 0.4 * 160


@pytest.mark.parametrize(
    ("image", "span"),
    [
        (np.full((9, 9), 255, np.uint8), 255),
        (np.full((9, 9), 1, np.uint8), 255),
        (np.full((9, 9), 256, np.uint16), 1023),
        (np.full((9, 9), 1023, np.int32), 1023),
        (np.full((9, 9), 1024, np.uint32), 4095),
        (np.full((9, 9), 4096, np.int32), 16383),
        (np.full((9, 9), 16384, np.int32), 65535),
        (np.full((9, 9), 1 << 16, np.int32), (1 << 18) - 1),
        (np.full((9, 9), (1 << 32) - 1, np.uint32), (1 << 32) - 1),
        (np.array([[-1000, 3000], [0, 0]], np.int16), 4095),
        (np.full((9, 9), -128, np.int8), 255),
        (UNIT, 1),
        (UNIT - UNIT.mean(), 1),
        (np.linspace(0, 255, 10001).reshape(73, 137), 254.5),
        (np.linspace(-1000, 2000, 10001).reshape(73, 137), 2994),
        (np.full((9, 9), 700.0), 700),
    ],
)
def test_what_auto_is(image, span):
    from fastepll._validation.intensities import check_intensities

    found = check_intensities(image[..., None], "auto")
    assert found == pytest.approx(span, rel=1e-3)


@restores
def test_one_range_for_a_stack(name):
    dark, bright = (np.rint(white * UNIT.clip(0, 1)).astype(np.uint16) for white in (900, 4000))
    stack = np.stack([dark, bright])
    found = FUNCTIONS[name](stack, 50, stack=True, data_range="auto")
    same = FUNCTIONS[name](stack, 50, stack=True, data_range=4095)
    np.testing.assert_array_equal(found, same)
    with pytest.warns(UserWarning, match="4095") as told:
        FUNCTIONS[name](stack, 50, stack=True)
    assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("hole", [np.nan, 1e9, -7.0])
def test_unknown_pixels_have_no_part_in_the_range(hole):
    image = 255 * UNIT
    holed = np.where(UNKNOWN, hole, image)
    stack = np.stack([holed, holed])
    one = fastepll.inpaint(holed, UNKNOWN, 5, data_range="auto", **QUICK)
    several = fastepll.inpaint(stack, UNKNOWN, 5, data_range="auto", stack=True, **QUICK)
    for found in (one, several[0]):
        assert rms(found - 255 * CLEAN) < 6  # the noise has 5.1


def test_alpha_has_no_part_in_the_range():
    image = np.stack([np.rint(4000 * UNIT.clip(0, 1)), np.full(UNIT.shape, 65535)], -1)
    image = image.astype(np.uint16)
    for call in (fastepll.denoise, lambda y, s, **o: fastepll.inpaint(y, UNKNOWN, s, **o)):
        auto, told = (
            call(image, 80, channel_axis=-1, alpha=True, data_range=given, **QUICK)
            for given in ("auto", 4095)
        )
        np.testing.assert_array_equal(auto, told)


@pytest.mark.parametrize(("value", "error"), [("full", TypeError), (0, ValueError)])
@every
def test_ranges_that_are_none(name, value, error):
    with pytest.raises(error, match="data_range must"):
        (FUNCTIONS | MEASURES)[name](UNIT, 0.05, data_range=value)


@pytest.mark.parametrize("share", [0, 0.6])
def test_much_noise_beside_flat_areas_is_no_contradiction(share):
    """Black and white of [0, 1] with noise of 75/255 leave [-1, 2] by chance."""
    noisy = np.linspace(0, 1, 256) * np.ones((200, 1))
    noisy += 75 / 255 * np.random.default_rng(0).standard_normal(noisy.shape)
    noisy[0, 0], noisy[0, -1] = -1.1, 2.2
    noisy[200 - int(share * 200) :] = 0.5
    assert fastepll.estimate_sigma(noisy) == pytest.approx(75 / 255, rel=0.1)
