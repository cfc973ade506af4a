"""Karklin & Lewicki's model where densities and estimates follow from sums over its latents."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from fastepll.priors import KarklinLewicki, _log_covariance, load


def tiny(latents=2, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((3, 4))
    return KarklinLewicki(
        (2, 2),
        whitening=np.diag([1.0, 2.0, 3.0]) + 0.1,
        vectors=vectors / np.linalg.norm(vectors, axis=0),
        weights=rng.standard_normal((latents, 4)),
        offset=np.linspace(-0.3, 0.2, 4),
    )


def grid(latents, step=0.1, end=12.0):
    """Points of y and log weights, which sum to 1, for sums against the Laplace density."""
    axis = np.arange(-end, end + step / 2, step)
    y = np.stack(np.meshgrid(*[axis] * latents), axis=-1).reshape(-1, latents)
    mass = -np.abs(y).sum(axis=1)
    return y, mass - logsumexp(mass)


def spectra(prior, y):
    """Eigenvalues (k, 3) and eigenvectors (k, 3, 3) of log C for each y."""
    g = prior.offset + y @ prior.weights
    return np.linalg.eigh((prior.vectors * g[:, None]) @ prior.vectors.T)


def gaussians(prior, y):
    """Covariances of u for each y."""
    logs, axes = spectra(prior, y)
    return (axes * np.exp(logs)[:, None]) @ axes.swapaxes(1, 2)


def exact(prior, patches, step=0.1):
    y, mass = grid(len(prior.weights), step)
    logs, axes = spectra(prior, y)
    turned = patches @ prior.basis @ prior.whitening @ axes
    squares = (turned**2 @ np.exp(-logs)[:, :, None])[:, :, 0]
    rest = mass - 0.5 * (logs.sum(axis=1) + 3 * np.log(2 * np.pi))
    log = rest[:, None] - 0.5 * squares
    return logsumexp(log, axis=0) + np.log(abs(np.linalg.det(prior.whitening)))


@pytest.mark.parametrize("latents", [1, 2])
def test_density_is_the_integral_over_latents_within_its_error(latents):
    prior = tiny(latents)
    patches = prior.sample(30, 1)
    expected = exact(prior, patches)
    np.testing.assert_allclose(exact(prior, patches, 0.2), expected, atol=0.02)  # of the sum
    estimate, error = prior.estimate_log_prob(patches, n_chains=16, n_steps=60, seed=2)
    z = (estimate - expected) / error
    assert 0 < error.mean() < 0.2
    assert np.abs(z).mean() < 1.2  # of Student's t with 15 degrees of freedom it is 0.84
    assert abs((estimate - expected).mean()) < 3 * np.sqrt((error**2).sum()) / 30 + 0.005


def test_without_weights_it_is_a_gaussian():
    prior = tiny(1)
    prior = KarklinLewicki((2, 2), **{**prior.parameters(), "weights": np.zeros((1, 4))})
    patches = np.random.default_rng(0).standard_normal((5, 4))
    back = np.linalg.inv(prior.whitening)
    cov = back.T @ gaussians(prior, np.zeros((1, 1)))[0] @ back
    normal = multivariate_normal(np.zeros(3), cov)
    value, error = prior.estimate_log_prob(patches, n_chains=2, n_steps=3)
    np.testing.assert_allclose(value, normal.logpdf(patches @ prior.basis), rtol=1e-8)
    np.testing.assert_allclose(error, 0, atol=1e-8)
    filtered = patches @ prior.basis @ np.linalg.solve(cov + 0.09 * np.eye(3), cov) @ prior.basis.T
    for estimator in ("map", "mean"):
        np.testing.assert_allclose(prior.denoise(patches, 0.3, estimator), filtered, atol=1e-10)


@pytest.mark.parametrize("size", [0.1, 2.0, 6.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_density_and_gradients(size, dtype):
    rng = np.random.default_rng(3)
    b = rng.standard_normal((5, 9))
    b = (b / np.linalg.norm(b, axis=0)).astype(dtype)
    g, u = (
        size * rng.standard_normal((6, 9)).astype(dtype),
        rng.standard_normal((6, 5)).astype(dtype),
    )
    value, slope = _log_covariance.log_density(u, g.astype(dtype), b)
    covs = [expm((b * row).astype(np.float64) @ b.T) for row in g]
    expected = [
        -0.5 * (x @ np.linalg.solve(c, x) + row.sum() + 5 * np.log(2 * np.pi))
        for x, c, row in zip(u, covs, g, strict=True)
    ]
    np.testing.assert_allclose(value, expected, rtol=1e-5 if dtype == np.float64 else 2e-3)
    assert slope.dtype == dtype
    if dtype == np.float64:
        along, h = rng.standard_normal(g.shape), 1e-5
        ends = [_log_covariance.log_density(u, g + s * h * along, b)[0] for s in (1, -1)]
        rise = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(rise, (slope * along).sum(axis=1), rtol=1e-4, atol=1e-5)


def test_gradient_in_the_vectors():
    rng = np.random.default_rng(4)
    b, g, u = rng.standard_normal((4, 6)), rng.standard_normal((5, 6)), rng.standard_normal((5, 4))
    b /= np.linalg.norm(b, axis=0)
    root = _log_covariance.Exponential(u, g, b)
    slope = root.gradients(root.value, basis=True)[1]
    along = rng.standard_normal(b.shape)
    along -= b * (b * along).sum(axis=0)

    def half_square(at):
        moved = (b + at * along) / np.linalg.norm(b + at * along, axis=0)
        return 0.5 * (_log_covariance.Exponential(u, g, moved).value ** 2).sum()

    rise = (half_square(1e-5) - half_square(-1e-5)) / 2e-5
    assert rise == pytest.approx((slope * along).sum(), rel=1e-6)


def test_noisy_density_its_gradient_and_estimate():
    rng = np.random.default_rng(5)
    b, g, u = rng.standard_normal((4, 7)), rng.standard_normal((5, 7)), rng.standard_normal((5, 4))
    noise = np.diag(rng.uniform(0.1, 2, 4)) + 0.05
    found = _log_covariance.noisy_log_density(u, noise, g, b)
    covs = [expm((b * row) @ b.T) for row in g]
    logs = [
        multivariate_normal(np.zeros(4), c + noise).logpdf(x) for c, x in zip(covs, u, strict=True)
    ]
    np.testing.assert_allclose(found.value, logs, rtol=1e-10)
    wiener = [c @ np.linalg.solve(c + noise, x) for c, x in zip(covs, u, strict=True)]
    np.testing.assert_allclose(found.wiener, wiener, rtol=1e-9)
    along, h = rng.standard_normal(g.shape), 1e-5
    ends = [_log_covariance.noisy_log_density(u, noise, g + s * h * along, b) for s in (1, -1)]
    rise = (ends[0].value - ends[1].value) / (2 * h)
    np.testing.assert_allclose(rise, (found.in_g * along).sum(axis=1), rtol=1e-6, atol=1e-8)


def posterior(prior, noisy, sigma):
    """Log posterior (grid, n) of y on the grid, and Wiener estimates (grid, n, 3)."""
    y, mass = grid(len(prior.weights), 0.2, 8.0)
    u, noise = noisy @ prior.basis @ prior.whitening, sigma**2 * prior.whitening.T @ prior.whitening
    covs = gaussians(prior, y)
    solved = np.linalg.inv(covs + noise) @ u.T
    log_det = np.linalg.slogdet(covs + noise)[1]
    log = mass[:, None] - 0.5 * ((solved.swapaxes(1, 2) * u).sum(axis=2) + log_det[:, None])
    return log, (covs @ solved).swapaxes(1, 2)


def test_mean_averages_wiener_estimates_over_the_posterior():
    prior, sigma = tiny(1), 0.3
    noisy = prior.sample(5, 6) + sigma * np.random.default_rng(7).standard_normal((5, 4))
    log, wiener = posterior(prior, noisy, sigma)
    share = np.exp(log - logsumexp(log, axis=0))
    expected = np.einsum("kn,knq->nq", share, wiener) @ np.linalg.inv(prior.whitening)
    runs = prior.denoise(np.repeat(noisy, 100, axis=0), sigma, "mean") @ prior.basis
    runs = runs.reshape(5, 100, 3)
    error = runs.std(axis=1) / 10
    assert error.max() < 0.02
    assert (abs(runs.mean(axis=1) - expected) < 4 * error + 2e-3).all()


def test_map_finds_nearly_the_most_probable_latents():
    prior, sigma = tiny(2), 0.3
    noisy = prior.sample(60, 8) + sigma * np.random.default_rng(9).standard_normal((60, 4))
    log, wiener = posterior(prior, noisy, sigma)
    best = wiener[log.argmax(axis=0), np.arange(60)] @ np.linalg.inv(prior.whitening)
    prior.map_steps = 20
    found = prior.denoise(noisy, sigma) @ prior.basis
    error = np.abs(found - best).max(axis=1)
    assert np.median(error) < 0.05 * sigma  # |y| is rounded off, the grid has steps of 0.2
    assert (error < 0.5 * sigma).mean() > 0.85  # the others are at another mode


def test_samples_have_the_covariance_of_the_integral():
    prior = tiny(1)
    prior = KarklinLewicki((2, 2), **{**prior.parameters(), "weights": 0.1 * prior.weights})
    y, mass = grid(1, end=30.0)
    expected = np.einsum("k,kqr->qr", np.exp(mass), gaussians(prior, y))
    u = prior.sample(100000, 0) @ prior.basis @ prior.whitening
    np.testing.assert_allclose(u.T @ u / len(u), expected, atol=0.02)


def test_fit_finds_a_scale_mixture_of_known_width():
    """One latent variable, the contrast; the vectors are then any that span the space evenly."""
    truth = KarklinLewicki(
        (2, 2), whitening=np.eye(3), vectors=np.eye(3), weights=[[0.6] * 3], offset=np.zeros(3)
    )
    fitted = KarklinLewicki.fit(
        truth.sample(3000, 0),
        patch_shape=(2, 2),
        n_latents=1,
        n_vectors=3,
        n_epochs=15,
        batch=200,
        rate=0.02,
    )
    test = truth.sample(500, 1)
    gap = exact(truth, test) - exact(fitted, test)
    assert abs(gap.mean()) < 0.01 + 3 * gap.std() / np.sqrt(len(gap))
    logs = np.abs((fitted.vectors * fitted.weights[0]) @ fitted.vectors.T)
    assert np.trace(logs) / 3 == pytest.approx(0.6, abs=0.1)


def test_files(tmp_path):
    prior = tiny()
    prior.save(tmp_path / "prior.npz")
    again = load(tmp_path / "prior.npz")
    assert isinstance(again, KarklinLewicki)
    patches = prior.sample(150, 0)
    np.testing.assert_array_equal(again.denoise(patches, 0.3), prior.denoise(patches, 0.3))
    part = prior.denoise(patches[:120], 0.3)
    np.testing.assert_allclose(part, prior.denoise(patches, 0.3)[:120], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.ones((3, 4))}, "vectors must have columns of norm 1"),
        ({"whitening": np.zeros((3, 3))}, "whitening must be invertible"),
        ({"weights": np.zeros((2, 5))}, "weights must have shape"),
    ],
)
def test_parameters_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        KarklinLewicki((2, 2), **{**tiny().parameters(), **change})
