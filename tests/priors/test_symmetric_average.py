"""Averages over the symmetries of a patch: invariance, normalisation, estimates, files."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.models import GaussianMixture
from fastepll.priors import ICA, PCA, Gaussian, KarklinLewicki, SymmetricAverage, load
from fastepll.priors.symmetric_average import symmetries

from .test_elliptical import plane, planted


def gaussian_mixture(patch_shape, k=3):
    q = int(np.prod(patch_shape)) - 1
    rng, basis = np.random.default_rng(k), Gaussian(patch_shape, covariance=np.eye(q)).basis
    factors = basis @ (rng.standard_normal((k, q, q)) * np.exp(rng.uniform(-1, 1, (k, 1, q))))
    weights = rng.dirichlet(np.ones(k))
    return GaussianMixture.from_covariances(weights, factors @ factors.swapaxes(1, 2), patch_shape)


PRIORS = {
    "gaussian-mixture": gaussian_mixture((2, 2)),
    "student-t-mixture": planted("student-t-mixture", (2, 2)),
    "pca": PCA((2, 2), axes=np.eye(3), scales=[0.5, 1.0, 2.0]),
}


@pytest.fixture(params=PRIORS)
def average(request):
    return SymmetricAverage.average_of(PRIORS[request.param])


def images_of(patches, shape):
    """All mirror images of patches, (8 or 4, n, d)."""
    x = patches.reshape(-1, *shape)
    turned = [x, x.swapaxes(1, 2)] if shape[0] == shape[1] else [x]
    flips = [slice(None), slice(None, None, -1)]
    return np.stack(
        [t[:, a, b].reshape(patches.shape) for t in turned for a in flips for b in flips]
    )


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3, 3)])
def test_density_is_the_average_and_does_not_change(shape):
    prior = gaussian_mixture(shape)
    average = SymmetricAverage.average_of(prior)
    x = prior.sample(6, 0)
    views = images_of(x, shape)
    assert len(views) == len(average.symmetries) == (4 if shape == (2, 3) else 8)
    densities = np.exp([prior.log_prob(view) for view in views])
    assert densities.std(axis=0).min() > 0  # the prior is not symmetric itself
    for view in views:
        np.testing.assert_allclose(
            average.log_prob(view), np.log(densities.mean(axis=0)), rtol=1e-11
        )


def test_symmetries_of_an_edge():
    assert symmetries((2, 3)).tolist() == [
        [0, 1, 2, 3, 4, 5],
        [2, 1, 0, 5, 4, 3],
        [3, 4, 5, 0, 1, 2],
        [5, 4, 3, 2, 1, 0],
    ]


def test_density_is_normalised():
    """In the plane of patches of three pixels, by quadrature."""
    average = SymmetricAverage.average_of(planted("student-t-mixture", (1, 3)))
    grid, area = plane(1.0)
    assert np.exp(average.log_prob(grid @ average.basis.T)) @ area == pytest.approx(1, abs=1e-5)


def test_samples_follow_the_density(average):
    """The mean of p/q over samples of q is 1, where p is another density."""
    x = average.sample(40_000, 1)
    c = x @ average.basis
    ratio = np.exp(-0.5 * (c**2).sum(axis=1) / 0.25 - average.log_prob(x))
    ratio /= (2 * np.pi * 0.25) ** 1.5
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))
    assert ratio.std() < 5
    moments = [view.T @ view / len(x) for view in images_of(x, (2, 2))]
    if "student" not in str(average):  # whose fourth moments are infinite
        np.testing.assert_allclose(np.max(moments, 0), np.min(moments, 0), atol=0.05 * c.var())


def test_score_is_the_gradient(average):
    if isinstance(average.prior, PCA):
        average = SymmetricAverage.average_of(planted("gsm", (2, 2)))
    x, step = average.sample(20, 0), 1e-5 * average.basis.T
    rise = [(average.log_prob(x + s) - average.log_prob(x - s)) / 2e-5 for s in step]
    found = average.score(x) @ average.basis
    np.testing.assert_allclose(found, np.stack(rise, axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimator", ["map", "mean"])
@pytest.mark.parametrize("name", ["gsm-mixture", "gsm"])
def test_estimates_are_those_of_all_mirror_images_in_one_mixture(name, estimator):
    """Of scale mixtures both ways are exact; `mixture` has 8 times the components."""
    prior = planted(name, (2, 2))
    average = SymmetricAverage.average_of(prior)
    noisy = average.sample(50, 0) + 0.3 * np.random.default_rng(1).standard_normal((50, 4))
    noisy -= noisy.mean(axis=1, keepdims=True)
    assert average.mixture.k == 8 * prior.mixture.k
    expected = average.mixture.denoise(noisy, 0.3, estimator)
    np.testing.assert_allclose(average.denoise(noisy, 0.3, estimator), expected, atol=1e-10)
    np.testing.assert_allclose(average.log_prob(noisy), average.mixture.log_prob(noisy), rtol=1e-10)


@pytest.mark.parametrize("estimator", ["map", "mean"])
def test_estimates_of_a_gaussian_mixture(estimator):
    average = SymmetricAverage.average_of(PRIORS["gaussian-mixture"])
    noisy = average.sample(50, 0)
    expected = average.mixture.denoise(noisy, 0.3, estimator)
    np.testing.assert_allclose(average.denoise(noisy, 0.3, estimator), expected, atol=1e-10)


def test_map_by_gradient_of_the_rest():
    average = SymmetricAverage.average_of(
        ICA((1, 2), unmixing=[[2.0]], weights=[[1.0]], variances=[[1.0]])
    )
    found = average.denoise([[1.0, -1.0]], 0.5)  # a Gaussian of variance 1/4
    np.testing.assert_allclose(found, [[0.5, -0.5]], atol=1e-3)
    with pytest.raises(ValueError, match="estimator must be 'map' for SymmetricAverage"):
        average.denoise([[1.0, -1.0]], 0.5, "mean")


def test_too_many_for_one_mixture():
    assert SymmetricAverage.average_of(gaussian_mixture((2, 2), 257)).mixture is None


def test_restores_like_its_mixture():
    average = SymmetricAverage.average_of(gaussian_mixture((4, 4)))
    image = 0.5 + 0.2 * np.random.default_rng(1).standard_normal((19, 23))
    options = {"quality": "preview", "backend": "reference"}
    found = fastepll.denoise(image, 0.1, model=average, **options)
    wanted = fastepll.denoise(image, 0.1, model=average.mixture, **options)
    np.testing.assert_array_equal(found, wanted)
    options["quality"] = fastepll.Settings.from_betas([1, 4])  # on every patch
    found = fastepll.denoise(image, 0.1, model=average, **options)
    turned = fastepll.denoise(image.T, 0.1, model=average, **options).T
    np.testing.assert_allclose(turned, found, atol=1e-9)
    one = fastepll.denoise(image, 0.1, model=average.prior, **options)
    assert abs(one - found).max() > 1e-3


def test_round_trip(average, tmp_path):
    average.save(tmp_path / "average.npz")
    read = load(tmp_path / "average.npz")
    assert type(read.prior) is type(average.prior)
    x = average.sample(5, 0)
    np.testing.assert_array_equal(read.sample(5, 0), x)
    np.testing.assert_array_equal(read.log_prob(x), average.log_prob(x))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "arrays must be those of one prior, got"),
        ({"covariance": np.eye(3)}, "arrays must be those of one prior"),
        ({"lattice__covariance": np.eye(3)}, "arrays must be those of one prior"),
        ({"symmetric_average__gaussian__covariance": np.eye(3)}, "those of one prior"),
        ({"gaussian__covariance": np.eye(3), "pca__axes": np.eye(3)}, "those of one prior"),
        ({"gaussian__covariance": np.eye(4)}, r"covariance must have shape \(3, 3\)"),
        ({"gaussian__covariance": -np.eye(3)}, "covariance must be positive definite"),
        (
            {
                "gaussian_mixture__weights": [1.0],
                "gaussian_mixture__eigenvectors": [np.eye(4)],
                "gaussian_mixture__eigenvalues": [np.ones(4)],
            },
            "no variance along the mean",
        ),
    ],
)
def test_what_makes_no_average(arrays, message):
    with pytest.raises(ValueError, match=message):
        SymmetricAverage((2, 2), **arrays)


def test_what_is_no_prior():
    with pytest.raises(TypeError, match="prior must be a GaussianMixture or a Prior, got str"):
        SymmetricAverage.average_of("gray-8x8-200")
    annealed = KarklinLewicki(
        (2, 2),
        whitening=np.eye(3),
        vectors=np.eye(3),
        weights=np.ones((1, 3)),
        offset=np.zeros(3),
    )
    with pytest.raises(ValueError, match="must have an exact density, KarklinLewicki has not"):
        SymmetricAverage.average_of(annealed)
    with pytest.raises(ValueError, match="arrays must be those of one prior"):
        SymmetricAverage.average_of(SymmetricAverage.average_of(PRIORS["pca"]))


def test_fit():
    x = PRIORS["student-t-mixture"].sample(500, 0)
    average = SymmetricAverage.fit(x, patch_shape=(2, 2), kind="gaussian")
    assert isinstance(average.prior, Gaussian)
    np.testing.assert_allclose(
        average.prior.covariance, Gaussian.fit(x, patch_shape=(2, 2)).covariance
    )
    with pytest.raises(ValueError, match="kind must be one of"):
        SymmetricAverage.fit(x, patch_shape=(2, 2), kind="lattice")
