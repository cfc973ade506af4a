"""estimate_sigma: near the truth on scenes and photographs, in the units of the image."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.noise import N_CANDIDATES, candidates, dct_spectra, log_prob

from .scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(96, 128)


@pytest.mark.parametrize("sigma", [1, 5, 10, 25, 50, 75, 250])
def test_scene(sigma):
    for seed in range(3):
        image = noisy(CLEAN, sigma / 255, seed)
        assert fastepll.estimate_sigma(image, model=MODEL) == pytest.approx(sigma / 255, rel=0.08)


@pytest.mark.parametrize("side", [3, 4, 8, 12])
def test_patch_sides(side):
    model = smooth_mixture(side)
    estimate = fastepll.estimate_sigma(noisy(CLEAN, 0.1), model=model)
    assert estimate == pytest.approx(0.1, rel=0.06)


def test_units():
    image = noisy(CLEAN, 0.05)
    expected = fastepll.estimate_sigma(image, model=MODEL)
    scaled = fastepll.estimate_sigma(1000 * image, model=MODEL, data_range=1000)
    assert scaled / 1000 == pytest.approx(expected, rel=1e-3)
    assert type(expected) is float
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        integers = np.rint(top * image.clip(0, 1)).astype(dtype)
        assert fastepll.estimate_sigma(integers, model=MODEL) == pytest.approx(0.05 * top, rel=0.05)


def test_clipped_noise_is_left_out():
    dark = np.where(scene(96, 128) > 0.5, 0.0, CLEAN)  # half of the image is black: half its noise
    image = np.rint(255 * noisy(dark, 20 / 255).clip(0, 1)).astype(np.uint8)
    assert (image == 0).mean() > 0.2
    assert fastepll.estimate_sigma(image, model=MODEL) == pytest.approx(20, rel=0.06)


def test_channels_are_averaged_in_variance():
    image = np.stack([noisy(CLEAN, s, seed) for seed, s in enumerate((0.05, 0.1, 0.15))])
    one_by_one = [fastepll.estimate_sigma(plane, model=MODEL) for plane in image]
    together = fastepll.estimate_sigma(image, model=MODEL, channel_axis=0)
    assert together == pytest.approx(np.sqrt(np.mean(np.square(one_by_one))))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_no_noise(value):
    assert fastepll.estimate_sigma(np.full((40, 40), value), model=MODEL) == 0
    image = np.full((40, 40), value)
    image[:, 20:] = 1 - value
    assert fastepll.estimate_sigma(image, model=MODEL) == 0


def test_one_patch_is_enough_to_answer():
    estimates = [
        fastepll.estimate_sigma(noisy(np.full((6, 6), 0.5), 0.1, seed), model=MODEL)
        for seed in range(20)
    ]
    assert 0.07 < np.median(estimates) < 0.13


def test_same_answer_every_time():
    image = noisy(scene(200, 200), 0.1)
    assert fastepll.estimate_sigma(image, model=MODEL) == fastepll.estimate_sigma(
        image.copy(), model=MODEL
    )


def test_candidates_of_a_large_image_are_bounded():
    patches = candidates(np.zeros((3000, 2000), np.uint8), (8, 8))
    assert patches.shape[1] == 64
    assert 0.9 * N_CANDIDATES < len(patches) <= N_CANDIDATES
    assert patches.dtype == np.uint8


def test_likelihood_is_that_of_the_mixture():
    spectra = dct_spectra(MODEL)
    rng = np.random.default_rng(0)
    z = MODEL.sample(50, rng) + 0.1 * rng.standard_normal((50, MODEL.d))
    sigmas = np.array([0.05, 0.1, 0.2])
    found = log_prob((z @ spectra.atoms.T).astype(np.float32), MODEL.weights, spectra.full, sigmas)
    centred = z - z.mean(axis=1, keepdims=True)
    constant = np.log(2 * np.pi) / 2
    expected = [  # of all d values; the constant direction of centred patches has density 1/σ√2π
        (MODEL.log_prob(centred, s) + np.log(s) + constant + (MODEL.d - 1) * constant).sum()
        for s in sigmas
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("sigma", [5, 25, 75])
def test_photographs(sigma, data_dir):
    image_module = pytest.importorskip("PIL.Image")
    for i, path in enumerate(sorted((data_dir / "bsd68").glob("*.png"))[:3]):
        clean = np.asarray(image_module.open(path)) / 255
        assert fastepll.estimate_sigma(noisy(clean, sigma / 255, i)) == pytest.approx(
            sigma / 255, rel=0.1
        )
