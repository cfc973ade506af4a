"""Marginal likelihoods against that of probabilistic PCA, which is known."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import ProbabilisticPCA
from fastepll.generative.latent.marginal import annealed, from_encoder, from_prior
from fastepll.models.gaussians import Gaussians

RNG = np.random.default_rng(0)


def pca(k, variance=0.5):
    factors = np.random.default_rng(k).standard_normal((6, k))
    return ProbabilisticPCA((6,), mean=np.zeros(6), factors=factors, variance=variance)


def wide(model):
    """The posterior, of twice the width."""

    def encoder(x):
        mean, root = model.encode(x)
        return Gaussians(mean, 2 * root)

    return encoder


ESTIMATES = {
    "prior": lambda model, x: from_prior(model, x, 1, n_samples=3000),
    "encoder": lambda model, x: from_encoder(model, x, 1, n_samples=300, encoder=wide(model)),
    "annealed": lambda model, x: annealed(model, x, 1, n_chains=20, n_steps=60),
}


@pytest.mark.parametrize("name", ESTIMATES)
def test_is_the_exact_one_within_its_error(name):
    model = pca(2)
    x = model.sample(100, rng=2)
    found, exact = ESTIMATES[name](model, x), model.log_prob(x)
    z = (found.values - exact) / found.errors
    assert 0 < found.errors.mean() < 0.2
    assert np.abs(z).mean() < 1.2  # of a normal it is 0.8
    assert abs(found.mean - exact.mean()) < 3 * found.mean_error + 0.01


def test_annealing_is_the_referee_where_draws_from_the_prior_fail():
    model = pca(5, variance=0.01)
    x = model.sample(20, rng=3)
    exact = model.log_prob(x)
    naive = from_prior(model, x, 1, n_samples=500)
    referee = annealed(model, x, 1, n_chains=20, n_steps=200)
    assert naive.mean < exact.mean() - 5
    assert abs(referee.mean - exact.mean()) < 3 * referee.mean_error + 0.02
    assert referee.mean_error < 0.1


def test_from_a_good_encoder_few_steps_do():
    model = pca(3)
    x = model.sample(5, rng=4)
    found = annealed(model, x, 1, n_chains=4, n_steps=3, start="encoder")
    np.testing.assert_allclose(found.values, model.log_prob(x), rtol=1e-9)
    found = from_encoder(model, x, 1, n_samples=3)
    np.testing.assert_allclose(found.values, model.log_prob(x), rtol=1e-10)
    assert found.told == "importance-weighted bound, 3 samples"


def test_no_data_and_nonsense():
    model = pca(2)
    assert len(from_prior(model, np.empty((0, 6)), 0)) == 0
    with pytest.raises(ValueError, match="start must be one of"):
        annealed(model, np.zeros((1, 6)), 0, start="nowhere")
    with pytest.raises(ValueError, match="n_samples must be at least 2"):
        from_prior(model, np.zeros((1, 6)), 0, n_samples=1)
    with pytest.raises(TypeError, match="a lower bound of log p"):
        np.asarray(from_prior(model, np.zeros((1, 6)), 0))
