"""The fit of a mixture to patches in memory: a planted one is found, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fastepll import GaussianMixture
from fastepll.train import fit_mixture

OPTIONS = dict(patch_shape=(2, 3), n_components=3, warm_steps=30, iterations=60)


@pytest.fixture(scope="module")
def truth():
    """Three components of 2x3 patches without mean, of unlike directions and sizes."""
    rng = np.random.default_rng(0)
    turns = np.linalg.qr(rng.standard_normal((3, 6, 6))).Q
    roots = (np.eye(6) - 1 / 6) @ turns * np.exp(rng.uniform(-4, -1, (3, 1, 6)))
    return GaussianMixture.from_covariances([0.5, 0.3, 0.2], roots @ roots.swapaxes(1, 2), (2, 3))


def test_planted_mixture_is_found(truth):
    """The excess of held-out likelihood has a known size: parameters / 2n nats, here 0.0013."""
    model = fit_mixture(truth.sample(20_000, 1), **OPTIONS)
    held = truth.sample(20_000, 2)
    loss = truth.log_prob(held) - model.log_prob(held)
    assert loss.mean() < 47 / 40_000 + 4 * loss.std() / np.sqrt(len(loss))
    order = [int(np.argmin(abs(model.weights - w))) for w in truth.weights]
    np.testing.assert_allclose(model.weights[order], truth.weights, atol=0.02)
    for found, true in zip(model.covariances[order], truth.covariances, strict=True):
        assert np.linalg.norm(found - true) < 0.08 * np.linalg.norm(true)
    assert model.eigenvalues[:, -1].max() == 0
    assert model.metadata == {"n_patches": 20_000, "seed": 0}


def test_one_component_is_the_covariance():
    patches = np.random.default_rng(3).standard_normal((500, 6)) * np.arange(1, 7)
    patches -= patches.mean(axis=1, keepdims=True)
    model = GaussianMixture.fit(patches, patch_shape=(2, 3), n_components=1, iterations=1)
    np.testing.assert_allclose(
        model.covariances[0], patches.T @ patches / 500, atol=1e-6 * (patches**2).mean()
    )


def test_seed_decides(truth):
    patches = truth.sample(1000, 4)
    options = dict(OPTIONS, warm_steps=3, iterations=2)
    first, again, other = (fit_mixture(patches, **options, seed=s) for s in (5, 5, 6))
    assert np.array_equal(first.eigenvalues, again.eigenvalues)
    assert not np.array_equal(first.eigenvalues, other.eigenvalues)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(n_components=0), ValueError, "n_components must be at least 1, got 0"),
        (dict(n_components=101), ValueError, "patches must be at least 1010, got 1000"),
        (dict(iterations=1.5), TypeError, "iterations must be an int, got float"),
        (
            dict(patch_shape=(2, 4)),
            ValueError,
            r"patches must have shape \(n, 8\), got \(1000, 6\)",
        ),
        (dict(min_weight=2.0), ValueError, r"min_weight must be in \[0.0, 0.5\], got 2.0"),
    ],
)
def test_mistakes_are_named(truth, change, error, message):
    with pytest.raises(error, match=message):
        fit_mixture(truth.sample(1000, 0), **{**OPTIONS, **change})
