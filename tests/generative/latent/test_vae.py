"""Variational autoencoder of six binary values, of which all sums can be made."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from scipy.special import logsumexp

from fastepll import generative
from fastepll.generative import VAE, IntractableError
from fastepll.generative.latent.marginal import annealed, from_prior
from fastepll.priors._vae.objective import Objective
from fastepll.train import descent_checkpoint as files
from fastepll.train.descent import Descent

pytest.importorskip("torch")
ALL = np.array(list(itertools.product([0, 1], repeat=6)), float)
P = np.array([[0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.2, 0.8, 0.9, 0.9]])
TRUE = logsumexp((ALL[:, None] * np.log(P) + (1 - ALL[:, None]) * np.log1p(-P)).sum(2), axis=1)
TRUE -= np.log(2)
ENTROPY = -(np.exp(TRUE) * TRUE).sum()
HOW = Descent(iterations=500, batch=200, learning_rate=0.01, average=0.98, every=400)


def data(n, seed):
    return ALL[np.random.default_rng(seed).choice(64, n, p=np.exp(TRUE))]


@pytest.fixture(scope="module")
def model() -> VAE:
    tight = Objective("iwae", n_samples=8)
    return VAE.fit(data(4000, 0), n_latents=2, width=16, depth=2, objective=tight, how=HOW)


@pytest.fixture(scope="module")
def exact(model):
    """Log p of all data, by a sum over a grid of z."""
    axis = np.linspace(-6, 6, 61)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(1, -1, 2)
    return logsumexp(model.log_joint(ALL, np.repeat(z, 64, 0)), axis=1) + 2 * np.log(0.2)


def test_probabilities_sum_to_one(exact):
    assert np.exp(exact).sum() == pytest.approx(1, abs=1e-6)


def test_training_reaches_the_entropy_of_a_known_mixture(model, exact):
    mean = np.exp(TRUE) @ ALL
    independent = -(mean * np.log(mean) + (1 - mean) * np.log1p(-mean)).sum()
    reached = -(np.exp(TRUE) * exact).sum()
    assert independent == pytest.approx(4.15, abs=0.01)
    assert ENTROPY < reached < 2.86
    elbo = model.elbo(ALL, rng=1, n_samples=4000).values
    assert (elbo < exact + 0.05).all()
    assert 0.01 < np.exp(TRUE) @ (exact - elbo) < 0.5


def test_bound_tends_to_log_p_and_tells_its_error(model, exact):
    few = model.bound(np.repeat(ALL, 20, axis=0), rng=1, n_samples=3)
    many = model.bound(ALL, rng=1, n_samples=2000)
    assert few.mean < many.mean - 0.02
    assert np.abs((many.values - exact) / many.errors).mean() < 1.2
    assert many.errors.max() < 0.1
    default = model.log_prob(ALL)
    assert default.told == "importance-weighted bound, 50 samples"
    assert abs(default.mean - exact.mean()) < 4 * default.mean_error + 0.05
    with pytest.raises(TypeError, match="a lower bound of log p"):
        np.sum(default)


def test_the_estimates_of_any_model_hold_for_this_one(model, exact):
    for found in (
        from_prior(model, ALL, 2, n_samples=2000),
        annealed(model, ALL, 2, n_chains=8, n_steps=10, start="encoder"),
    ):
        assert np.abs((found.values - exact) / found.errors).mean() < 1.3


def test_samples_have_its_probabilities(model, exact):
    x = model.sample(50_000, rng=3)
    counts = np.bincount((x @ 2 ** np.arange(5, -1, -1)).astype(int), minlength=64)
    expected = 50_000 * np.exp(exact)
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 4 * np.sqrt(126)


def test_completion_by_metropolis_within_gibbs(model, exact):
    """To the exact law where that of Gibbs with the encoder's draws is another one."""
    known = np.array([True, False, True, False, True, True])
    start = np.array([1, 0, 0, 0, 1, 0.0])  # as much of the one as of the other component
    x = model.complete(np.repeat(start[None], 4000, 0), known, rng=4, sweeps=30)
    np.testing.assert_array_equal(x[:, known], np.repeat(start[None, known], 4000, 0))
    fits = (ALL[:, known] == start[known]).all(1)
    wanted = np.exp(exact[fits] - logsumexp(exact[fits]))
    frequency = [(x[:, ~known] == row[~known]).all(1).mean() for row in ALL[fits]]
    np.testing.assert_allclose(frequency, wanted, atol=4 * 0.5 / np.sqrt(4000))
    with pytest.raises(IntractableError, match=r"VAE\.complete"):
        model.sample_given(ALL, known, rng=0)


