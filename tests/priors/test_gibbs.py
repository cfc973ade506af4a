"""The Gibbs sampler of linear scale-mixture models, against sums over all scales."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastepll.priors._inference.gibbs import (
    LinearModel,
    draw_variances,
    gibbs_mean,
    gibbs_sweeps,
    posterior_mode,
)
from fastepll.priors._marginals import ScaleMixtureMarginals


def exact_mean(y, variance, model):
    """Posterior mean of A s: the model is a finite mixture over all combinations of scales."""
    dictionary, variances, weights = model
    q, m = dictionary.shape
    total, mean = 0.0, np.zeros(q)
    for scales in itertools.product(range(variances.shape[1]), repeat=m):
        index = (np.arange(m), list(scales))
        signal = dictionary * variances[index] @ dictionary.T
        noisy = signal + variance * np.eye(q)
        solved = np.linalg.solve(noisy, y)
        mass = np.prod(weights[index]) * np.exp(-0.5 * y @ solved) / np.sqrt(np.linalg.det(noisy))
        total, mean = total + mass, mean + mass * signal @ solved
    return mean / total


def draw_model(q, m, seed):
    rng = np.random.default_rng(seed)
    variances = np.tile([0.05, 0.6, 4.0], (m, 1)) * rng.uniform(0.5, 2, (m, 1))
    return LinearModel(rng.standard_normal((q, m)), variances, rng.dirichlet([4, 2, 1], m))


@pytest.mark.parametrize(("q", "m"), [(2, 2), (2, 4), (3, 2)])
def test_mean_is_that_of_the_sum_over_all_scales(q, m):
    model = draw_model(q, m, seed=q + m)
    y = 1.5 * np.random.default_rng(9).standard_normal((4, q))
    expected = [exact_mean(row, 0.5, model) for row in y]
    chains = 400  # independent chains of each row, for an error bar without autocorrelation
    runs = gibbs_mean(
        np.repeat(y, chains, axis=0),
        0.5,
        model,
        np.random.default_rng(0),
        sweeps=20,
        burn_in=20,
    ).reshape(4, chains, q)
    error = runs.std(axis=1) / np.sqrt(chains)
    assert error.max() < 0.02
    assert (abs(runs.mean(axis=1) - expected) < 4 * error + 1e-3).all()


def test_draws_have_the_posterior_mean_too():
    model = draw_model(2, 3, seed=1)
    y = np.array([1.0, -2.0])
    rows = np.tile(y, (3000, 1))
    chain = gibbs_sweeps(rows, 0.5, model, np.random.default_rng(3))
    s = [next(chain)[1] for _ in range(15)][-1]
    drawn = s @ model.dictionary.T
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    expected = exact_mean(y, 0.5, model)
    assert (abs(drawn.mean(axis=0) - expected) < 4 * error).all()


def test_scales_are_drawn_with_their_posterior_probability():
    variances, weights = np.array([[0.1, 1.0, 10.0]]), np.array([[0.5, 0.5, 0.0]])
    drawn = draw_variances(np.full((40000, 1), 0.6), variances, weights, np.random.default_rng(0))
    mass = weights * np.exp(-0.18 / variances) / np.sqrt(variances)
    probability = (mass / mass.sum())[0, 0]
    error = np.sqrt(probability * (1 - probability) / 40000)
    assert abs((drawn == 0.1).mean() - probability) < 4 * error
    assert not (drawn == 10.0).any()


def test_em_finds_a_mode():
    model, variance = draw_model(2, 2, seed=5), 0.5
    y = 1.5 * np.random.default_rng(6).standard_normal((30, 2))
    marginals = ScaleMixtureMarginals(model.weights, model.variances)
    unmixing = np.linalg.inv(model.dictionary)

    def height(x):
        prior = marginals.log_prob(x @ unmixing.T).sum(axis=1)
        return prior - ((x - y) ** 2).sum(axis=1) / (2 * variance)

    steps = [posterior_mode(y, variance, model, iterations=i, tolerance=0) for i in (1, 3, 9, 500)]
    assert (np.diff([height(x) for x in steps], axis=0) > -1e-9).all()
    slope = marginals.score(steps[-1] @ unmixing.T) @ unmixing - (steps[-1] - y) / variance
    assert abs(slope).max() < 1e-6
    # EM stops at steps of 0.01 deviations; here it is slow by a factor of ten at most.
    stopped = posterior_mode(y, variance, model, iterations=500)
    assert abs(stopped - steps[-1]).max() < 0.1 * np.sqrt(variance)


def test_one_scale_gives_wieners_estimate():
    dictionary, variances, _ = draw_model(2, 4, seed=5)
    model = LinearModel(dictionary, variances[:, :1], np.ones((4, 1)))
    y = np.random.default_rng(6).standard_normal((3, 2))
    signal = dictionary * variances[:, 0] @ dictionary.T
    expected = np.linalg.solve(signal + 0.5 * np.eye(2), y.T).T @ signal
    np.testing.assert_allclose(posterior_mode(y, 0.5, model), expected, rtol=1e-10)
    found = gibbs_mean(y, 0.5, model, np.random.default_rng(0), sweeps=2, burn_in=0)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
