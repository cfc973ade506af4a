"""ICA: exact densities and estimates, and a fit that finds the model that drew the data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastepll.priors import ICA

RNG = np.random.default_rng(0)
PLANE = ICA(
    (1, 3),
    unmixing=[[1.0, 0.7], [-0.4, 1.5]],
    weights=[[0.6, 0.4], [0.8, 0.2]],
    variances=[[0.1, 2.0], [0.3, 6.0]],
)
CUBE = ICA(
    (2, 2),
    unmixing=RNG.standard_normal((3, 3)) + 2 * np.eye(3),
    weights=np.tile([0.5, 0.3, 0.2], (3, 1)),
    variances=np.array([[0.05], [0.5], [2.0]]) * [0.01, 1.0, 20.0],
)


def scales_summed(prior, patches, sigma=0.0):
    """Density of noisy patches and posterior mean: sums over all combinations of scales."""
    c, mixing = patches @ prior.basis, np.linalg.inv(prior.unmixing)
    density, mean = np.zeros(len(c)), np.zeros_like(c)
    weights, variances = prior.marginals.weights, prior.marginals.variances
    for scales in itertools.product(range(weights.shape[1]), repeat=prior.q):
        index = (np.arange(prior.q), list(scales))
        signal = mixing * variances[index] @ mixing.T
        noisy = signal + sigma**2 * np.eye(prior.q)
        solved = np.linalg.solve(noisy, c.T).T
        constant = np.prod(weights[index]) / np.sqrt(np.linalg.det(2 * np.pi * noisy))
        mass = constant * np.exp(-0.5 * (c * solved).sum(axis=1))
        density, mean = density + mass, mean + mass[:, None] * (solved @ signal)
    return density, mean / density[:, None] @ prior.basis.T


@pytest.mark.parametrize("prior", [PLANE, CUBE])
def test_density_is_that_of_the_gaussian_mixture_over_all_scales(prior):
    patches = prior.sample(30, rng=1)
    expected = np.log(scales_summed(prior, patches)[0])
    np.testing.assert_allclose(prior.log_prob(patches), expected, rtol=1e-11)


def test_density_integrates_to_one():
    line = np.linspace(-16, 16, 801)
    c = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    total = np.exp(PLANE.log_prob(c @ PLANE.basis.T)).sum() * (line[1] - line[0]) ** 2
    assert total == pytest.approx(1, abs=1e-6)


def test_score_is_the_gradient():
    patches, step = CUBE.sample(5, rng=2), 1e-6
    slopes = [
        (CUBE.log_prob(patches + step * way) - CUBE.log_prob(patches - step * way)) / (2 * step)
        for way in CUBE.basis.T
    ]
    np.testing.assert_allclose(
        CUBE.score(patches) @ CUBE.basis, np.transpose(slopes), rtol=1e-5, atol=1e-6
    )


def test_samples_have_the_covariance():
    c = CUBE.sample(50000, rng=3) @ CUBE.basis
    mixing = np.linalg.inv(CUBE.unmixing)
    power = (CUBE.marginals.weights * CUBE.marginals.variances).sum(axis=1)
    products = c[:, :, None] * c[:, None]
    error = products.std(axis=0) / np.sqrt(len(c))
    assert (abs(products.mean(axis=0) - mixing * power @ mixing.T) < 4 * error).all()


def test_posterior_mean_is_the_sum_over_all_scales():
    noisy = np.repeat(CUBE.sample(5, rng=4), 300, axis=0)  # chains of 300 for each patch
    found = CUBE.denoise(noisy, 0.5, "mean").reshape(5, 300, 4)
    _, expected = scales_summed(CUBE, noisy[::300], 0.5)
    error = found.std(axis=1) / np.sqrt(300)
    assert error.max() < 0.01
    assert (abs(found.mean(axis=1) - expected) < 4 * error + 1e-3).all()
    np.testing.assert_array_equal(CUBE.denoise(noisy, 0.5, "mean").reshape(5, 300, 4), found)


def test_map_is_the_highest_point_of_the_posterior():
    sigma, noisy = 0.4, PLANE.sample(20, rng=5)
    found = PLANE.denoise(noisy, sigma)

    def objective(patches, y):
        return PLANE.log_prob(patches) - ((patches - y) ** 2).sum(axis=1) / (2 * sigma**2)

    line = np.linspace(-1.5, 1.5, 61)
    around = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) @ PLANE.basis.T
    best = [objective(y + around, y).max() for y in noisy]
    reached = objective(found, noisy)
    # Ends in one of several maxima, the highest one for nearly all patches; 0.01 sigma is where
    # EM stops, 0.05 the grid's step.
    assert (reached > np.array(best) - 5e-3).mean() >= 0.9
    slope = sigma * PLANE.score(found) - (found - noisy) @ PLANE.basis @ PLANE.basis.T / sigma
    assert abs(slope).max() < 0.1  # per sigma; the noise's own part is of order 1


def test_fit_finds_the_model_that_drew_the_data():
    rng = np.random.default_rng(6)
    truth = ICA(
        (2, 3),
        unmixing=rng.standard_normal((5, 5)) + 2 * np.eye(5),
        weights=np.tile([0.6, 0.3, 0.1], (5, 1)),
        variances=rng.uniform(0.5, 2, (5, 1)) * [0.02, 0.5, 8.0],
    )
    patches = truth.sample(20000, rng=7)
    found = ICA.fit(patches, patch_shape=(2, 3), n_scales=4, steps=200, batch=2000)
    # 59 parameters fitted to 20000 patches lose 59 / 2n = 0.0015 nats on others; the steps' noise
    # loses as much again.
    fresh = truth.sample(20000, rng=8)
    loss = truth.log_prob(fresh) - found.log_prob(fresh)
    assert abs(loss.mean()) < 4 * loss.std() / np.sqrt(len(loss)) + 5e-3
    cosines = abs(unit(found.unmixing) @ unit(truth.unmixing).T)
    assert sorted(cosines.argmax(axis=1)) == [0, 1, 2, 3, 4]
    assert cosines.max(axis=1).min() > 0.999


def test_fit_repeats():
    patches = PLANE.sample(300, rng=9)
    first, again, other = (
        ICA.fit(patches, patch_shape=(1, 3), seed=seed, n_scales=2, steps=5, batch=100).unmixing
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(other, first)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_wrong_arguments_are_refused():
    arrays = {"weights": [[1.0]] * 2, "variances": [[1.0]] * 2}
    with pytest.raises(ValueError, match="unmixing must be invertible"):
        ICA((1, 3), unmixing=np.ones((2, 2)), **arrays)
    with pytest.raises(ValueError, match=r"unmixing must have shape \(2, 2\)"):
        ICA((1, 3), unmixing=np.eye(3), **arrays)
    with pytest.raises(ValueError, match="steps and batch must be at least 1"):
        ICA.fit(PLANE.sample(10, rng=0), patch_shape=(1, 3), steps=0)
    with pytest.raises(ValueError, match="must span all mean-free patches"):
        ICA.fit(np.eye(4)[:2], patch_shape=(2, 2))
