"""What all priors share: input errors, means, chunks, the protocol."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.priors import ICA, KINDS, PCA, Gaussian, PatchPrior, Prior
from fastepll.priors.base import check_parameter, training_coordinates

PRIOR = Gaussian((2, 3), {"seed": 1}, covariance=np.diag([5.0, 4, 3, 2, 1]))
ROUGH = ICA((2, 3), unmixing=np.eye(5), weights=[[0.5, 0.5]] * 5, variances=[[0.01, 2.0]] * 5)


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((4,), ValueError, r"patch_shape must be \(p, q\) or \(p, q, channels\)"),
        ((2, 2, 2, 2), ValueError, r"patch_shape must be \(p, q\)"),
        ((1, 1), ValueError, r"of 2 to 1024 values, got \(1, 1\)"),
        ((33, 32), ValueError, "of 2 to 1024 values"),
        ((0, 4), ValueError, "patch_shape must be positive"),
        ((2.0, 3), TypeError, "patch_shape must be a tuple of integers"),
    ],
)
def test_patch_shapes(shape, error, message):
    with pytest.raises(error, match=message):
        Gaussian(shape, covariance=np.eye(5))


@pytest.mark.parametrize("call", [PRIOR.log_prob, PRIOR.score, lambda p: PRIOR.denoise(p, 0.1)])
@pytest.mark.parametrize(
    ("patches", "error", "message"),
    [
        (np.ones(6), ValueError, r"patches must have shape \(n, 6\), got \(6,\)"),
        (np.ones((2, 5)), ValueError, r"patches must have shape \(n, 6\), got \(2, 5\)"),
        (np.full((2, 6), np.nan), ValueError, "patches must be finite"),
        (np.ones((2, 6), complex), TypeError, "patches must hold real numbers"),
        ("patch", TypeError, "patches must hold real numbers"),
    ],
)
def test_patches(call, patches, error, message):
    with pytest.raises(error, match=message):
        call(patches)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0.0,), ValueError, "sigma must be > 0, got 0"),
        ((-1.0,), ValueError, "sigma must be finite and >= 0, got -1"),
        ((np.inf,), ValueError, "sigma must be finite"),
        (("1",), TypeError, "sigma must be a number"),
        ((0.1, "mode"), ValueError, "estimator must be 'map' or 'mean', got 'mode'"),
    ],
)
def test_noise_and_estimator(arguments, error, message):
    with pytest.raises(error, match=message):
        PRIOR.denoise(np.ones((1, 6)), *arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, 0), ValueError, "n must not be negative"),
        ((1.5, 0), TypeError, "n must be an integer"),
        ((1, None), TypeError, "rng must be a numpy Generator or an integer seed"),
    ],
)
def test_draws(arguments, error, message):
    with pytest.raises(error, match=message):
        PRIOR.sample(*arguments)


def test_fits():
    with pytest.raises(ValueError, match="patches must be at least 2, got 1"):
        Gaussian.fit(np.ones((1, 64)))
    with pytest.raises(ValueError, match=r"patches must have shape \(n, 64\), got \(9, 6\)"):
        PCA.fit(np.ones((9, 6)))
    with pytest.raises(ValueError, match="marginals must be one of"):
        PCA.fit(PRIOR.sample(9, 0), patch_shape=(2, 3), marginals="cauchy")
    with pytest.raises(ValueError, match="positive definite"):
        Gaussian.fit(PRIOR.sample(3, 0), patch_shape=(2, 3))


def test_no_patches_give_no_answers():
    assert PRIOR.log_prob(np.empty((0, 6))).shape == (0,)
    for estimator in ("map", "mean"):
        assert ROUGH.denoise(np.empty((0, 6)), 0.1, estimator).shape == (0, 6)
    assert ROUGH.sample(0, 0).shape == (0, 6)


def test_means_have_no_part():
    patches = PRIOR.sample(7, 0)
    assert abs(patches.sum(axis=1)).max() < 1e-12
    shifted = patches + np.arange(7)[:, None]
    np.testing.assert_allclose(PRIOR.log_prob(shifted), PRIOR.log_prob(patches), rtol=1e-12)
    for estimator in ("map", "mean"):
        found = PRIOR.denoise(shifted, 0.5, estimator)
        np.testing.assert_allclose(found, PRIOR.denoise(patches, 0.5, estimator), atol=1e-12)


def test_density_is_that_of_orthonormal_coordinates():
    c = PRIOR.sample(4, 1) @ PRIOR.basis
    values = np.array([5.0, 4, 3, 2, 1])
    expected = -0.5 * (c**2 / values + np.log(2 * np.pi * values)).sum(axis=1)
    np.testing.assert_allclose(PRIOR.log_prob(c @ PRIOR.basis.T), expected, rtol=1e-12)
    np.testing.assert_allclose(PRIOR.basis.T @ PRIOR.basis, np.eye(5), atol=1e-14)


def test_results_repeat_and_chunks_are_independent(monkeypatch):
    monkeypatch.setattr(ICA, "chunk", 4)
    noisy = ROUGH.sample(10, 2)
    for estimator in ("map", "mean"):
        found = ROUGH.denoise(noisy, 0.5, estimator)
        np.testing.assert_array_equal(ROUGH.denoise(noisy, 0.5, estimator), found)
        np.testing.assert_allclose(ROUGH.denoise(noisy[:8], 0.5, estimator), found[:8], atol=1e-12)


def test_a_prior_without_a_mean_says_so():
    class Half(Gaussian):
        _denoise = Prior._denoise

    half = Half((2, 3), covariance=np.eye(5))
    with pytest.raises(ValueError, match="estimator must be 'map' for Half, got 'mean'"):
        half.denoise(np.ones((1, 6)), 0.1, "mean")


def test_kinds_and_protocol():
    for prior in (PRIOR, ROUGH):
        assert isinstance(prior, PatchPrior)
        assert KINDS[prior.kind] == type(prior).__name__
    assert repr(PRIOR) == "Gaussian((2, 3), covariance=(5, 5))"


def test_parameters_are_frozen_copies():
    covariance = np.eye(5)
    prior = Gaussian((2, 3), covariance=covariance)
    covariance[0, 0] = 7
    assert prior.covariance[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        prior.covariance[0, 0] = 7
    with pytest.raises(ValueError, match=r"x must have shape \(None, 2\), got \(3,\)"):
        check_parameter("x", [1, 2, 3], (None, 2))


def test_training_coordinates_are_those_of_the_basis():
    patches = np.random.default_rng(0).random((5, 6))
    np.testing.assert_allclose(training_coordinates(patches, (2, 3)), patches @ PRIOR.basis)
