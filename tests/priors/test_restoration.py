"""Any prior as ``model=``: the generic path against the mixture's own, and its errors."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import Settings
from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture
from fastepll.operators import Diagonal, Mask

SIGMA = 0.1
SETTINGS = Settings.from_betas([1, 4], stride=2, window_decay=1.0)


class Wrapped:
    """The mixture, without saying so."""

    def __init__(self, mixture):
        self.patch_shape, self._mixture = mixture.patch_shape, mixture

    def denoise(self, patches, sigma, estimator="map"):
        return self._mixture.denoise(patches, sigma, estimator)

    def log_prob(self, patches):
        return self._mixture.log_prob(patches)


class Density:
    """A Gaussian by its log density and score alone."""

    patch_shape = (4, 4)

    def __init__(self, covariance):
        self._precision = np.linalg.pinv(covariance)

    def log_prob(self, patches):
        return -0.5 * np.einsum("ni,ij,nj->n", patches, self._precision, patches)

    def score(self, patches):
        return -patches @ self._precision + 3.0  # what lies along the mean has no part


@pytest.fixture
def mixture():
    rng, basis = np.random.default_rng(4), dct_basis((4, 4))
    factors = 0.3 * basis @ (rng.standard_normal((3, 15, 15)) / np.arange(1, 16))
    factors *= np.array([0.2, 1, 3])[:, None, None]
    return GaussianMixture.from_covariances(
        [0.5, 0.3, 0.2], factors @ factors.transpose(0, 2, 1), (4, 4)
    )


@pytest.fixture
def image():
    return 0.5 + 0.2 * np.random.default_rng(1).standard_normal((19, 23))


@pytest.mark.parametrize("estimator", ["map", "top_mean"])
@pytest.mark.parametrize("channels", [0, 3])
def test_denoise_like_the_mixture(mixture, image, estimator, channels):
    """The same pass, computed by other means.

    The mean of the backends leaves out components 7 nats below the best, 0.1 % of the weight.
    """
    if channels:
        image = np.stack([image, image.T[:19, :19].repeat(2, 1)[:, :23], 1 - image], axis=-1)
    options = dict(
        quality=Settings.from_betas([1, 4], stride=2, window_decay=1.0, estimator=estimator),
        channel_axis=-1 if channels else None,
        backend="reference",
    )
    wanted = fastepll.denoise(image, SIGMA, model=mixture, **options)
    got = fastepll.denoise(image, SIGMA, model=Wrapped(mixture), **options)
    atol = 1e-12 if estimator == "map" else 2e-3 * SIGMA
    np.testing.assert_allclose(got, wanted, atol=atol)


@pytest.mark.parametrize("quality", ["exact", "balanced", "preview"])
def test_quality_levels(mixture, image, quality):
    """Their grids and schedules hold, the cascade of components does not."""
    settings = fastepll.solver.denoise_schedule.settings_for(quality, SIGMA, (4, 4))
    everything = {
        name: getattr(settings, name) for name in ("noise", "blend", "stride", "window_decay")
    }
    exact = Settings(**everything, coarse=settings.coarse, rank_tolerance=0.0)
    wanted = fastepll.denoise(image, SIGMA, model=mixture, quality=exact, backend="reference")
    got = fastepll.denoise(
        image, SIGMA, model=Wrapped(mixture), quality=quality, backend="reference"
    )
    np.testing.assert_allclose(got, wanted, atol=1e-12)


@pytest.mark.parametrize("operator", [Mask, Diagonal])
def test_restore_like_the_mixture(mixture, image, operator):
    weights = np.random.default_rng(2).random(image.shape)
    a = operator(weights > 0.3 if operator is Mask else weights + 0.2)
    y = a.forward(image)
    options = dict(quality=SETTINGS, backend="reference")
    wanted = fastepll.restore(y, a, SIGMA, model=mixture, **options)
    got = fastepll.restore(y, a, SIGMA, model=Wrapped(mixture), **options)
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_map_by_gradient_like_wiener(mixture, image):
    """One Gaussian: the gradient's MAP is the Wiener filter, to the tolerance of the ascent."""
    one = GaussianMixture([1.0], mixture.eigenvectors[1:2], mixture.eigenvalues[1:2], (4, 4))
    wanted = fastepll.denoise(image, SIGMA, model=one, quality=SETTINGS, backend="reference")
    density = Density(one.covariances[0] + 1e-9 * np.eye(16))
    got = fastepll.denoise(image, SIGMA, model=density, quality=SETTINGS, backend="reference")
    np.testing.assert_allclose(got, wanted, atol=2e-2 * SIGMA)


