"""The variational autoencoder of patches, where sums over its latent variables can be made."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm, t

from fastepll.priors import Gaussian, PatchVAE, load
from fastepll.priors._vae.objective import Objective
from fastepll.priors._vae.sizes import Sizes
from fastepll.train.descent import Descent

torch = pytest.importorskip("torch")
networks = pytest.importorskip("fastepll.priors._vae.networks")
arrays_of = pytest.importorskip("fastepll.models.networks").arrays_of
GRID = np.linspace(-7, 7, 701)


def curved(likelihood="gaussian", *, depth=2, k=1, heteroscedastic=True, seed=0) -> PatchVAE:
    """One of random weights, of 2x2 patches."""
    sizes = Sizes(3, k, 8, depth, likelihood, heteroscedastic)
    torch.manual_seed(seed)
    network = networks.Autoencoder(sizes, np.zeros(3), np.ones(3))
    with torch.no_grad():
        network.likelihood.log_scale.fill_(-1.0)
        network.decoder.last.weight[:3].mul_(3)
        if likelihood == "student-t":
            network.likelihood.freedom.copy_(torch.tensor([0.5, 2.0, 8.0]))
    return PatchVAE((2, 2), spread=[0.5, 0.3, 0.2], **arrays_of(network))


def exact(prior, patches):
    """Log p by a sum over a grid of the one latent variable."""
    z = np.repeat(GRID[None, :, None], len(patches), 0)
    return logsumexp(prior.log_joint(patches, z), axis=1) + np.log(GRID[1] - GRID[0])


KINDS = pytest.mark.parametrize("likelihood", ["gaussian", "student-t"])


@KINDS
@pytest.mark.parametrize("heteroscedastic", [True, False])
def test_density_given_the_latent_variables(likelihood, heteroscedastic):
    prior = curved(likelihood, heteroscedastic=heteroscedastic)
    patches, z = np.random.default_rng(0).standard_normal((2, 5, 4))
    z = z[:, :3, None]
    network = prior.network
    with torch.no_grad():
        mean, log_scale = network.likelihood.split(network.decoder(torch.from_numpy(z)))
        dof = network.likelihood.dof.numpy() if likelihood == "student-t" else np.full(3, 1e12)
    scale = np.broadcast_to(log_scale.exp().numpy(), (5, 3, 3))
    c = (patches @ prior.basis)[:, None]
    expected = t(dof, mean.numpy(), scale).logpdf(c).sum(2) + norm.logpdf(z).sum(2)
    np.testing.assert_allclose(prior.log_joint(patches, z), expected, rtol=1e-6)
    assert scale.min() > 1e-3 * 0.2
    value, slope = prior.joint_slope(patches, z)
    ends = [prior.log_joint(patches, z + h) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-5, slope[:, :, 0], rtol=1e-5, atol=1e-5)


@KINDS
def test_estimates_are_the_integral_within_their_errors(likelihood):
    prior = curved(likelihood)
    patches = prior.sample(60, 1)
    expected = exact(prior, patches)
    for n_chains, n_steps in ((1000, 1), (20, 40)):
        value, error = prior.estimate_log_prob(patches, n_chains=n_chains, n_steps=n_steps, seed=2)
        assert 0 < error.mean() < 0.3
        assert np.abs((value - expected) / error).mean() < 1.3
        assert abs((value - expected).mean()) < 4 * np.sqrt((error**2).sum()) / 60 + 0.01
    assert prior.log_prob(patches).mean() == pytest.approx(expected.mean(), abs=0.2)
    assert (prior.elbo(patches, 0, n_samples=500).values < expected + 0.2).all()


@KINDS
def test_samples_are_those_of_the_density(likelihood):
    """The mean of a function over samples is its mean over the density."""
    prior = curved(likelihood)
    c = prior.sample(100_000, 3) @ prior.basis
    z = torch.from_numpy(np.random.default_rng(4).standard_normal((100_000, 1)))
    mean, log_scale = prior.network.likelihood.split(prior.network.decoder(z))
    cut = np.array([0.1, -0.1, 0.05])
    dof = prior.network.likelihood.dof.numpy() if likelihood == "student-t" else 1e12
    below = t(dof, mean.numpy(), log_scale.exp().numpy()).cdf(cut).mean(0)
    np.testing.assert_allclose((c < cut).mean(0), below, atol=4 * 0.5 * np.sqrt(2 / 100_000))


def test_an_affine_one_is_a_gaussian():
    rng = np.random.default_rng(5)
    w = rng.standard_normal((3, 2)).astype(np.float32)
    spread, scale = np.array([0.5, 0.3, 0.2]), np.exp(np.float32([0.1, -0.5, 0.3])) + 1e-3
    prior = PatchVAE(
        (2, 2),
        spread=spread,
        likelihood__log_scale=np.float32([0.1, -0.5, 0.3]),
        encoder__last__weight=0.1 * rng.standard_normal((4, 3)),
        encoder__last__bias=np.zeros(4),
        decoder__last__weight=w,
        decoder__last__bias=np.zeros(3),
    )
    covariance = spread[:, None] * (w @ w.T + np.diag(scale**2)) * spread
    gaussian = Gaussian((2, 2), covariance=covariance)
    patches = gaussian.sample(40, 6)
    value, error = prior.estimate_log_prob(patches, n_chains=50, n_steps=50)
    assert abs((value - gaussian.log_prob(patches)) / error).mean() < 1.2
    assert error.mean() < 0.1
    expected = gaussian.denoise(patches, 0.2)
    np.testing.assert_allclose(prior.denoise(patches, 0.2), expected, atol=1e-6)
    means = [prior.denoise(np.repeat(patches, 50, 0), 0.2, "mean").reshape(40, 50, 4)]
    error = means[0].std(1) / np.sqrt(50)
    assert error.max() < 0.01
    assert (abs(means[0].mean(1) - expected) < 5 * error + 1e-6).all()


def posterior(prior, noisy, sigma):
    """Log p(z, y) and the mean clean coordinates, on the grid, by numerical convolution."""
    c = noisy @ prior.basis
    with torch.no_grad():
        at = torch.from_numpy(GRID[:, None])
        mean, log_scale = prior.network.likelihood.split(prior.network.decoder(at))
    dof = prior.network.likelihood.dof.numpy() if hasattr(prior.network.likelihood, "dof") else 1e12
    mean, scale = (a.numpy()[None, ..., None] for a in (mean, log_scale.exp()))
    dof = np.broadcast_to(dof, 3)[:, None]
    u = np.linspace(-6, 6, 121) * sigma  # of the noise
    clean = c[:, None, :, None] - u
    log = t(dof, mean, scale).logpdf(clean) + norm(0, sigma).logpdf(u)
    top = log.max(3, keepdims=True)
    mass = np.exp(log - top)
    value = (np.log(mass.sum(3) * (u[1] - u[0])) + top[..., 0]).sum(2) + norm.logpdf(GRID)
    return value, (mass * clean).sum(3) / mass.sum(3)


@KINDS
def test_denoising_finds_the_mode_and_the_mean(likelihood, monkeypatch):
    prior, sigma = curved(likelihood), 0.1
    noisy = prior.sample(8, 7)
    noisy = noisy + sigma * np.random.default_rng(8).standard_normal(noisy.shape)
    log, clean = posterior(prior, noisy, sigma)
    monkeypatch.setattr(PatchVAE, "map_steps", 20)
    best = log.argmax(1)
    found = prior.denoise(noisy, sigma) @ prior.basis
    error = np.abs(found - clean[np.arange(8), best]).max(1)
    assert np.median(error) < 0.02 * sigma  # the grid has steps of 0.02
    assert (error < 0.1 * sigma).mean() > 0.8  # the others are at another mode
    share = np.exp(log - logsumexp(log, axis=1, keepdims=True))
    mean = np.einsum("ng,ngq->nq", share, clean)
    monkeypatch.setattr(PatchVAE, "mean_draws", 2000)
    off = np.abs(prior.denoise(noisy, sigma, "mean") @ prior.basis - mean).max(1)
    assert np.median(off) < 0.05 * sigma
    gap = np.abs(clean[np.arange(8), best] - mean).max(1)
    assert off.mean() < 0.5 * gap.mean()


def test_information_is_the_squared_change_of_what_is_put_out():
    """Against differences: of means in units of noise, and of log variances."""
    noisy = pytest.importorskip("fastepll.priors._vae.noisy")
    prior = curved(k=2, depth=3)
    at = noisy.NoisyData(prior.network, np.zeros((4, 3)), 0.01)
    z = torch.from_numpy(np.random.default_rng(9).standard_normal((4, 2)))

    def moments(z):
        mean, log_scale = prior.network.likelihood.split(prior.network.decoder(z))
        return mean, (2 * log_scale).exp() + 0.01

    total = moments(z)[1]
    rows = []
    for j in range(2):
        step = 1e-5 * torch.eye(2)[j]
        (up, more), (down, less) = moments(z + step), moments(z - step)
        change = (up - down) / 2e-5 / total.sqrt()
        rows.append(torch.cat([change, (more.log() - less.log()) / 2e-5 / np.sqrt(2)], 1))
    slopes = torch.stack(rows, 1)
    expected = torch.eye(2) + slopes @ slopes.transpose(1, 2)
    torch.testing.assert_close(at.precision(z), expected, rtol=1e-5, atol=1e-6)


def test_score_is_the_gradient_of_the_bound_it_tells_of():
    prior = curved("student-t", k=2)
    patches = prior.sample(4, 10)
    along = prior.sample(4, 11)

    def bound(x):
        with torch.no_grad():
            return prior.log_density(prior.network, torch.from_numpy(x @ prior.basis)).numpy()

    rise = (bound(patches + 1e-6 * along) - bound(patches - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose((prior.score(patches) * along).sum(1), rise, rtol=1e-5, atol=1e-5)


def test_fit_reaches_a_scale_mixture_of_known_density():
    """The contrast is 0.1 or 1."""
    rng = np.random.default_rng(12)
    basis = curved().basis
    level = np.where(rng.random(4400) < 0.5, 0.1, 1.0)
    c = level[:, None] * rng.standard_normal((4400, 3))
    radius = (c**2).sum(1)
    parts = [-0.5 * radius / s**2 - 3 * np.log(s) - 1.5 * np.log(2 * np.pi) for s in (0.1, 1.0)]
    true = np.logaddexp(*parts) - np.log(2)
    patches = c @ basis.T
    prior = PatchVAE.fit(
        patches[:4000],
        patch_shape=(2, 2),
        n_latents=1,
        width=16,
        depth=2,
        objective=Objective("iwae", 4),
        how=Descent(iterations=400, batch=200, learning_rate=0.01, average=0.95),
    )
    found = exact(prior, patches[4000:]).mean()
    gaussian = Gaussian.fit(patches[:4000], patch_shape=(2, 2)).log_prob(patches[4000:]).mean()
    assert true[4000:].mean() - gaussian > 1.7
    assert true[4000:].mean() - found < 0.15
    assert dict(prior.metadata) == {"n_patches": 4000, "seed": 0}


@KINDS
def test_files(tmp_path, likelihood):
    prior = curved(likelihood)
    prior.save(tmp_path / "prior.npz")
    again = load(tmp_path / "prior.npz")
    assert isinstance(again, PatchVAE)
    patches = prior.sample(5, 0)
    np.testing.assert_array_equal(again.log_prob(patches), prior.log_prob(patches))
    np.testing.assert_array_equal(again.denoise(patches, 0.3), prior.denoise(patches, 0.3))


def test_refuses_nonsense():
    given = curved().parameters()
    with pytest.raises(ValueError, match="weights must have likelihood__log_scale"):
        PatchVAE((2, 2), **{k: v for k, v in given.items() if "likelihood" not in k})
    with pytest.raises(ValueError, match="spread must be positive"):
        PatchVAE((2, 2), **(given | {"spread": np.zeros(3)}))
    with pytest.raises(ValueError, match="likelihood must be one of"):
        PatchVAE.fit(np.eye(4), patch_shape=(2, 2), likelihood="bernoulli")
    with pytest.raises(ValueError, match=r"likelihood__log_scale must have shape \(5,\)"):
        PatchVAE((2, 3), **(given | {"spread": np.ones(5)}))
