"""Mixtures of patches without their noise, learnt from noisy ones alone."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastepll import GaussianMixture  # noqa: E402
from fastepll.train import fit_mixture, train_mixture  # noqa: E402
from fastepll.train.em import Mixture, without_less  # noqa: E402

SIGMA = 0.05
OPTIONS = dict(patch_shape=(2, 3), n_components=2, warm_steps=20, iterations=60)


@pytest.fixture(scope="module")
def truth():
    """Two components without mean; the noise is above some of their eigenvalues, below others."""
    rng = np.random.default_rng(0)
    turns = np.linalg.qr(rng.standard_normal((2, 6, 6))).Q
    deviations = np.array([[0.5, 0.3, 0.1, 0.06, 0.03, 0.01], [0.1, 0.08, 0.05, 0.03, 0.02, 0.005]])
    roots = (np.eye(6) - 1 / 6) @ turns * deviations[:, None]
    return GaussianMixture.from_covariances([0.6, 0.4], roots @ roots.swapaxes(1, 2), (2, 3))


def noisy_patches(truth: GaussianMixture, n: int) -> np.ndarray:
    noise = np.random.default_rng(2).standard_normal((n, 6))
    return truth.sample(n, 1) + SIGMA * noise


def test_covariances_are_those_without_the_noise(truth):
    """Those of the noisy patches are off by sigma² in each direction: 0.006 in this norm."""
    model = fit_mixture(noisy_patches(truth, 40_000), sigma=SIGMA, **OPTIONS)
    order = [int(np.argmin(abs(model.weights - w))) for w in truth.weights]
    np.testing.assert_allclose(model.weights[order], truth.weights, atol=0.02)
    errors = [
        np.linalg.norm(found - true)
        for found, true in zip(model.covariances[order], truth.covariances, strict=True)
    ]
    assert errors[0] < 0.004
    assert errors[1] < 0.0015
    assert model.eigenvalues.min() >= 0


def test_restores_as_the_mixture_of_clean_patches(truth):
    model = fit_mixture(noisy_patches(truth, 40_000), sigma=SIGMA, **OPTIONS)
    clean = truth.sample(20_000, 5)
    noisy = clean + SIGMA * np.random.default_rng(6).standard_normal(clean.shape)

    def error(prior: GaussianMixture) -> float:
        return float(np.square(prior.posterior_mean(noisy, SIGMA) - clean).mean())

    assert error(model) < 1.003 * error(truth)
    with_noise = fit_mixture(noisy_patches(truth, 40_000), **OPTIONS)
    assert error(with_noise) > 1.08 * error(truth)


def test_m_step_is_the_best_that_has_the_noise():
    """Of one covariance: eigenvalues of the scatter, but those below the noise are the noise."""
    root = np.random.default_rng(3).standard_normal((5, 5))
    scatter = torch.from_numpy(root @ root.T)
    found = without_less(Mixture(torch.ones(1, dtype=torch.float64), scatter[None]), 1.0)
    values, vectors = np.linalg.eigh(scatter.numpy())
    assert (values < 1).sum() == 2
    wanted = vectors * np.maximum(values, 1) @ vectors.T
    np.testing.assert_allclose(found.covariances[0].numpy(), wanted, atol=1e-13)


def test_of_a_folder_of_noisy_images(tmp_path):
    """White noise of deviation 20 gray levels on flat images leaves next to nothing."""
    pil = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = np.rint(120 + 20 * rng.standard_normal((64, 64))).clip(0, 255).astype(np.uint8)
        pil.fromarray(pixels).save(tmp_path / f"{i}.png")
    options = dict(n_components=1, patch_shape=(3, 3), n_patches=6000, progress=False)
    schedule = dict(warm_steps=0, iterations=4, finish=2)
    found = [train_mixture(tmp_path, sigma=s, **options, **schedule) for s in (0.0, 20 / 255)]
    variances = [model.eigenvalues[0, :-1].mean() * 255**2 for model in found]
    assert variances[0] == pytest.approx(400, rel=0.05)
    assert variances[1] < 20
    assert "--sigma" in found[1].metadata["command"]


@pytest.mark.parametrize("sigma", [-1.0, np.nan, np.inf])
def test_deviation_is_checked(sigma):
    with pytest.raises(ValueError, match="sigma must be in"):
        fit_mixture(np.zeros((100, 6)), sigma=sigma, **OPTIONS)
