"""estimate_sigma: near the truth on scenes and photographs, with and without flat areas."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import why_not
from fastepll.noise import bands as _noise_bands
from fastepll.noise import estimate as noise
from fastepll.noise import patches as _patch_noise
from fastepll.noise.bands import bands_of
from fastepll.noise.clipped import clipped_variance

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(96, 128)
LARGE = scene(240, 300)
NATIVE = pytest.mark.skipif(bool(why_not("native")), reason="needs the core")


@pytest.fixture(params=["core", "numpy"])
def steps(request, monkeypatch):
    """Both ways to compute."""
    if request.param == "numpy":
        monkeypatch.setattr(_noise_bands, "why_not", lambda name: "for the test")
    elif why_not("native"):
        pytest.skip("needs the core")


@pytest.mark.parametrize("sigma", [1, 5, 10, 25, 50, 75, 250])
def test_scene(sigma, steps):
    for seed in range(3):
        image = noisy(CLEAN, sigma / 255, seed)
        assert fastepll.estimate_sigma(image, model=MODEL) == pytest.approx(sigma / 255, rel=0.09)


@pytest.mark.parametrize("side", [3, 4, 8, 12])
def test_patch_sides(side):
    model = smooth_mixture(side)
    estimate = fastepll.estimate_sigma(noisy(CLEAN, 0.1), model=model)
    assert estimate == pytest.approx(0.1, rel=0.06)


def test_units():
    image = noisy(CLEAN, 0.05)
    expected = fastepll.estimate_sigma(image, model=MODEL)
    scaled = fastepll.estimate_sigma(1000 * image, model=MODEL, data_range=1000)
    assert scaled / 1000 == pytest.approx(expected)
    assert type(expected) is float
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        integers = np.rint(top * image.clip(0, 1)).astype(dtype)
        assert fastepll.estimate_sigma(integers, model=MODEL) == pytest.approx(0.05 * top, rel=0.05)


def test_answers_are_powers_that_frames_share():
    answers = {fastepll.estimate_sigma(noisy(LARGE, 0.1, seed)) for seed in range(12)}
    powers = np.log(sorted(answers)) / np.log(1.01)
    np.testing.assert_allclose(powers, np.rint(powers), atol=1e-9)
    assert len(answers) <= 7


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("flat", [0, 50])
def test_noise_below_a_gray_level(sigma, flat):
    for seed in range(3):
        image = np.rint(noisy(255 * LARGE, sigma, seed)).astype(np.uint8)
        truth = np.std(image - 255 * LARGE)
        assert truth == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.06)
        image[:flat] = 97
        assert fastepll.estimate_sigma(image) == pytest.approx(truth, rel=0.13)


def area(kind, shape, share, seed=0):
    """Mask of about that share of an image."""
    rng = np.random.default_rng(seed)
    flat = np.zeros(shape, bool)
    if kind == "bars":
        flat[: int(share * shape[0] / 2)] = flat[shape[0] - int(share * shape[0] / 2) :] = True
    while flat.mean() < share:
        y, x = rng.integers(0, shape)
        flat[y : y + 17, x : x + 11] = True
    return flat


@pytest.mark.parametrize("share", [0.03, 0.25, 0.6])
@pytest.mark.parametrize("kind", ["bars", "blocks"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 250 / 255])
def test_exactly_flat_areas_do_not_count(value, kind, share):
    flat = area(kind, LARGE.shape, share)
    for sigma in (2, 10, 50):
        image = noisy(LARGE, sigma / 255)
        image[flat] = value
        assert fastepll.estimate_sigma(image) == pytest.approx(sigma / 255, rel=0.1)
        image = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
        assert fastepll.estimate_sigma(image) == pytest.approx(sigma, rel=0.1)


def test_flat_areas_without_the_core(monkeypatch):
    monkeypatch.setattr(_noise_bands, "why_not", lambda name: "for the test")
    image = noisy(LARGE, 0.04)
    image[area("blocks", LARGE.shape, 0.25)] = 0.5
    assert fastepll.estimate_sigma(image) == pytest.approx(0.04, rel=0.1)


def test_several_values_and_areas_that_were_flat_before_the_noise():
    smooth = LARGE.copy()
    smooth[:60] = 0.5
    image = noisy(smooth, 0.05)
    assert fastepll.estimate_sigma(image) == pytest.approx(0.05, rel=0.05)
    for i, flat in enumerate(np.array_split(np.flatnonzero(area("blocks", image.shape, 0.3)), 7)):
        image.flat[flat] = i / 7
    assert fastepll.estimate_sigma(image) == pytest.approx(0.05, rel=0.06)


def test_highlights_clipped_below_the_largest_value():
    image = 255 * LARGE + 110
    image = np.rint(noisy(image, 10)).clip(0, 250).astype(np.uint8)
    image[30, 40] = 255
    assert 0.1 < (image == 250).mean() < 0.6
    assert fastepll.estimate_sigma(image) == pytest.approx(10, rel=0.08)


def test_clipped_noise_is_left_out():
    dark = np.where(scene(96, 128) > 0.5, 0.0, CLEAN)  # half of the image is black: half its noise
    image = np.rint(255 * noisy(dark, 20 / 255).clip(0, 1)).astype(np.uint8)
    assert (image == 0).mean() > 0.2
    assert fastepll.estimate_sigma(image, model=MODEL) == pytest.approx(20, rel=0.08)


@pytest.mark.parametrize("sigma", [50, 75])
def test_noise_clipped_at_both_ends_everywhere(sigma):
    image = np.rint(noisy(255 * LARGE, sigma)).clip(0, 255).astype(np.uint8)
    assert np.std(image - 255 * LARGE) < 0.96 * sigma
    assert fastepll.estimate_sigma(image) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("ends", [(-1, 2), (-0.5, 0.7), (-np.inf, 1), (0.3, np.inf), (-3, -0.2)])
def test_clipped_variance(ends):
    x = np.linspace(-9, 9, 200_001)
    weights = np.exp(-0.5 * x**2)
    weights /= weights.sum()
    clipped = x.clip(*ends)
    variance = weights @ clipped**2 - (weights @ clipped) ** 2
    assert clipped_variance(*ends) == pytest.approx(variance, abs=1e-4)


def test_channels_are_averaged_in_variance():
    image = np.stack([noisy(CLEAN, s, seed) for seed, s in enumerate((0.05, 0.1, 0.15))])
    one_by_one = [fastepll.estimate_sigma(plane, model=MODEL) for plane in image]
    together = fastepll.estimate_sigma(image, model=MODEL, channel_axis=0)
    assert together == pytest.approx(np.sqrt(np.mean(np.square(one_by_one))), rel=0.01)


def test_channels_without_noise_do_not_count():
    plane = noisy(CLEAN, 0.1)
    expected = fastepll.estimate_sigma(plane, model=MODEL)
    for others in ([plane, plane], [np.zeros_like(plane)], [plane, np.ones_like(plane)]):
        image = np.stack([plane, *others], axis=-1)
        found = fastepll.estimate_sigma(image, model=MODEL, channel_axis=-1)
        assert found == expected


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_no_noise(value):
    y, x = np.mgrid[:40, :50]
    disc = np.where((y - 20) ** 2 + (x - 20) ** 2 < 150, value, 1 - value)
    checks = np.where((x + y) % 2 == 0, value, 1 - value)
    for image in (np.full((40, 40), value), disc, disc.astype(np.uint8), (x + y) / 90, checks):
        assert fastepll.estimate_sigma(image, model=MODEL) == 0
    assert fastepll.estimate_sigma(np.rint(255 * LARGE).astype(np.uint8)) < 0.35


def test_one_patch_is_enough_to_answer():
    estimates = [
        fastepll.estimate_sigma(noisy(np.full((6, 6), 0.5), 0.1, seed), model=MODEL)
        for seed in range(20)
    ]
    assert 0.07 < np.median(estimates) < 0.13


def test_same_answer_every_time_and_for_any_number_of_threads(n_threads):
    image = noisy(scene(250, 200), 0.1)
    image[100:130] = 0.25
    expected = fastepll.estimate_sigma(image, n_threads=1)
    assert fastepll.estimate_sigma(image.copy(), n_threads=n_threads) == expected
    bands = bands_of(fastepll.load_model("gray-8x8-200"))
    plane = image.astype(np.float32)
    one, other = (noise.channel_sigma(plane, bands, 1.0, n) for n in (1, n_threads))
    assert one == other


def test_candidates_of_a_large_image_are_bounded():
    corners = noise.candidates((3000, 2000), (8, 8), 40_000)
    assert 30_000 < len(corners) <= 44_000
    assert (corners >= 0).all()
    assert (corners.max(axis=0) <= (2992, 1992)).all()
    assert len(np.unique(corners % 8, axis=0)) == 64  # no grid that blocks of a JPEG could fall on
    few = noise.candidates((9, 10), (8, 8), 40_000)
    np.testing.assert_array_equal(few, [[y, x] for y in range(2) for x in range(3)])


@NATIVE
def test_patch_statistics_are_those_of_the_definition(isa, n_threads):
    from fastepll import _core

    rng = np.random.default_rng(0)
    cases = [((60, 97), (8, 8), 3), ((40, 31), (3, 12), 2), ((90, 64), (16, 16), 40)]
    for shape, (p, q), n_values in cases:
        plane = rng.integers(0, n_values, shape).astype(np.float32)
        for _ in range(5):
            y, x = rng.integers(0, shape)
            plane[y : y + 19, x : x + 17] = rng.integers(0, n_values)
        high = np.linalg.qr(rng.standard_normal((p * q, 5)))[0].T
        high = np.ascontiguousarray(high, np.float32)
        corners = noise.candidates(shape, (p, q), 2000)
        for side in (2, 3, 6, 16):
            expected = _patch_noise.patch_statistics(plane, corners, (p, q), high, side)
            found = _core.patch_statistics(plane, corners, p, q, high, side, isa, n_threads)
            np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
            np.testing.assert_array_equal(found[:, 2], expected[:, 2])
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_constant_squares():
    plane = np.arange(120, dtype=np.float32).reshape(10, 12)
    plane[2:5, 3:7] = -1
    plane[8:, 10:] = -2
    for side, expected in ((2, plane < 0), (3, plane == -1), (4, plane > 1e9)):
        np.testing.assert_array_equal(_patch_noise.constant(plane, side), expected)


@NATIVE
def test_conditional_log_probs_are_those_of_the_definition(isa, n_threads):
    bands = bands_of(fastepll.load_model("gray-8x8-200"))
    rng = np.random.default_rng(0)
    patches = 0.1 * rng.standard_normal((100, 8, 8))
    patches[50:] += np.linspace(0, 1, 8)
    squared_norms = bands.squared_norms(patches)
    sigmas = np.array([0.001, 0.05, 0.1, 0.3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_noise_bands, "why_not", lambda name: "for the test")
        expected = bands.log_likelihood(squared_norms, sigmas, 1)
    found = bands.log_likelihood(squared_norms, sigmas, n_threads)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-3)


@NATIVE
def test_levels_agree_with_the_definition(isa, monkeypatch):
    bands = bands_of(fastepll.load_model("gray-8x8-200"))
    planes = [noisy(LARGE, s, i).astype(np.float32) for i, s in enumerate((0.01, 0.1, 0.3))]
    found = [noise.channel_sigma(plane, bands, 1.0, 2) for plane in planes]
    monkeypatch.setattr(_noise_bands, "why_not", lambda name: "for the test")
    expected = [noise.channel_sigma(plane, bands, 1.0, 2) for plane in planes]
    np.testing.assert_allclose(found, expected, rtol=1e-3)  # patches may tie for the smoothest


def test_bands_are_those_of_the_mixture():
    bands = bands_of(MODEL)
    z = MODEL.sample(50_000, 0).reshape(-1, 6, 6)
    mean = bands.squared_norms(z).mean(axis=0) / bands.counts
    expected = bands.variances @ MODEL.weights
    np.testing.assert_allclose(mean, expected, rtol=0.05, atol=3e-6)
    assert bands.counts.sum() == 35
    assert bands_of(MODEL) is bands


def test_bands_go_with_the_model():
    before = len(_noise_bands._kept)
    fastepll.estimate_sigma(CLEAN, model=smooth_mixture(5))
    assert len(_noise_bands._kept) <= before + 1
    bands_of(MODEL)
    assert len(_noise_bands._kept) <= before + 1


@pytest.mark.parametrize("sigma", [5, 25, 75])
def test_photographs(sigma, data_dir):
    image_module = pytest.importorskip("PIL.Image")
    for i, path in enumerate(sorted((data_dir / "bsd68").glob("*.png"))[:6]):
        clean = np.asarray(image_module.open(path)) / 255
        image = noisy(clean, sigma / 255, i)
        assert fastepll.estimate_sigma(image) == pytest.approx(sigma / 255, rel=0.1)
        image[area("blocks", image.shape, 0.25)] = (i % 3) / 2
        assert fastepll.estimate_sigma(image) == pytest.approx(sigma / 255, rel=0.1)
