"""Independent pixels, Gaussian, PCA: densities, samples, estimates and fits on known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from fastepll.priors import PCA, Gaussian, IndependentPixels

ROTATION = np.linalg.qr(np.random.default_rng(5).standard_normal((2, 2)))[0]
PIXELS = {"weights": [0.6, 0.3, 0.1], "variances": [0.02, 0.5, 4.0]}
PRIORS = {
    "independent-pixels": IndependentPixels((1, 3), **PIXELS),
    "gaussian": Gaussian((1, 3), covariance=[[2.0, 0.6], [0.6, 0.5]]),
    "laplace": PCA((1, 3), axes=ROTATION, scales=[0.8, 0.3]),
    "scale-mixture": PCA(
        (1, 3), axes=ROTATION, weights=[[0.7, 0.3]] * 2, variances=[[0.1, 3.0], [0.5, 1.0]]
    ),
}
every = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)


def on_a_grid(prior, half=14.0, n=701):
    """Patches on a grid of the plane of coordinates, their densities, and the area of a cell."""
    line = np.linspace(-half, half, n)
    c = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return c @ prior.basis.T, np.exp(prior.log_prob(c @ prior.basis.T)), (line[1] - line[0]) ** 2


@every
def test_densities_integrate_to_one(prior):
    _, density, cell = on_a_grid(prior)
    # 1e-5 where the density is smooth on the cell of 0.04; the Laplace density has ridges
    assert density.sum() * cell == pytest.approx(
        1, abs=2e-3 if prior is PRIORS["laplace"] else 1e-5
    )


@every
def test_score_is_the_gradient(prior):
    patches = prior.sample(6, rng=2)
    step = 1e-6
    slopes = [
        (prior.log_prob(patches + step * way) - prior.log_prob(patches - step * way)) / (2 * step)
        for way in prior.basis.T
    ]
    np.testing.assert_allclose(
        prior.score(patches) @ prior.basis, np.transpose(slopes), rtol=1e-6, atol=1e-6
    )


@every
def test_samples_follow_the_density(prior):
    drawn = prior.sample(20000, rng=0)
    assert abs(drawn.mean(axis=1)).max() < 1e-12
    patches, density, cell = on_a_grid(prior)
    for test in (
        lambda x: abs(x[:, 0]) < 0.3,
        lambda x: (x**2).sum(axis=1) < 1,
        lambda x: x[:, 1] > 1,
    ):
        share = (density * test(patches)).sum() * cell
        error = np.sqrt(share * (1 - share) / len(drawn))
        assert abs(test(drawn).mean() - share) < 4 * error + 0.003  # 0.003: the grid's edges


@pytest.mark.parametrize("name", ["gaussian", "laplace", "scale-mixture"])
def test_posterior_mean_is_the_integral(name):
    prior, sigma = PRIORS[name], 0.7
    patches, density, _ = on_a_grid(prior)
    noisy = prior.sample(3, rng=1) + 0.5 * prior.basis.sum(axis=1)
    found = prior.denoise(noisy, sigma, "mean")
    for y, estimate in zip(noisy, found, strict=True):
        mass = density * np.exp(-((patches - y) ** 2).sum(axis=1) / (2 * sigma**2))
        np.testing.assert_allclose(estimate, mass @ patches / mass.sum(), atol=2e-3)


def test_normaliser_of_independent_pixels():
    gaussian = IndependentPixels((2, 3), weights=[1.0], variances=[0.3])
    patches = gaussian.sample(5, rng=0)
    expected = -0.5 * (patches**2).sum(axis=1) / 0.3 - 2.5 * np.log(2 * np.pi * 0.3)
    np.testing.assert_allclose(gaussian.log_prob(patches), expected, rtol=1e-12)

    prior = PRIORS["independent-pixels"]
    at_zero = quad(
        lambda t: (np.exp(-(t**2) * np.array(PIXELS["variances"]) / 6) @ PIXELS["weights"]) ** 3,
        0, 60, epsabs=1e-13, limit=200,
    )[0] / np.pi  # fmt: skip
    joint = prior.marginals.log_prob(np.zeros((1, 3))).sum()
    assert prior.log_prob(np.zeros((1, 3)))[0] == pytest.approx(joint - np.log(at_zero), abs=1e-10)


def test_independent_pixels_ignore_the_coupling_when_they_denoise():
    prior, noisy = PRIORS["independent-pixels"], np.array([[1.0, 0.5, -1.5]])
    for estimator in ("map", "mean"):
        pixels = prior.marginals.denoise(noisy, 0.09, estimator)
        found = prior.denoise(noisy, 0.3, estimator)
        np.testing.assert_allclose(found, pixels - pixels.mean(), atol=1e-14)


def test_pca_with_gaussian_marginals_is_the_gaussian():
    patches = PRIORS["scale-mixture"].sample(3000, rng=3)
    gaussian = Gaussian.fit(patches, patch_shape=(1, 3))
    pca = PCA.fit(patches, patch_shape=(1, 3), marginals="gaussian")
    expected = gaussian.log_prob(patches)
    np.testing.assert_allclose(pca.log_prob(patches), expected, rtol=0, atol=1e-9)
    for prior in (gaussian, pca):
        assert prior.mixture.k == 1
        np.testing.assert_allclose(prior.mixture.log_prob(patches), expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            prior.mixture.denoise(patches, 0.4), pca.denoise(patches, 0.4), atol=1e-12
        )
    assert PRIORS["laplace"].mixture is None


def test_gaussian_fit_is_the_second_moment():
    patches = PRIORS["gaussian"].sample(50000, rng=4)
    found = Gaussian.fit(patches + 0.3, patch_shape=(1, 3)).covariance  # means have no part
    truth = PRIORS["gaussian"].covariance
    error = np.sqrt((np.outer(np.diag(truth), np.diag(truth)) + truth**2) / 50000)
    assert (abs(found - truth) < 4 * error).all()


@pytest.mark.parametrize("form", ["laplace", "scale-mixture"])
def test_pca_fit_finds_axes_and_likelihood(form):
    truth = PRIORS[form]
    patches = truth.sample(50000, rng=6)
    found = PCA.fit(patches, patch_shape=(1, 3), marginals=form, n_scales=4)
    assert abs(abs(np.diag(found.axes.T @ truth.axes)) - 1).max() < 1e-3
    fresh = truth.sample(50000, rng=7)
    loss = truth.log_prob(fresh) - found.log_prob(fresh)
    # Ten or so parameters cost 10 / 2n = 1e-4 on average; heavier errors would show.
    assert abs(loss.mean()) < 4 * loss.std() / np.sqrt(len(loss)) + 3e-4


def test_independent_pixels_fit_finds_the_density_of_many_pixels():
    truth = IndependentPixels((6, 6), **PIXELS)
    patches = truth.sample(4000, rng=8)
    found = IndependentPixels.fit(patches, patch_shape=(6, 6), n_scales=4)
    fresh = truth.sample(4000, rng=9)
    loss = truth.log_prob(fresh) - found.log_prob(fresh)
    # Each pixel is fitted after the mean is gone, which blurs it by variance / 36: measured
    # 0.04 nats of a patch.
    assert -4 * loss.std() / np.sqrt(len(loss)) < loss.mean() < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian((1, 3), covariance=np.eye(3)), r"covariance must have shape \(2, 2\)"),
        (lambda: Gaussian((1, 3), covariance=[[1, 0.5], [0, 1]]), "covariance must be symmetric"),
        (lambda: Gaussian((1, 3), covariance=[[1, 2], [2, 1]]), "positive definite, got .* -1"),
        (lambda: Gaussian((1, 3), covariance=[[1, np.nan], [0, 1]]), "covariance must be finite"),
        (lambda: PCA((1, 3), axes=np.ones((2, 2)), scales=[1, 1]), "axes must be orthonormal"),
        (lambda: PCA((1, 3), axes=np.eye(2)), "arrays must be those of one form"),
        (lambda: IndependentPixels((1, 3), weights=[0.5], variances=[1, 2]), "weights must have"),
        (lambda: IndependentPixels((1, 3), weights=[1.0], variances=[0.0]), "variances must be po"),
    ],
)
def test_wrong_arrays_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
