"""EM that knows the noise: its moments, and that each iteration raises the posterior density."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture
from fastepll.solver import adaptation
from fastepll.solver.adaptation import Moments, adapted, see

from ..scenes import noisy, ramp, scene, smooth_mixture

MODEL = smooth_mixture(4)
CENTRE = np.eye(16) - 1 / 16


def drawn(variance: float, seed: int = 0) -> Moments:
    """Moments of noisy patches of mixtures near that one, few of the last component."""
    rng = np.random.default_rng(seed)
    counts = np.array([900.0, 400, 100, 0])
    scatter = np.zeros((4, 16, 16))
    for k in range(3):
        truth = 1.5 * MODEL.covariances[k] + 1e-3 * CENTRE
        rows = rng.multivariate_normal(np.zeros(16), truth + variance * CENTRE, int(counts[k]))
        scatter[k] = rows.T @ rows
    return Moments(variance, counts, scatter)


def test_moments_are_those_of_all_noisy_patches(backend):
    sigma, height, width = 0.1, 37, 29
    image = noisy(scene(height, width), sigma).astype(backend.dtype)
    found = Moments.of_none(MODEL, sigma)
    see(found, image, MODEL, backend=backend, n_threads=1)
    settings = adaptation.settings_for("fast", sigma, (4, 4))
    guide = adaptation.denoise_plane(image, MODEL, sigma, settings, backend=backend, n_threads=1)
    step = Pass(noise_var=(0.3 * sigma) ** 2, selection="exact")
    chosen = backend.select(guide, MODEL, step, n_threads=1)
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (4, 4))
    patches = windows.reshape(-1, 16) - windows.mean((2, 3)).reshape(-1, 1)
    assert found.variance == sigma**2
    assert len(np.unique(chosen)) > 1
    for k in range(4):
        own = patches[chosen.ravel() == k]
        assert found.counts[k] == len(own)
        np.testing.assert_allclose(found.scatter[k], own.T @ own, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("voxels", "every"), [(1 << 20, 1), (9 * 10 * 11, 1), (9 * 10 * 5, 3)])
def test_moments_of_a_volume_are_those_of_its_slices(monkeypatch, backend, voxels, every):
    monkeypatch.setattr(adaptation, "VOXELS", voxels)
    volume = noisy(ramp(9, 10, 11), 0.1).astype(backend.dtype)
    found = Moments.of_none(MODEL, 0.1)
    see(found, volume, MODEL, of_volume=True, backend=backend, n_threads=1)
    windows = np.lib.stride_tricks.sliding_window_view
    scatter, count = np.zeros((16, 16)), 0
    for axis in range(3):
        for plane in np.moveaxis(volume.astype(float), axis, 0)[::every]:
            rows = windows(plane, (4, 4)).reshape(-1, 16)
            rows = rows - rows.mean(1, keepdims=True)
            scatter, count = scatter + rows.T @ rows, count + len(rows)
    assert found.counts.sum() == count
    np.testing.assert_allclose(found.scatter.sum(0), scatter, rtol=1e-9, atol=1e-11)


def log_posterior(covariances: np.ndarray, seen: list[Moments], prior_weight: float) -> float:
    """Up to a constant, in the 15 directions orthogonal to the constant patch."""
    basis = np.linalg.svd(CENTRE)[0][:, :15]

    def cost(covariance: np.ndarray, scatter: np.ndarray) -> float:
        a, b = (basis.T @ each @ basis for each in (covariance, scatter))
        return float(np.linalg.slogdet(a)[1] + np.trace(np.linalg.solve(a, b)))

    total = 0.0
    for k, covariance in enumerate(covariances):
        total += prior_weight * cost(covariance, MODEL.covariances[k])
        for each in seen:
            noise = each.variance * CENTRE
            mean = each.scatter[k] / max(each.counts[k], 1)
            total += each.counts[k] * cost(covariance + noise, mean)
    return -total / 2


@pytest.mark.parametrize("prior_weight", [3.0, 300.0])
def test_each_iteration_raises_the_posterior_density(monkeypatch, prior_weight):
    seen = [drawn(0.01), drawn(0.0025, 1)]
    values = [log_posterior(MODEL.covariances, seen, prior_weight)]
    for n in range(1, 12):
        monkeypatch.setattr(adaptation, "ITERATIONS", n)
        values.append(log_posterior(adapted(MODEL, seen, prior_weight), seen, prior_weight))
    rises = np.diff(values)
    assert (rises > 0).all()
    assert rises[-1] < 0.1 * rises[0]


def test_without_noise_it_is_the_mean_of_both():
    seen = drawn(1e-12)
    found = adapted(MODEL, [seen], 50.0)
    counts = seen.counts[:, None, None]
    wanted = (seen.scatter + 50 * MODEL.covariances) / (counts + 50)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    np.testing.assert_allclose(found[3], MODEL.covariances[3], rtol=1e-12, atol=1e-18)


def test_what_the_noise_hides_stays():
    found = adapted(MODEL, [drawn(1e4)], 1e-3)
    np.testing.assert_allclose(found, MODEL.covariances, rtol=1e-3, atol=1e-6)


def test_a_given_prior_that_counts_for_all_stays():
    found = adapted(MODEL, [drawn(0.01)], 1e20)
    np.testing.assert_allclose(found, MODEL.covariances, rtol=1e-10, atol=1e-16)


def test_covariances_make_a_mixture():
    found = adapted(MODEL, [drawn(0.01)], 1e-3)
    model = GaussianMixture.from_covariances(MODEL.weights, found, (4, 4))
    assert (model.eigenvalues[:, -1] < 1e-12 * model.eigenvalues[:, 0]).all()
