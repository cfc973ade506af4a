"""Autoregressive priors: what sees what, densities, draws, completions, files, restoration."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import Settings
from fastepll.models.protocol import IntractableError
from fastepll.priors import RNADE, Gaussian, MADEMoG, load
from fastepll.train.descent import Descent

from ..scenes import noisy, scene
from .autoregressive import FITS, MIXTURES, SHORT, grid, rough

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", MIXTURES)
def test_conditionals_see_what_comes_before_alone(name):
    prior = rough(name, (2, 3))
    y = torch.randn(prior.q, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def parameters(y):
        *mixtures, log_r = (each[0] for each in prior.network.mixtures(y[None]))
        return torch.cat([*mixtures, log_r[None]])

    slopes = torch.autograd.functional.jacobian(parameters, y).abs().amax(0)  # (i, j)
    before = np.tri(prior.q, k=-1, dtype=bool)
    np.testing.assert_array_equal(slopes.numpy() > 0, before)


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize(("patch_shape", "n"), [((1, 2), 4001), ((1, 3), 401)])
def test_densities_sum_to_one(name, patch_shape, n):
    prior = rough(name, patch_shape)
    c, weights = grid(prior, n)
    total = np.exp(prior.log_prob(c @ prior.basis.T)) @ weights
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", FITS)
def test_draws_have_the_density(name):
    """Mean log density of draws, against the integral of p log p."""
    prior = rough(name, (1, 3))
    c, weights = grid(prior, 301)
    log_p = prior.log_prob(c @ prior.basis.T)
    moments = [(weights * np.exp(log_p)) @ log_p**k for k in (1, 2)]
    drawn = prior.sample(4000, rng=1)
    error = np.sqrt((moments[1] - moments[0] ** 2) / len(drawn))
    assert abs(prior.log_prob(drawn).mean() - moments[0]) < 3 * error
    assert abs(drawn.sum(axis=1)).max() < 1e-9 * abs(drawn).max()
    np.testing.assert_array_equal(prior.sample(5, rng=3), prior.sample(5, rng=3))


@pytest.mark.parametrize("name", FITS)
def test_score_is_the_slope(name):
    prior = rough(name, (2, 2))
    patches, step = prior.sample(4, rng=2), 1e-6
    for direction in prior.basis.T:
        rise = prior.log_prob(patches + step * direction) - prior.log_prob(
            patches - step * direction
        )
        np.testing.assert_allclose(
            prior.score(patches) @ direction, rise / (2 * step), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", FITS)
def test_round_trips_bit_for_bit(name, tmp_path):
    prior = rough(name, (2, 3))
    prior.save(tmp_path / "prior.npz")
    read = load(tmp_path / "prior.npz")
    assert type(read) is type(prior)
    assert read.n_parameters == prior.n_parameters
    patches = prior.sample(5, rng=0)
    np.testing.assert_array_equal(read.log_prob(patches), prior.log_prob(patches))
    np.testing.assert_array_equal(read.sample(5, rng=0), patches)


@pytest.mark.parametrize("name", ["rnade", "made-mog"])
def test_completes_what_comes_last(name):
    """The second of three pixels, given the first, against the density of the line there."""
    prior = rough(name, (1, 3))
    first = float(np.median(abs(prior.sample(500, rng=1)[:, 0])))
    patches = np.tile([first, np.nan, np.nan], (3000, 1))
    found = prior.sample_given(np.nan_to_num(patches), np.array([True, False, False]), rng=5)
    np.testing.assert_allclose(found[:, 0], first, rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-9)
    second = np.sort(found[:, 1])
    wide = second[-1] - second[0]
    line = np.linspace(second[0] - wide, second[-1] + wide, 20_001)
    density = np.exp(
        prior.log_prob(np.stack([np.full_like(line, first), line, -first - line], axis=1))
    )
    below = np.cumsum(density) / density.sum()
    empirical = np.searchsorted(second, line) / len(second)
    assert abs(below - empirical).max() < 1.95 / np.sqrt(len(second))  # 0.1 % of true ones fail


def test_says_what_it_cannot_complete():
    prior, patches = rough("rnade", (2, 2)), np.zeros((2, 4))
    with pytest.raises(IntractableError, match="only what comes last in raster order"):
        prior.sample_given(patches, np.array([False, True, True, False]), rng=0)
    with pytest.raises(IntractableError, match="coordinates of pixels"):
        rough("rnade, principal", (2, 2)).sample_given(patches, np.arange(4) < 2, rng=0)
    with pytest.raises(ValueError, match="known must leave out a pixel"):
        prior.sample_given(patches, np.ones(4, bool), rng=0)


@pytest.mark.parametrize("cls", [RNADE, MADEMoG])
def test_learns_what_no_gaussian_knows(cls):
    """A scale mixture: all but 0.1 nats of what its density has over that of the best Gaussian."""

    def draw(rng, n):
        scale = np.where(rng.random((n, 1)) < 0.5, 0.1, 1.0)
        return scale * rng.standard_normal((n, 4)) @ np.diag([1.0, 2, 3, 4])

    test = draw(np.random.default_rng(9), 4000)
    how = Descent(iterations=300, batch=200, learning_rate=1e-2, average=0.98)
    prior = cls.fit(draw, patch_shape=(2, 2), hidden=16, n_mixture=3, how=how)
    scales = [Gaussian.fit(s * draw_one(20_000), patch_shape=(2, 2)) for s in (0.1, 1.0)]
    truth = np.logaddexp(*(one.log_prob(test) for one in scales)).mean() - np.log(2)
    gaussian = Gaussian.fit(test, patch_shape=(2, 2)).log_prob(test).mean()
    assert truth - gaussian > 0.8
    assert truth - 0.1 < prior.log_prob(test).mean() < truth + 0.02


def draw_one(n):
    return np.random.default_rng(8).standard_normal((n, 4)) @ np.diag([1.0, 2, 3, 4])


def test_training_goes_on_from_a_checkpoint(tmp_path):
    patches = np.random.default_rng(0).laplace(size=(200, 4))
    how = Descent(iterations=12, batch=50, every=4)

    def stop(run):
        if run.i == 7:
            raise KeyboardInterrupt

    options = {"patch_shape": (2, 2), "hidden": 4, "n_mixture": 2, "held_out": patches[:50]}
    path = tmp_path / "run.npz"
    wanted = RNADE.fit(patches, how=how, **options)
    with pytest.raises(KeyboardInterrupt):
        RNADE.fit(patches, how=how, checkpoint=path, progress=stop, **options)
    found = RNADE.fit(patches, how=how, checkpoint=path, **options)
    for name, value in wanted.parameters().items():
        np.testing.assert_array_equal(found.parameters()[name], value)


def test_bfloat16_is_near():
    module = rough("made-mog", (2, 3)).build()
    y = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module(y)
        module.network.halved = True
        found = module(y)
    assert found.dtype == torch.float32
    assert 0 < abs(found - wanted).max() < 0.1


def test_denoises_an_image():
    """By a prior of a second's training on 3x3 patches of the scene itself."""
    clean = scene(40, 44)
    windows = np.lib.stride_tricks.sliding_window_view(clean, (3, 3)).reshape(-1, 9)
    rng = np.random.default_rng(0)
    patches = windows + rng.normal(0, 0.01, windows.shape)
    how = Descent(iterations=150, batch=100, learning_rate=1e-2, average=0.98)
    prior = MADEMoG.fit(patches, patch_shape=(3, 3), hidden=32, n_mixture=3, how=how)
    y = noisy(clean, 0.1)
    settings = Settings.from_betas([1, 4], stride=2)
    found = fastepll.denoise(y, 0.1, model=prior, quality=settings)
    before, after = (np.sqrt(np.mean((x - clean) ** 2)) for x in (y, found))
    assert before == pytest.approx(0.1, rel=0.05)
    assert after < 0.05


