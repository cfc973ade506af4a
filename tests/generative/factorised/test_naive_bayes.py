"""Naive Bayes: Bayes' rule, with words missing, and samples of a class."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastepll.generative import NaiveBayes

PRIOR = np.array([0.2, 0.5, 0.3])
P = np.random.default_rng(0).uniform(0.05, 0.95, (3, 4))
MODEL = NaiveBayes((2, 2), prior=PRIOR, probabilities=P)
EVERY = np.array(list(itertools.product((0, 1), repeat=4)))
JOINT = PRIOR * np.where(EVERY[:, None, :], P, 1 - P).prod(2)


def test_probabilities_of_data_and_classes():
    np.testing.assert_allclose(np.exp(MODEL.log_joint(EVERY)), JOINT, rtol=1e-13)
    np.testing.assert_allclose(np.exp(MODEL.log_prob(EVERY)), JOINT.sum(1), rtol=1e-13)
    np.testing.assert_allclose(
        MODEL.represent(EVERY), JOINT / JOINT.sum(1, keepdims=True), rtol=1e-13
    )
    assert MODEL.n_parameters == 2 + 12


def test_missing_variables_are_summed_out():
    known = np.array([True, False, True, False])
    expected = np.stack([JOINT[(EVERY[:, known] == x[known]).all(1)].sum(0) for x in EVERY])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(MODEL.posterior(EVERY, known), expected, rtol=1e-13)
    np.testing.assert_allclose(
        MODEL.posterior(EVERY, np.tile(known.reshape(2, 2), (16, 1, 1))), expected, rtol=1e-13
    )
    holes = np.where(known, EVERY, np.nan)
    np.testing.assert_allclose(MODEL.posterior(holes), expected, rtol=1e-13)
    np.testing.assert_allclose(MODEL.posterior(EVERY, ~known | known), MODEL.represent(EVERY))
    np.testing.assert_allclose(MODEL.posterior(np.full((1, 4), np.nan))[0], PRIOR)


def test_samples_of_a_class():
    x = MODEL.sample_of(2, 20_000, rng=0)
    np.testing.assert_allclose(x.mean(0), P[2], atol=5 * 0.5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(x.T), np.diag(P[2] * (1 - P[2])), atol=0.01)


def test_fit_counts():
    x, labels = np.array([[1, 0], [1, 1], [0, 0]]), np.array([True, True, False])
    model = NaiveBayes.fit(x, labels)
    np.testing.assert_allclose(model.prior, [2 / 5, 3 / 5])
    np.testing.assert_allclose(model.probabilities, [[1 / 3, 1 / 3], [3 / 4, 2 / 4]])


def test_what_no_class_makes_has_probability_zero():
    model = NaiveBayes.fit(np.eye(2), [0, 1], smoothing=0.0)
    assert model.log_prob([[1, 1]])[0] == -np.inf
    np.testing.assert_array_equal(model.posterior(np.eye(2)), np.eye(2))
    with pytest.raises(ValueError, match="x has probability 0 where it is known"):
        model.posterior([[1, 1]])


def test_agrees_with_scikit_learn():
    learn = pytest.importorskip("sklearn.naive_bayes")
    x = MODEL.sample(200, rng=1)
    labels = np.arange(200) % 3
    other = learn.BernoulliNB(alpha=0.5, class_prior=(200 * PRIOR + 0.5) / 201.5)
    other.fit(x, labels)
    model = NaiveBayes.fit(x, labels, smoothing=0.5)
    own = NaiveBayes((4,), prior=(200 * PRIOR + 0.5) / 201.5, probabilities=model.probabilities)
    np.testing.assert_allclose(own.posterior(EVERY), other.predict_proba(EVERY), rtol=1e-10)
