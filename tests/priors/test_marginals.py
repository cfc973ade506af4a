"""One-dimensional densities and estimates, against numerical integration; their fits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from fastepll.priors._inference.em import fit_marginals, fit_scale_mixture
from fastepll.priors._marginals import (
    GaussianMarginals,
    LaplaceMarginals,
    ScaleMixtureMarginals,
    make_marginals,
)

FORMS = {
    "gaussian": GaussianMarginals(np.array([0.7, 2.0])),
    "laplace": LaplaceMarginals(np.array([0.4, 1.5])),
    "scale-mixture": ScaleMixtureMarginals(
        np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]]), np.array([[0.01, 1.0, 9.0], [0.1, 2.0, 1.0]])
    ),
}
forms = pytest.mark.parametrize("marginals", FORMS.values(), ids=FORMS)


def integrate(function):
    """Over the line; the tails beyond 60 hold less than 1e-16 of every density here."""
    return sum(
        quad(function, *part, limit=400, epsabs=1e-13, epsrel=1e-11)[0]
        for part in [(-60, -2), (-2, -0.1), (-0.1, 0), (0, 0.1), (0.1, 2), (2, 60)]
    )


def density(marginals, j):
    return lambda x: np.exp(marginals.log_prob(np.full((1, 2), x))[0, j])


@forms
@pytest.mark.parametrize("j", [0, 1])
def test_densities_integrate_to_one(marginals, j):
    assert integrate(density(marginals, j)) == pytest.approx(1, abs=1e-9)


@forms
def test_score_is_the_derivative_of_the_log_density(marginals):
    x, step = np.linspace(-3, 3, 14).reshape(7, 2), 1e-6
    slope = (marginals.log_prob(x + step) - marginals.log_prob(x - step)) / (2 * step)
    np.testing.assert_allclose(marginals.score(x), slope, rtol=1e-6, atol=1e-8)


@forms
@pytest.mark.parametrize("v", [0.05, 2.0])
def test_posterior_mean_is_the_integral(marginals, v):
    y = np.array([[-3.0, 0.3], [0.05, 4.0]])
    found = marginals.denoise(y, v, "mean")
    for i, j in np.ndindex(y.shape):
        prior = density(marginals, j)

        def joint(x, power, prior=prior, seen=y[i, j]):
            return x**power * prior(x) * np.exp(-((seen - x) ** 2) / (2 * v))

        expected = integrate(lambda x: joint(x, 1)) / integrate(lambda x: joint(x, 0))
        assert found[i, j] == pytest.approx(expected, abs=1e-8)


def test_laplace_mean_far_out_and_at_tiny_scales():
    marginals = LaplaceMarginals(np.array([1.0, 1e-4]))
    found = marginals.denoise(np.array([[80.0, 0.1], [-80.0, -0.1]]), 0.04, "mean")
    assert found[:, 0] == pytest.approx([79.96, -79.96], abs=1e-12)  # |y| - v/b
    # v/b is 2000 deviations of the noise: the prior decides, and adds y/v to its slopes
    assert found[:, 1] == pytest.approx([5e-8, -5e-8], rel=1e-4)


def test_map_estimates_by_hand():
    y = np.array([[1.0, -3.0]])
    soft = FORMS["laplace"].denoise(y, 0.5, "map")
    np.testing.assert_allclose(soft, [[0.0, -3 + 0.5 / 1.5]], atol=1e-15)
    chosen = FORMS["scale-mixture"].denoise(np.array([[0.1, 5.0]]), 0.04, "map")
    np.testing.assert_allclose(chosen, [[0.1 * 0.01 / 0.05, 5 * 2 / 2.04]], rtol=1e-12)


@forms
def test_samples_follow_the_density(marginals):
    drawn = marginals.sample(20000, np.random.default_rng(0))
    for j in range(2):
        for bound in (0.2, 1.0, 2.5):
            inside = 2 * quad(density(marginals, j), 0, bound, points=[min(0.1, bound)])[0]
            error = np.sqrt(inside * (1 - inside) / len(drawn))
            assert abs((abs(drawn[:, j]) < bound).mean() - inside) < 4 * error


def test_em_finds_the_scale_mixture_that_drew_the_data():
    truth = FORMS["scale-mixture"]
    x = truth.sample(40000, np.random.default_rng(1))
    found = fit_scale_mixture(x, n_scales=4, iterations=200)
    gain = (found.log_prob(x) - truth.log_prob(x)).mean(axis=0)
    # Maximum likelihood: never below the truth by more than EM's slow end, and above it by about
    # (parameters - 1) / 2n = 1e-4.
    assert (gain > -1e-4).all()
    assert (gain < 5e-4).all()


def test_histogram_loses_nothing_that_matters():
    x = FORMS["scale-mixture"].sample(5000, np.random.default_rng(2))
    found = fit_scale_mixture(x, n_scales=3, iterations=30)
    weights, variances = (
        np.full((2, 3), 1 / 3),
        (x**2).mean(axis=0)[:, None] * np.logspace(-4, 1.5, 3),
    )
    for _ in range(30):  # EM on the values themselves
        mass = weights * np.exp(-0.5 * x[:, :, None] ** 2 / variances) / np.sqrt(variances)
        mass /= mass.sum(axis=2, keepdims=True)
        weights = mass.mean(axis=0)
        variances = (mass * x[:, :, None] ** 2).sum(axis=0) / mass.sum(axis=0)
    np.testing.assert_allclose(found.weights, weights, atol=1e-4)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-3)


def test_closed_fits():
    x = np.array([[1.0, -2.0], [3.0, 0.0]])
    np.testing.assert_array_equal(fit_marginals(x, "gaussian").variances, [5, 2])
    np.testing.assert_array_equal(fit_marginals(x, "laplace").scales, [2, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "variances, or scales, or variances and weights"),
        ({"scales": [1, 1], "weights": [[1], [1]]}, "variances, or scales"),
        ({"variances": [1, 0]}, "variances must be positive"),
        ({"scales": [1, -1]}, "scales must be positive"),
        ({"scales": [1, 1, 1]}, r"scales must have shape \(2,\), got \(3,\)"),
        (
            {"variances": [[1, 2]] * 2, "weights": [[0.5, 0.4]] * 2},
            "weights must be >= 0 with rows",
        ),
        ({"variances": [[1, 2]] * 2, "weights": [[1.5, -0.5]] * 2}, "weights must be >= 0"),
        ({"variances": [[1, 2]] * 2, "weights": [[1.0]] * 2}, "weights must have shape"),
        ({"variances": [np.nan, 1]}, "variances must be finite"),
    ],
)
def test_wrong_arrays_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        make_marginals(2, **{name: np.array(value) for name, value in arrays.items()})


def test_wrong_fits_are_refused():
    x = np.ones((4, 2))
    with pytest.raises(ValueError, match="marginals must be one of"):
        fit_marginals(x, "student")
    with pytest.raises(ValueError, match="n_scales must be at least 1"):
        fit_scale_mixture(x, n_scales=0)
    with pytest.raises(ValueError, match="vary along every coordinate"):
        fit_scale_mixture(x * [1, 0])