def arrays(**changes):
    prior = rough("made-mog", (2, 2))
    given = {**prior.parameters(), **changes}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"whitening": np.zeros((3, 3))}, "whitening must be invertible"),
        ({"whitening": np.eye(4)}, r"whitening must have shape \(3, 3\), got \(4, 4\)"),
        ({"whitening": np.full((3, 3), np.nan)}, "whitening must be finite"),
        ({"whitening": None}, r"MADEMoG needs the arrays \['whitening'\]"),
        ({"start": None}, "start must have 3 axes, got none"),
        ({"start": np.zeros((3, 0, 3))}, "start must not be empty"),
        ({"start": np.zeros((3, 1000, 3))}, "network__last__weight must hold numbers of shape"),
        ({"network__first__weight": np.zeros((10**6, 1))}, "must hold numbers of shape"),
        ({"network__last__bias": np.full(27, np.inf)}, "network__last__bias must be finite"),
        ({"network__by_contrast": None}, "arrays must be"),
        ({"more": np.zeros(3)}, "arrays must be .*got .*more"),
    ],
)
def test_refuses_arrays_that_make_no_prior(changes, told):
    with pytest.raises(ValueError, match=told):
        MADEMoG((2, 2), **arrays(**changes))


def test_refuses_options():
    patches = np.random.default_rng(0).laplace(size=(20, 4))
    for options, told in (
        ({"hidden": 0}, "hidden must be in"),
        ({"n_mixture": 0}, "n_mixture must be in"),
        ({"components": "cauchy"}, "components must be one of"),
        ({"coordinates": "wavelets"}, "coordinates must be one of"),
        ({"contrast": 1}, "contrast must be"),
    ):
        with pytest.raises((TypeError, ValueError), match=told):
            RNADE.fit(patches, patch_shape=(2, 2), how=SHORT, **options)
    with pytest.raises(TypeError, match="halved must be a bool"):
        MADEMoG.fit(patches, patch_shape=(2, 2), how=SHORT, halved=1)
    with pytest.raises(ValueError, match="variance in every direction"):
        RNADE.fit(np.ones((20, 4)), patch_shape=(2, 2), how=SHORT)
