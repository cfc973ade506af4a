"""Conditional scale mixtures and causal networks: densities, draws, files, restoration."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import Settings
from fastepll.priors import (
    CausalNetwork,
    ConditionalScaleMixture,
    GSMMixture,
    SymmetricAverage,
    load,
)
from fastepll.train.descent import Descent

from ..scenes import noisy, scene
from .causal import FITS, rough
from .test_elliptical import plane

torch = pytest.importorskip("torch")


@pytest.fixture(params=FITS)
def name(request):
    return request.param


def test_conditionals_see_what_comes_before_alone(name):
    prior = rough(name, (2, 3))
    y = torch.from_numpy(np.random.default_rng(1).standard_normal(prior.q))
    slopes = torch.autograd.functional.jacobian(
        lambda y: prior.network.log_densities(y[None])[0], y
    )
    np.testing.assert_array_equal(slopes.numpy() != 0, np.tri(prior.q, dtype=bool))


def test_conditionals_are_normalised(name):
    prior = rough(name, (2, 2))
    drawn = torch.from_numpy(prior.sample(3, 0) @ prior.basis @ prior.whitening.T)
    t = np.linspace(-9, 9, 4001)
    line, weight = np.sinh(t), np.cosh(t) * (t[1] - t[0])
    for before in drawn:
        for i in range(prior.q):
            y = before.repeat(len(line), 1)
            y[:, i] = torch.from_numpy(line)
            with torch.no_grad():
                density = prior.network.log_densities(y)[:, i].exp().numpy()
            assert density @ weight == pytest.approx(1, abs=1e-6)


def test_density_is_normalised(name):
    prior = rough(name, (1, 3))
    grid, area = plane(1.0)
    assert np.exp(prior.log_prob(grid @ prior.basis.T)) @ area == pytest.approx(1, abs=2e-3)


def test_samples_follow_the_density(name):
    """The mean of p/q over samples of q is 1, where p is another density."""
    prior = rough(name, (2, 2))
    x = prior.sample(20_000, 1)
    assert abs(x.sum(axis=1)).max() < 1e-9 * abs(x).max()
    y = x @ prior.basis @ prior.whitening.T
    log_det = np.linalg.slogdet(prior.whitening)[1]
    other = -0.5 * (y**2).sum(axis=1) / 0.09 - 1.5 * np.log(2 * np.pi * 0.09) + log_det
    ratio = np.exp(other - prior.log_prob(x))
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))
    assert ratio.std() < 5


def test_score_is_the_gradient(name):
    prior = rough(name, (2, 2))
    x, step = prior.sample(4, 0), 1e-5 * prior.basis.T
    rise = [(prior.log_prob(x + s) - prior.log_prob(x - s)) / 2e-5 for s in step]
    np.testing.assert_allclose(
        prior.score(x) @ prior.basis, np.stack(rise, axis=1), rtol=1e-4, atol=1e-4
    )


def test_a_mixture_of_scale_mixtures_is_one():
    """With predictors, loadings and odds that its covariances imply."""
    covariances = np.array([[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.3], [-0.3, 0.4]]])
    scales, weights = np.array([0.1, 1.0, 6.0]), np.array([[0.1, 0.2, 0.1], [0.3, 0.1, 0.2]])
    wanted = GSMMixture((1, 3), weights=weights, scales=scales, covariances=covariances)
    first, cross, second = covariances[:, 0, 0], covariances[:, 1, 0], covariances[:, 1, 1]
    rest = second - cross**2 / first
    log_precision = -np.log(scales[:, None] * np.stack([first, rest])[:, None])
    odds = np.log(weights.T) - 0.5 * np.log(scales[:, None] * first) * np.arange(2)[:, None, None]
    prior = ConditionalScaleMixture(
        (1, 3),
        whitening=np.eye(2),
        features=[[1.0]],
        predictors=(cross / first)[None],
        loadings=np.sqrt(np.stack([first, rest / first]))[:, :, None],
        log_precision=log_precision,
        odds=odds,
    )
    x = wanted.sample(50, 0)
    np.testing.assert_allclose(prior.log_prob(x), wanted.log_prob(x), rtol=1e-5)


def test_density_of_a_logistic_over_a_box():
    """Of a network without weights: the integral of the logistic density over the box."""
    prior = rough("causal-network", (1, 2))
    given = {name: np.zeros_like(value) for name, value in prior.parameters().items()}
    given |= {"whitening": [[1.0]], "log_floor": [0.0], "log_width": [np.log(3.0)]}
    prior = CausalNetwork((1, 2), **given)
    c = np.array([0.0, 0.7, 2.0, -40.0])
    t = np.linspace(-1.5, 1.5, 20_001)
    expected = np.mean(0.25 / np.cosh((c[:, None] - t) / 2) ** 2, axis=1)
    found = prior.log_prob(c[:, None] @ prior.basis.T)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-3)


def test_bfloat16_is_near():
    module = rough("causal-network", (2, 3)).build()
    y = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module(y)
        module.halved = True
        found = module(y)
    assert found.dtype == torch.float32
    assert 0 < abs(found - wanted).max() < 0.1


def test_round_trip(name, tmp_path):
    prior = rough(name, (2, 3))
    average = SymmetricAverage.average_of(prior)
    x = prior.sample(5, 0)
    for saved in (prior, average):
        saved.save(tmp_path / "prior.npz", overwrite=True)
        read = load(tmp_path / "prior.npz")
        assert type(read) is type(saved)
        assert read.n_parameters == prior.n_parameters
        np.testing.assert_array_equal(read.log_prob(x), saved.log_prob(x))
        np.testing.assert_array_equal(read.sample(5, 0), saved.sample(5, 0))
    np.testing.assert_allclose(
        average.log_prob(x.reshape(5, 2, 3)[:, ::-1].reshape(5, 6)), average.log_prob(x)
    )


def test_files_of_half_the_size(tmp_path):
    prior = rough("causal-network", (4, 4))
    for precision in ("float32", "float16"):
        prior.save(tmp_path / f"{precision}.npz", precision=precision)
    whole, half = ((tmp_path / f"{each}.npz").stat().st_size for each in ("float32", "float16"))
    assert whole - half == 2 * prior.n_parameters
    read, x = load(tmp_path / "float16.npz"), prior.sample(5, 0)
    lost = abs(read.log_prob(x) - prior.log_prob(x))
    assert 0 < lost.max() < 0.05
    np.testing.assert_array_equal(read.whitening, prior.whitening)
    large = {**prior.parameters(), "bias": np.full((15, 8), 1e5)}
    with pytest.raises(ValueError, match="bias must be below 65520"):
        CausalNetwork((4, 4), **large).save(tmp_path / "large.npz", precision="float16")
    with pytest.raises(ValueError, match="precision must be one of"):
        prior.save(tmp_path / "large.npz", precision="int8")


def test_completes_what_comes_last(name):
    """The second of three pixels, given the first, against the density of the line there."""
    prior = rough(name, (1, 3))
    first = float(np.median(abs(prior.sample(500, 1)[:, 0])))
    patches = np.tile([first, 0.0, 0.0], (3000, 1))
    found = prior.sample_given(patches, np.array([True, False, False]), 5)
    np.testing.assert_allclose(found[:, 0], first, rtol=1e-9)
    second = np.sort(found[:, 1])
    wide = second[-1] - second[0]
    line = np.linspace(second[0] - wide, second[-1] + wide, 20_001)
    density = np.exp(prior.log_prob(np.stack([np.full_like(line, first), line, -first - line], 1)))
    below = np.cumsum(density) / density.sum()
    assert abs(below - np.searchsorted(second, line) / 3000).max() < 1.95 / np.sqrt(3000)


def test_learns_what_no_gaussian_knows(name):
    """A scale mixture: all but 0.15 nats of the 1.1 that it has over the best Gaussian."""
    cls, options = FITS[name]
    spread = np.diag([1.0, 2.0, 3.0])
    truth = GSMMixture((2, 2), weights=[[0.5, 0.5]], scales=[0.01, 1.0], covariances=[spread])
    how = Descent(iterations=250, batch=200, learning_rate=2e-2, average=0.98)
    draw = lambda rng, n: truth.sample(n, rng)  # noqa: E731
    prior = cls.fit(draw, patch_shape=(2, 2), how=how, **options)
    x = truth.sample(4000, 9)
    lost = truth.log_prob(x) - prior.log_prob(x)
    assert -0.02 < lost.mean() < 0.15


def test_training_goes_on_from_a_checkpoint(name, tmp_path):
    cls, options = FITS[name]
    patches = np.random.default_rng(0).laplace(size=(200, 4))
    options = options | {"patch_shape": (2, 2), "how": Descent(iterations=8, batch=50, every=4)}

    def stop(run):
        if run.i == 5:
            raise KeyboardInterrupt

    path = tmp_path / "run.npz"
    wanted = cls.fit(patches, **options)
    with pytest.raises(KeyboardInterrupt):
        cls.fit(patches, checkpoint=path, progress=stop, **options)
    found = cls.fit(patches, checkpoint=path, **options)
    for key, value in wanted.parameters().items():
        np.testing.assert_array_equal(found.parameters()[key], value)


def test_denoises_an_image(name):
    cls, options = FITS[name]
    clean = scene(24, 28)
    windows = np.lib.stride_tricks.sliding_window_view(clean, (3, 3)).reshape(-1, 9)
    patches = windows + np.random.default_rng(0).normal(0, 0.01, windows.shape)
    how = Descent(iterations=100, batch=100, learning_rate=2e-2, average=0.98)
    prior = cls.fit(patches, patch_shape=(3, 3), how=how, **options)
    y = noisy(clean, 0.1)
    found = fastepll.denoise(y, 0.1, model=prior, quality=Settings.from_betas([1, 4], stride=2))
    before, after = (np.sqrt(np.mean((x - clean) ** 2)) for x in (y, found))
    assert before == pytest.approx(0.1, rel=0.1)
    assert after < 0.065


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("conditional-scale-mixture", {"loadings": None}, "loadings must have 3 axes, got none"),
        ("conditional-scale-mixture", {"odds": np.zeros((3, 0, 3))}, "odds must not be empty"),
        ("conditional-scale-mixture", {"odds": np.zeros((3, 99999, 3))}, "must hold numbers of"),
        ("conditional-scale-mixture", {"odds": np.full((3, 2, 3), np.nan)}, "odds must be finite"),
        ("conditional-scale-mixture", {"more": np.zeros(3)}, "arrays must be .*got .*more"),
        ("causal-network", {"up": np.zeros((10**6, 1, 1))}, "must hold numbers of shape"),
        ("causal-network", {"up": np.zeros((2, 8))}, "up must have 3 axes"),
        ("causal-network", {"whitening": np.zeros((3, 3))}, "whitening must be invertible"),
    ],
)
def test_refuses_arrays_that_make_no_prior(name, changes, told):
    prior = rough(name, (2, 2))
    given = {**prior.parameters(), **changes}
    with pytest.raises(ValueError, match=told):
        type(prior)((2, 2), **{key: value for key, value in given.items() if value is not None})


def test_refuses_options():
    patches = np.random.default_rng(0).laplace(size=(20, 4))
    for cls, options, told in (
        (ConditionalScaleMixture, {"n_components": 0}, "n_components must be in"),
        (ConditionalScaleMixture, {"n_scales": 0.5}, "n_scales must be"),
        (ConditionalScaleMixture, {"n_features": 0}, "n_features must be in"),
        (CausalNetwork, {"hidden": 0}, "hidden must be in"),
        (CausalNetwork, {"depth": 0}, "depth must be in"),
        (CausalNetwork, {"halved": 1}, "halved must be a bool"),
    ):
        with pytest.raises((TypeError, ValueError), match=told):
            cls.fit(patches, patch_shape=(2, 2), how=Descent(iterations=1), **options)
