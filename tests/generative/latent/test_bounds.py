"""Bounds in their order, and their gradients, where all is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.models.networks import fill
from fastepll.priors._vae.objective import ELBO, Objective
from fastepll.priors.ais import log_mean_exp

from .affine import affine

torch = pytest.importorskip("torch")
loss = pytest.importorskip("fastepll.priors._vae.bounds").loss
SCORE = Objective(n_samples=4, gradient="score")


def off_by_a_bit(n=1):
    """An affine autoencoder, the PCA that it is, n copies of a patch, and its coordinates."""
    vae, pca = affine(off=0.12)
    patches = np.repeat(vae.sample(1, rng=3), n, axis=0)
    return vae, pca, patches, patches @ vae.basis


def test_with_the_posterior_for_an_encoder_every_draw_gives_log_p():
    vae, pca = affine()
    patches = vae.sample(6, rng=1)
    exact = pca.log_prob(patches @ vae.basis)
    np.testing.assert_allclose(
        vae._log_weights_of(patches @ vae.basis, 5, np.random.default_rng(0)),
        np.repeat(exact[:, None], 5, 1),
        atol=2e-6,
    )  # of float32
    value, error = vae.estimate_log_prob(patches, n_chains=5)
    np.testing.assert_allclose(value, exact, atol=1e-6)
    assert error.max() < 1e-6


def test_bounds_are_in_their_order_and_where_they_should_be():
    vae, pca, patches, c = off_by_a_bit(20_000)
    log_p = pca.log_prob(c[:1])[0]
    exact = pca.elbo(c[:1], lambda rows: vae.encode(patches[:1])).values[0]
    found = {1: vae.elbo(patches, rng=0).values}
    for k in (2, 10, 100):
        n = 20_000 // k
        weights = vae._log_weights_of(c[:n], k, np.random.default_rng(k))
        found[k] = log_mean_exp(weights)[0]
    mean = {k: value.mean() for k, value in found.items()}
    error = {k: value.std() / np.sqrt(len(value)) for k, value in found.items()}
    assert abs(mean[1] - exact) < 4 * error[1]
    assert exact < log_p - 0.3
    for less, more in ((1, 2), (2, 10), (10, 100)):
        assert mean[more] - mean[less] > 3 * (error[more] + error[less])
    assert mean[100] < log_p + 4 * error[100]
    assert mean[100] > log_p - 0.03


def test_terms_of_the_bound():
    vae, pca, patches, c = off_by_a_bit()
    exact = pca.elbo(c, lambda rows: vae.encode(patches))
    found = vae.elbo(patches, rng=0, n_samples=20_000)
    np.testing.assert_allclose(found.divergence, exact.divergence, rtol=1e-6)
    np.testing.assert_allclose(found.reconstruction, exact.reconstruction, atol=0.05)


def gradient(vae, x, objective, seed):
    """That of the loss in the encoder's bias, by means and log scales of the latent variables."""
    network = vae.build().double()
    fill(network, {k: v for k, v in vae.parameters().items() if k != "spread"})
    generator = torch.Generator().manual_seed(seed)
    loss(network, torch.from_numpy(x), objective, generator).mean().backward()
    return network.encoder.last.bias.grad.numpy()


@pytest.mark.parametrize("objective", [ELBO, Objective(n_samples=4), SCORE])
def test_gradients_are_unbiased(objective):
    vae, pca, patches, c = off_by_a_bit(50)
    q = vae.encode(patches[:1])
    mean, scale = q.mean[0], np.diag(q.root[0])
    w, variance = pca.factors, pca.variance
    down = mean - w.T @ (c[0] - w @ mean) / variance
    exact = np.concatenate([down, scale**2 * (1 + (w**2).sum(0) / variance) - 1])
    found = np.array([gradient(vae, c, objective, seed) for seed in range(60)])
    error = found.std(0) / np.sqrt(60)
    assert (abs(found.mean(0) - exact) < 4 * error + 1e-6).all()
    assert error.max() < 0.1 * abs(exact).max()


def test_the_score_has_the_greater_variance():
    vae, _, _, c = off_by_a_bit(50)
    spread = {
        name: np.array(
            [gradient(vae, c, Objective(n_samples=4, gradient=name), seed) for seed in range(30)]
        )
        .var(0)
        .sum()
        for name in ("reparameterisation", "score")
    }
    assert spread["score"] > 3 * spread["reparameterisation"]


def test_both_gradients_are_of_the_same_loss():
    vae, _, _, c = off_by_a_bit(5)
    values = [
        loss(vae.network, torch.from_numpy(c), objective, torch.Generator().manual_seed(0))
        for objective in (SCORE, Objective(n_samples=4))
    ]
    torch.testing.assert_close(*values)


def test_warm_up_weighs_the_divergence():
    vae, _, patches, c = off_by_a_bit(5)
    with_all, without = (
        loss(vae.network, torch.from_numpy(c), ELBO, torch.Generator().manual_seed(0), weight)
        for weight in (1.0, 0.0)
    )
    np.testing.assert_allclose(with_all - without, vae.elbo(patches).divergence, rtol=1e-6)
    assert [Objective(warmup=4).weight(i) for i in (0, 1, 4, 9)] == [0, 0.25, 1, 1]
    assert ELBO.weight(0) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bound": "elba"}, "bound must be one of"),
        ({"gradient": "none"}, "gradient must be one of"),
        ({"gradient": "score"}, "needs the bound 'elbo' and 2 samples"),
        ({"gradient": "score", "bound": "iwae", "n_samples": 5}, "needs the bound 'elbo'"),
        ({"n_samples": 0}, "n_samples must be at least 1"),
        ({"warmup": -1}, "warmup must be at least 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_refuses_objectives(options, told):
    with pytest.raises(ValueError, match=told):
        Objective(**options)