def test_without_the_correction_every_draw_is_taken(model):
    known = np.zeros(6, bool)
    x = model.complete(ALL, known, rng=5, sweeps=1, metropolis=False)
    rng = np.random.default_rng(5)
    first = model.encode(ALL).draw(1, rng)
    z = model.encode(ALL).draw(1, rng)
    assert not np.array_equal(first, z)
    np.testing.assert_array_equal(x, model._decode(z[:, 0], rng))


def test_a_unit_that_says_nothing_is_not_active(model):
    assert model.active_units(ALL).any()
    given = model.parameters()
    given["encoder__last__weight"] = given["encoder__last__weight"].copy()
    given["encoder__last__weight"][1] = 0  # the mean of the second latent variable
    deaf = VAE((6,), **given)
    assert deaf.active_units(ALL).tolist() == [model.active_units(ALL)[0], False]
    np.testing.assert_array_equal(deaf.represent(ALL)[:, 0], model.represent(ALL)[:, 0])


def test_goes_on_from_a_checkpoint_bit_for_bit(tmp_path):
    options = dict(
        n_latents=2,
        width=8,
        depth=2,
        objective=Objective("iwae", 3, warmup=20, dropout=0.1),
        how=Descent(iterations=30, batch=50, learning_rate=0.01, average=0.9, every=10),
        held_out=data(50, 1),
    )
    whole = VAE.fit(data(200, 0), **options)

    class Stopped(Exception):
        pass

    def stop(run):
        if run.i == 13:
            files.save(run, path)
            raise Stopped

    path = tmp_path / "run.npz"
    with pytest.raises(Stopped):
        VAE.fit(data(200, 0), checkpoint=path, progress=stop, **options)
    rest = VAE.fit(data(200, 0), checkpoint=path, **options)
    for name, value in whole.parameters().items():
        np.testing.assert_array_equal(rest.parameters()[name], value)


def test_round_trips(model, tmp_path):
    model.save(tmp_path / "vae.npz")
    for read in (generative.load(tmp_path / "vae.npz"), pickle.loads(pickle.dumps(model))):
        assert read.metadata == {"n_data": 4000, "seed": 0}
        np.testing.assert_array_equal(read.log_prob(ALL).values, model.log_prob(ALL).values)
    assert model.n_parameters == sum(v.size for k, v in model.parameters().items() if k != "offset")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"offset": np.zeros(5)}, r"offset must have shape \(6,\)"),
        ({"encoder__last__bias": np.zeros(3)}, r"encoder__last__weight must have shape \(2, 16\)"),
        ({"decoder__last__bias": np.zeros(7)}, r"decoder__last__bias must have shape \(6,\)"),
        ({"decoder__hidden__1__weight": np.zeros((9, 9))}, r"must have shape \(16, 16\)"),
        ({"likelihood__log_scale": np.zeros(6)}, "weights must have no scales"),
        ({"more": np.zeros(6)}, "arrays must be"),
        ({"decoder__last__bias": np.full(6, np.nan)}, "decoder__last__bias must be finite"),
    ],
)
def test_refuses_weights(model, change, told):
    with pytest.raises(ValueError, match=told):
        VAE((6,), **(model.parameters() | change))


def test_refuses_nonsense(model):
    with pytest.raises(ValueError, match="weights must be those of an autoencoder"):
        VAE((6,), offset=np.zeros(6), w=np.zeros(3))
    with pytest.raises(ValueError, match="x must hold 0 and 1 alone"):
        VAE.fit(np.full((4, 6), 0.5))
    with pytest.raises(ValueError, match="n_latents must be from 1"):
        VAE.fit(ALL, n_latents=0)
    with pytest.raises(TypeError, match="depth must be an integer"):
        VAE.fit(ALL, depth=1.5)
    with pytest.raises(ValueError, match="x must hold 0 and 1 alone"):
        model.elbo(np.full((4, 6), 2.0))
    with pytest.raises(ValueError, match=r"z must have shape \(64, s, 2\)"):
        model.log_joint(ALL, np.zeros((64, 1, 3)))
    with pytest.raises(ValueError, match="n_samples must be at least 2"):
        model.bound(ALL, n_samples=1)
    with pytest.raises(ValueError, match="sweeps must be at least 1"):
        model.complete(ALL, np.ones(6, bool), rng=0, sweeps=0)
