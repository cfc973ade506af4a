"""The splitting loop against the minimiser of each step, written with matrices."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends import reference
from fastepll.models import GaussianMixture
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import BETAS, EXACT, Settings

from ..near_ties import assert_alike


def mixture(patch_shape: tuple[int, int] = (3, 4), k: int = 3) -> GaussianMixture:
    rng = np.random.default_rng(5)
    d = patch_shape[0] * patch_shape[1]
    roots = rng.standard_normal((k, d, d)) * rng.uniform(0.02, 0.3, (k, 1, d))
    covariances = roots @ roots.transpose(0, 2, 1)
    return GaussianMixture.from_covariances(
        rng.dirichlet(np.full(k, 3.0)), covariances, patch_shape
    )


def picture(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(6)
    return 0.3 + 0.4 * (np.indices(shape)[1] // 5 % 2) + 0.1 * rng.standard_normal(shape)


def patch_operators(shape: tuple[int, int], patch_shape: tuple[int, int]) -> np.ndarray:
    """One 0-1 matrix (d, pixels) per patch position."""
    p, q = patch_shape
    pixel = np.arange(shape[0] * shape[1]).reshape(shape)
    corners = np.ndindex(shape[0] - p + 1, shape[1] - q + 1)
    rows = [pixel[i : i + p, j : j + q].ravel() for i, j in corners]
    return np.eye(pixel.size)[np.array(rows)]


def naive_denoise(noisy, model, sigma, betas):
    """Minimise over the patches, then over x, with the normal equations of all patches."""
    operators = patch_operators(noisy.shape, model.patch_shape)
    cover = np.einsum("nij,nij->j", operators, operators)
    y = noisy.ravel()
    x = y
    for beta in np.asarray(betas) / sigma**2:
        z = operators @ x
        mean = z.mean(axis=1, keepdims=True)
        z = model.map_estimate(z - mean, beta**-0.5) + mean
        fidelity = cover / sigma**2  # the data term weighted by the patches over each pixel
        left = np.diag(fidelity + beta * cover)
        x = np.linalg.solve(left, fidelity * y + beta * np.einsum("nij,ni->j", operators, z))
    return x.reshape(noisy.shape)


@pytest.mark.parametrize("betas", [BETAS, (2.5,)])
@pytest.mark.parametrize("shape", [(12, 11), (3, 4), (4, 9)])
def test_equals_minimiser_of_each_step(backend, betas, shape):
    model, noisy = mixture(), picture(shape)
    plane = noisy.astype(backend.dtype)
    before = plane.copy()
    settings = Settings.from_betas(betas)
    kind = {"n_threads": 2}
    result = denoise_plane(plane, model, 0.1, settings, backend=backend, **kind)
    assert result.dtype == backend.dtype
    np.testing.assert_array_equal(plane, before)
    exact = denoise_plane(noisy, model, 0.1, settings, backend=reference.backend, **kind)
    expected = naive_denoise(noisy, model, 0.1, betas)
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-11)
    assert_alike(
        lambda: denoise_plane(plane, model, 0.1, settings, backend=backend, **kind),
        lambda: denoise_plane(noisy, model, 0.1, settings, backend=reference.backend, **kind),
        atol=2e-6,
    )


def test_progress_rises_to_one(backend):
    seen: list[float] = []
    noisy = picture((20, 21)).astype(backend.dtype)
    denoise_plane(noisy, mixture(), 0.1, EXACT, backend=backend, n_threads=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen[0] > 0


def test_progress_can_stop_the_work(backend):
    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise KeyboardInterrupt

    noisy = picture((20, 21)).astype(backend.dtype)
    with pytest.raises(KeyboardInterrupt):
        denoise_plane(noisy, mixture(), 0.1, EXACT, backend=backend, n_threads=1, progress=stop)


SETTINGS = Settings(noise=(1.2, 0.3, 0.1), blend=(0.4, 0.8, 1.0), stride=3, weighting="confidence")


def test_passes_follow_the_settings():
    model, noisy, sigma = mixture(), picture((14, 15)), 0.1
    x = noisy
    for i in range(3):
        step = SETTINGS.pass_(i, sigma)
        average = reference.backend.prior_pass(x, model, step, n_threads=1)
        x = (1 - SETTINGS.blend[i]) * noisy + SETTINGS.blend[i] * average
    found = denoise_plane(noisy, model, sigma, SETTINGS, backend=reference.backend, n_threads=1)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_works_in_the_planes_given(backend, passes):
    settings = Settings(noise=SETTINGS.noise[:passes], blend=SETTINGS.blend[:passes], stride=2)
    noisy = picture((14, 15)).astype(backend.dtype)
    before = noisy.copy()
    arguments = {"backend": backend, "n_threads": 2}
    expected = denoise_plane(noisy, mixture(), 0.1, settings, **arguments)
    out, work = np.full_like(noisy, np.nan), np.full_like(noisy, np.nan)
    found = denoise_plane(noisy, mixture(), 0.1, settings, out=out, work=work, **arguments)
    assert found is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(noisy, before)
    assert np.isnan(work).all() == (passes == 1)
