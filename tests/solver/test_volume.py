"""The loop of a volume: its definition, on every backend, level and number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import Settings
from fastepll.backends import get_backend
from fastepll.solver import volume as module
from fastepll.solver.volume import denoise_volume

from ..scenes import noisy, ramp, rms, smooth_mixture

SIGMA = 0.1
SETTINGS = Settings.from_betas([1, 4, 8], stride=2)
SHAPES = [(6, 7, 9), (17, 6, 23), (13, 31, 10)]


def defined(y, model, settings):
    """By the definition: mean over the three directions of passes of slices, in float64."""
    reference = get_backend("reference")
    x = y
    for i, blend in enumerate(settings.blend):
        step = settings.pass_(i, SIGMA)
        total = np.zeros_like(y)
        for axis in (-3, -2, -1):
            for k in range(y.shape[axis]):
                plane = np.ascontiguousarray(np.take(x, k, axis))
                average = reference.prior_pass(plane, model, step, n_threads=1)
                np.moveaxis(total, axis, 0)[k] += average
        x = (1 - blend) * y + blend * total / 3
    return x


@pytest.mark.parametrize("shape", SHAPES)
def test_is_the_mean_of_three_directions(backend, shape):
    y, model = noisy(ramp(*shape), SIGMA), smooth_mixture()
    wanted = defined(y, model, SETTINGS)
    found = denoise_volume(
        y.astype(backend.dtype), model, SIGMA, SETTINGS, backend=backend, n_threads=2
    )
    assert found.dtype == backend.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)


def test_colours_are_seen_together(backend):
    model = smooth_mixture(4, channels=3)
    y = np.stack([noisy(ramp(7, 9, 11), SIGMA, seed) for seed in range(3)])
    found = denoise_volume(
        y.astype(backend.dtype), model, SIGMA, SETTINGS, backend=backend, n_threads=2
    )
    np.testing.assert_allclose(found, defined(y, model, SETTINGS), rtol=0, atol=2e-5)


def test_slices_at_a_time_and_threads_do_not_matter(isa, monkeypatch):
    backend, model = get_backend("native"), smooth_mixture()
    y = noisy(ramp(19, 23, 29), SIGMA).astype(np.float32)
    whole = denoise_volume(y, model, SIGMA, SETTINGS, backend=backend, n_threads=1)
    for together, n_threads in [(1, 1), (1500, 2), (1 << 21, 3), (1 << 21, 7)]:
        monkeypatch.setattr(module, "TOGETHER", together)
        found = denoise_volume(y, model, SIGMA, SETTINGS, backend=backend, n_threads=n_threads)
        assert np.array_equal(found, whole), (together, n_threads)


def test_memory_that_is_given_is_used():
    backend, model = get_backend("reference"), smooth_mixture()
    y = noisy(ramp(7, 8, 9), SIGMA)
    same = y.copy()
    out, work = np.full_like(y, np.nan), np.full_like(y, np.nan)
    found = denoise_volume(
        y, model, SIGMA, SETTINGS, backend=backend, n_threads=1, out=out, work=work
    )
    assert found is out
    np.testing.assert_array_equal(y, same)
    assert rms(out - defined(y, model, SETTINGS)) < 1e-12


def test_progress_rises_to_one():
    told = []
    y = noisy(ramp(12, 13, 14), SIGMA).astype(np.float64)
    denoise_volume(
        y,
        smooth_mixture(),
        SIGMA,
        SETTINGS,
        backend=get_backend("reference"),
        n_threads=1,
        progress=told.append,
    )
    assert told[-1] == 1
    assert told == sorted(told)
    assert told.count(1) == 1
