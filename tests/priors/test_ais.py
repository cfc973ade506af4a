"""Annealed importance sampling against densities that are known."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.priors.ais import annealed_log_weights, log_mean_exp


def anneal_gaussian(x, noise, n_steps, n_chains, seed):
    """Log weights of x = z + noise of that variance, z ~ N(0, 1), by exact draws at each level."""
    beta = (np.arange(n_steps + 1) / n_steps) ** 2
    x = np.repeat(x, n_chains)

    def log_likelihood(z):
        return -0.5 * (x - z) ** 2 / noise - 0.5 * np.log(2 * np.pi * noise)

    def start(rng):
        z = rng.standard_normal(len(x))
        return z, beta[1] * log_likelihood(z)

    def step(z, t, rng):
        precision = 1 + beta[t] / noise
        old = z - beta[t] * x / noise / precision  # a correlated transition
        z = 0.5 * old + np.sqrt(0.75 / precision) * rng.standard_normal(len(x))
        z += beta[t] * x / noise / precision
        return z, (beta[t + 1] - beta[t]) * log_likelihood(z)

    rng = np.random.default_rng(seed)
    return annealed_log_weights(start, step, n_steps, rng).reshape(-1, n_chains)


def test_estimates_scatter_about_the_truth_as_their_error_says():
    x = np.random.default_rng(0).standard_normal(200) * 1.1
    exact = -0.5 * x**2 / 1.05 - 0.5 * np.log(2 * np.pi * 1.05)
    estimate, error = log_mean_exp(anneal_gaussian(x, 0.05, 100, 20, seed=1))
    z = (estimate - exact) / error
    assert error.mean() < 0.1
    # 200 scores of 20 chains: mean |z| of a normal is 0.80, its error 0.6 / sqrt(200) = 0.04
    assert np.abs(z).mean() == pytest.approx(0.8, abs=0.2)
    mean_error = np.sqrt((error**2).sum()) / len(x)
    assert abs(estimate.mean() - exact.mean()) < 3 * mean_error


def test_mean_weight_is_unbiased_even_with_one_step():
    weights = np.exp(anneal_gaussian(np.array([0.3]), 0.5, 1, 40000, seed=2))
    exact = np.exp(-0.5 * 0.09 / 1.5) / np.sqrt(2 * np.pi * 1.5)
    assert abs(weights.mean() - exact) < 4 * weights.std() / 200


def test_more_steps_have_less_error():
    x = np.full(50, 0.5)
    few = log_mean_exp(anneal_gaussian(x, 0.01, 2, 10, seed=3))[1].mean()
    many = log_mean_exp(anneal_gaussian(x, 0.01, 40, 10, seed=3))[1].mean()
    assert many < 0.5 * few


def test_log_mean_exp_of_equal_and_of_huge_weights():
    estimate, error = log_mean_exp(np.array([[-1000.0, -1000.0, -1000.0], [700.0, 710.0, 720.0]]))
    np.testing.assert_allclose(estimate[0], -1000)
    assert error[0] == 0
    np.testing.assert_allclose(estimate[1], 720 - np.log(3), atol=1e-4)
    # by hand: the mean of log of the sum of the others, over the three
    others = np.array([np.logaddexp(710, 720), np.logaddexp(700, 720), np.logaddexp(700, 710)])
    np.testing.assert_allclose(error[1], np.sqrt(2 / 3 * ((others - others.mean()) ** 2).sum()))