def test_torch_density(mixture, image):
    torch = pytest.importorskip("torch")
    from fastepll.priors.torch_density import TorchDensity

    density = Density(mixture.covariances[1] + 1e-4 * np.eye(16))
    precision = torch.from_numpy(density._precision)
    prior = TorchDensity(lambda z: -0.5 * ((z @ precision) * z).sum(1), (4, 4))
    options = dict(quality=SETTINGS, backend="reference")
    wanted = fastepll.denoise(image, SIGMA, model=density, **options)
    got = fastepll.denoise(image, SIGMA, model=prior, **options)
    np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_expected_patch_log_likelihood(mixture, image):
    wanted = fastepll.expected_patch_log_likelihood(image, model=mixture, backend="reference")
    got = fastepll.expected_patch_log_likelihood(image, model=Wrapped(mixture))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="sigma must be 0 for a model that is no GaussianMixture"):
        fastepll.expected_patch_log_likelihood(image, model=Wrapped(mixture), sigma=0.1)


def test_sigma_is_estimated_by_the_shipped_mixture(mixture):
    image = np.random.default_rng(5).normal(0.5, 0.1, (64, 64))
    sigma = fastepll.estimate_sigma(image)
    wanted = fastepll.denoise(image, sigma, model=Wrapped(mixture))
    np.testing.assert_array_equal(fastepll.denoise(image, model=Wrapped(mixture)), wanted)
    assert fastepll.estimate_sigma(image, model=Wrapped(mixture)) == sigma


def test_a_prior_that_is_a_mixture_takes_its_path(mixture, image):
    class Same(Wrapped):
        def __init__(self):
            self.mixture = mixture

    wanted = fastepll.denoise(image, SIGMA, model=mixture, quality="fast")
    got = fastepll.denoise(image, SIGMA, model=Same(), quality="fast")
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"denoise": None}, "or log_prob and score"),
        ({"patch_shape": None}, "with patch_shape"),
    ],
)
def test_what_is_no_prior(mixture, image, changes, message):
    broken = Wrapped(mixture)
    for name, value in changes.items():
        setattr(broken, name, value)
    with pytest.raises(TypeError, match=message):
        fastepll.denoise(image, SIGMA, model=broken)


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (lambda patches: patches[:-1], r"denoise of model must give shape \(\d+, 16\)"),
        (lambda patches: patches * np.nan, "denoise of model must be finite"),
        (lambda patches: "none", "denoise of model must"),
    ],
)
def test_bad_estimates(mixture, image, estimate, message):
    class Bad(Wrapped):
        def denoise(self, patches, sigma, estimator="map"):
            return estimate(patches)

    with pytest.raises((TypeError, ValueError), match=message):
        fastepll.denoise(image, SIGMA, model=Bad(mixture))


def test_a_class_is_no_prior(image):
    with pytest.raises(TypeError, match="model must be"):
        fastepll.denoise(image, SIGMA, model=Density)


def test_density_has_no_posterior_mean(mixture, image):
    settings = Settings.from_betas([1], estimator="top_mean")
    with pytest.raises(ValueError, match="estimator 'map' for a model that has no denoise"):
        fastepll.denoise(image, SIGMA, model=Density(np.eye(16)), quality=settings)


def test_file_of_a_prior(image, tmp_path):
    from fastepll.priors import PCA

    prior = PCA((4, 4), axes=np.eye(15), scales=np.linspace(0.3, 0.05, 15))
    path = tmp_path / "prior.npz"
    prior.save(path)
    wanted = fastepll.denoise(image, SIGMA, model=prior, quality=SETTINGS)
    for name in (path, str(path)):
        got = fastepll.denoise(image, SIGMA, model=name, quality=SETTINGS)
        np.testing.assert_array_equal(got, wanted)


def test_file_of_a_prior_with_dask(image, tmp_path):
    da = pytest.importorskip("dask.array")
    import fastepll.dask
    from fastepll.priors import PCA

    prior = PCA((4, 4), axes=np.eye(15), scales=np.linspace(0.3, 0.05, 15))
    prior.save(tmp_path / "prior.npz")
    wanted = fastepll.denoise(image, SIGMA, model=prior, quality=SETTINGS, data_range=1.0)
    got = fastepll.dask.denoise(
        da.from_array(image, chunks=(12, 23)),
        SIGMA,
        model=str(tmp_path / "prior.npz"),
        quality=SETTINGS,
        data_range=1.0,
    )
    np.testing.assert_array_equal(got.compute(), wanted)


def test_score_of_a_prior_without_gradient():
    from fastepll.priors import GeneralisedGaussianMixture

    prior = GeneralisedGaussianMixture(
        (1, 2), weights=[1.0], vectors=[[[1.0]]], variances=[[2.0]], shapes=[[1.0]]
    )
    with pytest.raises(NotImplementedError, match="GeneralisedGaussianMixture has no gradient"):
        prior.score([[0.1, -0.1]])
