"""Two scales of an image: what is reproduced exactly."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends import get_backend, scales
from fastepll.models import GaussianMixture
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import Settings

from ..scenes import smooth_mixture


def plane(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.indices(shape)
    return 0.25 * x - 0.5 * y + 3.0


@pytest.mark.parametrize("shape", [(2, 2), (7, 8), (12, 5), (31, 30)])
def test_halve_takes_means_of_squares(shape):
    image = np.random.default_rng(0).random(shape)
    half = scales.halve(image, np.empty((shape[0] // 2, shape[1] // 2)))
    for i, j in np.ndindex(half.shape):
        assert half[i, j] == pytest.approx(image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean())


@pytest.mark.parametrize("rows", [1, 3, 256])
@pytest.mark.parametrize("shape", [(14, 18), (15, 19)])
def test_correction_is_interpolated(shape, rows, monkeypatch):
    monkeypatch.setattr(scales, "ROWS", rows)
    image, target = np.zeros(shape), plane(shape)
    half = (shape[0] // 2, shape[1] // 2)
    coarse = scales.halve(target, np.empty(half))
    scales.add_coarse(image, coarse, 0.5, np.empty(half))
    inside = np.s_[1 : 2 * half[0] - 1, 1 : 2 * half[1] - 1]
    np.testing.assert_allclose(image[inside], 0.5 * target[inside], rtol=1e-13)
    np.testing.assert_allclose(image[0, 0], 0.5 * coarse[0, 0], rtol=1e-13)
    assert not image[2 * half[0] :].any()
    assert not image[:, 2 * half[1] :].any()


def test_an_image_that_agrees_is_left_alone():
    image = np.random.default_rng(0).random((16, 18))
    before, half = image.copy(), np.empty((8, 9))
    scales.add_coarse(image, scales.halve(image, half).copy(), 1.0, half)
    np.testing.assert_array_equal(image, before)


def test_denoising_in_two_scales_is_what_it_says():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((2, 9, 9)) * 0.2
    covariances = roots @ roots.transpose(0, 2, 1)
    model = GaussianMixture.from_covariances([0.5, 0.5], covariances, (3, 3))
    noisy = rng.random((97, 104))
    kind = {"backend": get_backend("reference"), "n_threads": 1}
    one = Settings(noise=[1.0, 0.3], blend=[0.5, 0.9], stride=2)
    two = Settings(noise=[1.0, 0.3], blend=[0.5, 0.9], stride=2, coarse=0.4)
    expected = denoise_plane(noisy, model, 0.2, one, **kind).copy()
    half = scales.halve(noisy, np.empty((48, 52)))
    coarse = denoise_plane(half, model, 0.1, one, **kind)  # too small to be halved again
    scales.add_coarse(expected, coarse, 0.4, np.empty((48, 52)))
    seen: list[float] = []
    result = denoise_plane(noisy, model, 0.2, two, progress=seen.append, **kind)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-14)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen.count(1) == 1


@pytest.mark.parametrize("n_passes", [1, 2, 3])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_sizes_together_are_those_one_by_one(backend, monkeypatch, n_passes, n_threads):
    rng = np.random.default_rng(8)
    noisy = rng.random((203, 197)).astype(backend.dtype)
    settings = Settings(
        noise=[1.0, 0.3, 0.1][:n_passes], blend=[0.5, 0.7, 0.9][:n_passes], stride=5, coarse=0.4
    )
    options = {"backend": backend, "n_threads": n_threads}
    seen: list[float] = []
    together = denoise_plane(
        noisy, smooth_mixture(), 0.1, settings, progress=seen.append, **options
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
    monkeypatch.setattr("fastepll.solver.half_quadratic.TOGETHER", 0)
    one_by_one = denoise_plane(noisy, smooth_mixture(), 0.1, settings, **options)
    assert np.array_equal(together, one_by_one)
