"""Poisson-Gaussian noise: the transform, its unbiased inverse, and what is restored."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import fastepll
from fastepll.restoration.poisson import (
    conditional,
    denoise_poisson,
    generalized_anscombe,
    inverse_generalized_anscombe,
)

from ..scenes import noisy, ramp, rms, scene, smooth_mixture

MODEL = smooth_mixture()
EVENTS = np.array([0.1, 0.15, 0.3, 0.7, 1, 1.7, 3, 7.3, 20, 55, 100, 399, 403, 1000])
COUNTS = np.arange(1600.0)


def mean_of_transform(events: np.ndarray, s: float) -> np.ndarray:
    """By SciPy's probabilities."""
    return np.array([poisson.pmf(COUNTS, m) @ conditional(COUNTS, s) for m in events])


@pytest.mark.parametrize("s", [0, 0.1, 0.5, 1, 3, 10, 19.9])
def test_inverse_is_exact(s):
    found = inverse_generalized_anscombe(mean_of_transform(EVENTS, s), 1, s)
    np.testing.assert_allclose(found, EVENTS, rtol=0, atol=1e-6)


def test_normal_noise_alone():
    """Where it is so large that the table would be of no use."""
    mean = [500.0, 3000]
    counts = noisy(np.broadcast_to(mean, (200_000, 2)), 40.0)
    found = inverse_generalized_anscombe(generalized_anscombe(counts, 1, 40).mean(axis=0), 1, 40)
    # The variance of the counts lacks the Poisson part: 0.5 of 1600 + m is not told apart.
    np.testing.assert_allclose(found, mean, atol=0.5)


@pytest.mark.parametrize("s", [0, 1.5])
@pytest.mark.parametrize("events", [0.1, 0.5, 2, 10, 100])
def test_unbiased_on_random_counts(events, s):
    rng = np.random.default_rng(0)
    gain, offset, n = 2.5, 100, 1_000_000
    counts = gain * (rng.poisson(events, n) + s * rng.standard_normal(n)) + offset
    mean = generalized_anscombe(counts, gain, gain * s, offset).mean()
    found = (inverse_generalized_anscombe(mean, gain, gain * s, offset) - offset) / gain
    sampling = np.sqrt((events + s * s) / n)  # of the mean of the events themselves
    assert abs(found - events) < 5 * sampling
    naive = mean**2 / 4 - 3 / 8 - s * s
    assert events < 0.3 or abs(naive - events) > 0.1


def test_noise_is_even():
    rng = np.random.default_rng(1)
    for events, tolerance in ((4, 0.03), (20, 0.01), (100, 0.005)):
        counts = 3 * rng.poisson(events, 200_000) + 6 * rng.standard_normal(200_000) + 7
        spread = generalized_anscombe(counts, 3, 6, 7).std()
        assert abs(spread - 1) < tolerance


def test_ends():
    assert generalized_anscombe([-5.0])[0] == 0
    assert inverse_generalized_anscombe([0.0, 1.0], 2, 0, 10).tolist() == [10, 10]
    values = np.linspace(0, 60, 5001)
    for s in (0, 0.7, 5, 25):
        found = inverse_generalized_anscombe(values, 1, s)
        assert (np.diff(found) >= -1e-9).all()
        assert found[0] == 0


@pytest.mark.parametrize(("peak", "least"), [(4, 20), (20, 25)])
@pytest.mark.parametrize("known", [True, False])
def test_scene(peak, least, known):
    clean = scene(96, 96)
    counts = np.random.default_rng(2).poisson(peak * clean)
    restored = denoise_poisson(counts, peak=peak if known else None, model=MODEL)
    error = -20 * np.log10(rms(restored / peak - clean))
    assert restored.dtype == np.float64
    assert error > least
    assert abs(restored.mean() / (peak * clean).mean() - 1) < 0.01


@pytest.mark.parametrize(("peak", "least"), [(4, 22.8), (20, 26.3)])
def test_photographs(data_dir, peak, least):
    """Means over 3 images: 22.94 and 26.43 dB; `denoise` with the mean variance 22.17, 25.38."""
    from skimage.io import imread

    found = []
    for i, path in enumerate(sorted((data_dir / "bsd68").glob("*.png"))[:3]):
        clean = imread(path)[:200, :200] / 255
        counts = np.random.default_rng(i).poisson(peak * clean)
        restored = fastepll.denoise_poisson(counts, peak=peak)
        found.append(-20 * np.log10(rms((restored / peak).clip(0, 1) - clean)))
    assert np.mean(found) > least


def test_camera_units_colours_and_stacks():
    rng = np.random.default_rng(3)
    clean = np.stack([scene(40, 48), 1 - scene(40, 48), 0.5 * scene(40, 48)], axis=-1)
    counts = 2.0 * rng.poisson(30 * clean) + 3.0 * rng.standard_normal(clean.shape) + 100
    options = {"gain": 2, "sigma": 3, "offset": 100, "peak": 160, "model": MODEL}
    restored = denoise_poisson(counts, channel_axis=-1, **options)
    noisy_db, found = (-20 * np.log10(rms((x - 100) / 60 - clean)) for x in (counts, restored))
    assert found > noisy_db + 7
    stack = denoise_poisson(counts[None], channel_axis=-1, stack=True, **options)
    np.testing.assert_array_equal(stack[0], restored)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"gain": 0}, ValueError, "gain must be in"),
        ({"gain": "2"}, TypeError, "gain must be a real number"),
        ({"sigma": -1}, ValueError, "sigma must be >= 0, got -1"),
        ({"sigma": None}, TypeError, "sigma must be a real number"),
        ({"offset": np.nan}, ValueError, "offset must be finite"),
        ({"peak": -1}, ValueError, r"peak must be above offset \(0\), got -1"),
        ({"counts": [[1.0, np.inf]]}, ValueError, "counts must be finite"),
        ({"counts": np.ones((20, 20, 3))}, ValueError, "counts must be 2-D"),
        ({"counts": np.ones((20, 20)) > 0}, TypeError, "counts must be an array of real numbers"),
    ],
)
def test_bad_input(arguments, error, text):
    with pytest.raises(error, match=text):
        denoise_poisson(**({"counts": np.ones((20, 20)), "model": MODEL} | arguments))


def test_a_volume_is_restored_together():
    expected = 4 + 16 * ramp(16, 24, 28)
    counts = np.random.default_rng(0).poisson(expected)
    options = {"model": "gray-8x8-200"}
    slices = fastepll.denoise_poisson(counts, stack=True, **options)
    found = fastepll.denoise_poisson(counts, spatial_axes=3, **options)
    before, after = (np.sqrt(np.mean(np.square(x - expected))) for x in (slices, found))
    assert before == pytest.approx(0.93, abs=0.03)
    assert after == pytest.approx(0.68, abs=0.03)
    stacked = fastepll.denoise_poisson(
        counts[None, ..., None], spatial_axes=3, stack=True, channel_axis=-1, **options
    )
    np.testing.assert_array_equal(stacked[0, ..., 0], found)
    with pytest.raises(ValueError, match="counts must be 3-D"):
        fastepll.denoise_poisson(counts[0], spatial_axes=3)
