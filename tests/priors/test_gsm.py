"""Fits of Gaussian scale mixtures and of mixtures of them to data of known density."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.priors import GaussianScaleMixture, GSMMixture

from .test_elliptical import planted


def excess(truth, model, n=20_000):
    """Held-out likelihood that the model lacks, and its standard error."""
    held = truth.sample(n, 99)
    loss = truth.log_prob(held) - model.log_prob(held)
    return loss.mean(), loss.std() / np.sqrt(n)


def test_planted_scales_are_found():
    """Lost are about parameters / 2n = 0.0004 nats, and what 16 scales miss of three others."""
    truth = planted("gsm", (2, 2))
    model = GaussianScaleMixture.fit(truth.sample(20_000, 0), patch_shape=(2, 2))
    lost, error = excess(truth, model)
    assert lost < 0.002 + 4 * error
    shape, true = (c / np.trace(c) for c in (model.covariance, truth.covariance))
    np.testing.assert_allclose(shape, true, atol=0.02)
    power = (model.scale_weights @ model.scales) * np.trace(model.covariance)
    assert power == pytest.approx(1.73 * np.trace(truth.covariance), rel=0.05)
    assert np.diff(model.metadata["log_likelihood"]).min() > -1e-5


def test_planted_mixture_of_scale_mixtures_is_found():
    truth = planted("gsm-mixture", (2, 3))
    model = GSMMixture.fit(truth.sample(20_000, 0), patch_shape=(2, 3), n_covariances=2)
    lost, error = excess(truth, model)
    assert lost < 0.003 + 4 * error
    order = np.argsort(model.weights)
    np.testing.assert_allclose(model.weights[order], [0.4, 0.6], atol=0.03)
    for found, true in zip(model.covariances[order], truth.covariances, strict=True):
        np.testing.assert_allclose(found / np.trace(found), true / np.trace(true), atol=0.03)


def test_gaussian_data_give_one_gaussian():
    rng = np.random.default_rng(4)
    patches = rng.standard_normal((5000, 6)) @ np.diag([1, 2, 3, 1, 2, 3.0])
    model = GSMMixture.fit(patches, patch_shape=(2, 3), n_covariances=1, n_scales=1, iterations=3)
    c = patches @ model.basis
    np.testing.assert_allclose(
        model.scales[0] * model.covariances[0], c.T @ c / len(c), rtol=1e-5, atol=1e-5
    )


def test_seed_decides():
    patches = planted("gsm-mixture", (2, 3)).sample(500, 0)
    options = dict(patch_shape=(2, 3), n_covariances=2, iterations=3)
    first, again, other = (GSMMixture.fit(patches, **options, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.covariances, again.covariances)
    assert not np.array_equal(first.covariances, other.covariances)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(n_scales=0), ValueError, "at least 1 and their product at most 2048"),
        (dict(n_scales=200), ValueError, "product at most 2048, got 20 and 200"),
        (dict(n_covariances=2.0), TypeError, "n_covariances must be an int, got float"),
    ],
)
def test_mistakes_are_named(options, error, message):
    with pytest.raises(error, match=message):
        GSMMixture.fit(np.eye(6), patch_shape=(2, 3), **options)
