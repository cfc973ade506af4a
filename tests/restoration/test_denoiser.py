"""Denoiser: what denoise gives, bit for bit, in memory that is kept."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastepll
from fastepll import Denoiser
from fastepll.backends import get_backend, scales
from fastepll.restoration import denoiser

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
SIGMA = 0.1
GRAY = noisy(scene(30, 37), SIGMA)
RGB = np.stack([GRAY, 1 - GRAY, 0.5 * GRAY], axis=-1)

IMAGES = {
    "float64": (GRAY, {}),
    "float32": (GRAY.astype(np.float32), {}),
    "float16": (GRAY.astype(np.float16), {}),
    "swapped": (GRAY.astype(">f4"), {}),
    "strided": (np.repeat(GRAY, 2, axis=1).astype(np.float32)[:, ::2], {}),
    "fortran": (np.asfortranarray(GRAY.astype(np.float32)), {}),
    "uint8": (np.rint(255 * GRAY.clip(0, 1)).astype(np.uint8), {}),
    "span": ((1000 * GRAY).astype(np.float32), {"data_range": 1000}),
    "rgb": (RGB, {"channel_axis": -1}),
    "rgb first": (np.moveaxis(RGB, -1, 0).astype(np.float32), {"channel_axis": 0}),
    "one channel": (GRAY[None].astype(np.float32), {"channel_axis": 0}),
}


class Recorder:
    """A backend that computes nothing and remembers what it was asked for."""

    name = "reference"
    dtype = np.float32

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[int, ...], float]] = []

    def prior_pass(self, image, model, step, *, out, **_):
        self.calls.append((image.shape, step.noise_var))
        out[:] = image
        return out

    halve = staticmethod(scales.halve)
    add_coarse = staticmethod(scales.add_coarse)


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    ours = Recorder()
    monkeypatch.setattr(denoiser, "backend_for", lambda model, name: ours)
    return ours


@pytest.mark.parametrize("name", IMAGES)
def test_equals_denoise(backend, name):
    image, options = IMAGES[name]
    sigma = SIGMA * options.get("data_range", 255 if image.dtype == np.uint8 else 1)
    options |= {"backend": backend.name, "quality": "fast"}
    expected = fastepll.denoise(image, sigma, model=MODEL, **options)
    ours = Denoiser(sigma, model=MODEL, shape=image.shape, **options)
    before = image.copy()
    for _ in range(2):
        result = ours(image)
        assert result.dtype == image.dtype
        np.testing.assert_array_equal(result, expected)
    out = np.empty_like(image)
    assert ours(image, out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(image, before)
    inside = image.copy()
    assert ours(inside, out=inside) is inside
    np.testing.assert_array_equal(inside, expected)


def test_out_may_overlap_the_image():
    wide = np.zeros((30, 38), np.float32)
    wide[:, 1:] = GRAY
    expected = Denoiser(SIGMA, model=MODEL)(wide[:, 1:])
    Denoiser(SIGMA, model=MODEL)(wide[:, 1:], out=wide[:, :-1])
    np.testing.assert_array_equal(wide[:, :-1], expected)


def test_out_may_be_strided():
    image = GRAY.astype(np.float32)
    for out in (np.empty((60, 74), np.float32)[::2, ::2], np.empty((37, 30), np.float32).T):
        Denoiser(SIGMA, model=MODEL)(image, out=out)
        np.testing.assert_array_equal(out, Denoiser(SIGMA, model=MODEL)(image))


def test_sigma_is_estimated_for_each_image():
    ours = Denoiser(model=MODEL)
    for image in (GRAY, scene(30, 37) + (GRAY - scene(30, 37)) / 2):
        np.testing.assert_array_equal(ours(image), fastepll.denoise(image, model=MODEL))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["gray", "colour", "stack"])
def test_the_estimate_is_what_estimate_sigma_says(dtype, kind):
    span = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = {"gray": GRAY, "colour": RGB, "stack": np.stack([GRAY, 0.3 + 0.4 * GRAY])}[kind]
    image = (np.rint(span * image.clip(0, 1)) if span > 1 else image).astype(dtype)
    axis, stack = -1 if kind == "colour" else None, kind == "stack"
    frames = image if stack else image[None]
    sigma = [fastepll.estimate_sigma(x, model=MODEL, channel_axis=axis) for x in frames]
    options = {"model": MODEL, "channel_axis": axis, "stack": stack, "quality": "fast"}
    given = fastepll.denoise(image, np.array(sigma) if stack else sigma[0], **options)
    np.testing.assert_array_equal(fastepll.denoise(image, **options), given)


def test_no_noise_is_said_at_the_line_of_the_caller():
    flat = np.full((20, 30), 0.5)
    ours = Denoiser(model=MODEL)
    for call in (lambda: fastepll.denoise(flat, model=MODEL), lambda: ours(flat)):
        with pytest.warns(UserWarning, match="estimated as 0.*exactly equal.*pass sigma") as said:
            result = call()
        np.testing.assert_array_equal(result, flat)
        assert [w.filename for w in said] == [__file__]
        assert said[0].lineno == call.__code__.co_firstlineno


def test_no_noise_is_a_copy():
    out = np.empty_like(GRAY)
    assert Denoiser(0, model=MODEL)(GRAY, out=out) is out
    np.testing.assert_array_equal(out, GRAY)


def test_any_shape_is_welcome():
    ours = Denoiser(SIGMA, model=MODEL, shape=(30, 37))
    for shape in ((12, 9), (30, 37), (9, 12), (12, 9)):
        image = noisy(scene(*shape), SIGMA)
        np.testing.assert_array_equal(ours(image), fastepll.denoise(image, SIGMA, model=MODEL))


@pytest.mark.parametrize("name", ["float64", "float32", "uint8", "span"])
def test_later_calls_allocate_no_planes(recorder, name):
    small, options = IMAGES[name]
    image = np.tile(small, (40, 20))
    sigma = SIGMA * options.get("data_range", 255 if image.dtype == np.uint8 else 1)
    ours = Denoiser(sigma, model=MODEL, **options)
    out = ours(image)
    tracemalloc.start()
    ours(image, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * 4 * image.size
    assert recorder.calls[0] == recorder.calls[len(recorder.calls) // 2]


def test_shape_makes_the_memory_and_the_tables_ready(recorder):
    ours = Denoiser(25, model=MODEL, shape=(3, 300, 200), channel_axis=0, data_range=255)
    ready = list(recorder.calls)
    assert {shape for shape, _ in ready} == {MODEL.patch_shape}
    tracemalloc.start()
    ours(np.zeros((3, 300, 200), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {var for _, var in recorder.calls[len(ready) :]} == {var for _, var in ready}
    assert peak < 3 * 60_000 + 4 * 60_000 * 8


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
def test_shape_guesses_the_data_range(recorder, dtype):
    span = 1 if dtype == np.float32 else np.iinfo(dtype).max
    ours = Denoiser(0.1 * span, model=MODEL, shape=(30, 37))
    ready = {var for _, var in recorder.calls}
    ours(np.full((30, 37), span, dtype))
    assert {var for _, var in recorder.calls} == ready


def test_shape_with_unknown_noise_makes_the_memory_ready(recorder):
    Denoiser(model=MODEL, shape=(30, 37))
    Denoiser(0, model=MODEL, shape=(30, 37))
    assert recorder.calls == []


def test_a_call_within_a_call():
    """What concurrent calls do, in a known order: the inner one has memory of its own."""
    ours = Denoiser(SIGMA, model=MODEL, quality="fast", backend="reference")
    other = noisy(scene(30, 37), SIGMA, seed=1)
    expected = [ours(GRAY), ours(other)]
    inner = []
    result = ours(GRAY, progress=lambda fraction: inner.append(ours(other)))
    np.testing.assert_array_equal(result, expected[0])
    assert len(inner) > 2
    for found in inner:
        np.testing.assert_array_equal(found, expected[1])


def test_calls_from_several_threads(backend):
    ours = Denoiser(SIGMA, model=MODEL, quality="preview", backend=backend.name)
    images = [noisy(scene(30, 37), SIGMA, seed) for seed in range(4)] * 4
    expected = [ours(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for result, wanted in zip(pool.map(ours, images), expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_works_after_an_exception():
    ours = Denoiser(SIGMA, model=MODEL, backend="reference")
    expected = ours(GRAY)

    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ours(GRAY, progress=stop)
    np.testing.assert_array_equal(ours(GRAY), expected)


def test_threads_are_counted_when_it_is_called(monkeypatch, recorder):
    seen = []
    ours = Denoiser(SIGMA, model=MODEL)
    monkeypatch.setattr(denoiser, "resolve_threads", lambda n: seen.append(n) or 1)
    ours(GRAY)
    assert seen == [None]
    assert get_backend("reference") is not recorder
