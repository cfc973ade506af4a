"""The flow: its inverse, its determinant, what it represents patches by."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.models.protocol import IntractableError
from fastepll.priors import MAF, Gaussian
from fastepll.train.descent import Descent

from .autoregressive import FLOWS, rough

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", FLOWS)
def test_inverse(name):
    prior = rough(name, (2, 3))
    patches = prior.sample(20, rng=0)
    z = prior.represent(patches)
    np.testing.assert_allclose(prior.from_latent(z), patches, atol=1e-10 * abs(patches).max())
    normal = np.random.default_rng(1).standard_normal((20, 5))
    np.testing.assert_allclose(prior.represent(prior.from_latent(normal)), normal, atol=1e-10)


@pytest.mark.parametrize("name", FLOWS)
def test_determinant(name):
    flow = rough(name, (2, 3)).network
    y = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, log_det = flow.latent(y)
    for row, found in zip(y, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: flow.latent(x[None])[0][0], row)
        assert float(found) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-10)


@pytest.mark.parametrize("name", FLOWS)
def test_layers_are_triangular(name):
    layer = rough(name, (2, 3)).network.layers[0]
    y = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x[None])[0][0], y).numpy()
    np.testing.assert_array_equal(jacobian != 0, np.tri(5, dtype=bool))


def test_learns_what_no_gaussian_knows():
    """Patches bent along a parabola: what represents them is white."""

    def draw(rng, n):
        a, b = rng.standard_normal((2, n))
        return np.stack([a, b + a**2, -a - b - a**2], axis=1)

    how = Descent(iterations=300, batch=200, learning_rate=1e-2, average=0.98)
    prior = MAF.fit(draw, patch_shape=(1, 3), n_layers=3, hidden=24, how=how)
    test = draw(np.random.default_rng(1), 4000)
    normals = np.stack([test[:, 0], test[:, 1] - test[:, 0] ** 2])
    truth = -0.5 * (normals**2 + np.log(2 * np.pi)).sum(0).mean()
    truth += np.linalg.slogdet(prior.basis[:2])[1]  # in coordinates
    gaussian = Gaussian.fit(test, patch_shape=(1, 3)).log_prob(test).mean()
    assert truth - gaussian > 0.5
    assert truth - 0.02 < prior.log_prob(test).mean() < truth
    z = prior.represent(test)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.1)


def test_completes_nothing():
    with pytest.raises(IntractableError, match="orders of its layers differ"):
        rough("maf", (1, 3)).sample_given(np.zeros((1, 3)), np.arange(3) < 1, rng=0)
    with pytest.raises(ValueError, match=r"z must have shape \(None, 2\)"):
        rough("maf", (1, 3)).from_latent(np.zeros((1, 3)))


def test_refuses_layers_that_do_not_go_together():
    given = dict(rough("maf", (1, 3)).parameters())
    with pytest.raises(ValueError, match="shift must hold numbers of shape"):
        MAF((1, 3), **{**given, "shift": np.zeros((10**6, 2))})
    given.pop("layers__1__network__first__weight")
    with pytest.raises(ValueError, match="arrays must be"):
        MAF((1, 3), **given)
