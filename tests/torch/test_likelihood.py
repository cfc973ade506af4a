"""The expected patch log-likelihood in torch: the value that NumPy gives, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends.gradient import log_prob_gradient, narrowed
from fastepll.backends.native import backend as native
from fastepll.backends.reference import backend as reference
from fastepll.models import GaussianMixture
from fastepll.priors import ICA

from ..scenes import noisy, scene, smooth_mixture

torch = pytest.importorskip("torch")

from fastepll.torch import expected_patch_log_likelihood as likelihood  # noqa: E402

MODEL = smooth_mixture()
COLOUR_MODEL = smooth_mixture(4, 3)
PLANE = noisy(scene(20, 23), 0.03)
COLOUR = np.stack([PLANE, 1 - PLANE, PLANE / 2])


def tensor(array, dtype=torch.float64):
    return torch.tensor(np.asarray(array), dtype=dtype, requires_grad=True)


def gradient(x, *args, **options):
    """With respect to an array, float64."""
    leaf = tensor(x)
    likelihood(leaf, *args, **options).sum().backward()
    return leaf.grad.numpy()


def error(found, exact):
    """Relative, in the norm."""
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("model", [MODEL, COLOUR_MODEL], ids=["gray", "colour"])
@pytest.mark.parametrize("name", ["native", "reference"])
def test_value_is_that_of_numpy(dtype, model, name):
    x = tensor(np.stack([COLOUR, COLOUR[::-1]]), dtype)
    values = likelihood(x, model, sigma=0.1, backend=name)
    assert (values.shape, values.dtype) == ((2,), torch.float64)
    for one, value in zip(x.detach().numpy(), values.tolist(), strict=True):
        assert value == fastepll.expected_patch_log_likelihood(
            one, sigma=0.1, model=model, channel_axis=0, data_range=1.0, backend=name
        )
    values.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, dtype)


def test_one_image_is_a_batch_of_one():
    batch, gray = likelihood(tensor(COLOUR[None]), MODEL), likelihood(tensor(PLANE), MODEL)
    one = likelihood(tensor(COLOUR), MODEL)
    assert (one.shape, gray.shape) == ((), ())
    assert one == batch[0]
    assert gray == likelihood(tensor(PLANE[None, None]), MODEL)[0]
    np.testing.assert_array_equal(gradient(COLOUR, MODEL), gradient(COLOUR[None], MODEL)[0])


@pytest.mark.parametrize(
    ("image", "model", "sigma"),
    [
        (PLANE, MODEL, 0.05),
        (PLANE[:9, :8], MODEL, 0.0),
        (COLOUR[None, :, :8, :9], MODEL, 0.1),
        (COLOUR[:, :6, :7], COLOUR_MODEL, 0.05),
    ],
    ids=["gray", "no noise", "opponent planes", "colour patches"],
)
def test_reference_gradient_is_the_derivative(image, model, sigma):
    def run(x):
        return likelihood(x, model, sigma=sigma, backend="reference")

    assert torch.autograd.gradcheck(run, tensor(image), rtol=1e-5, atol=1e-4)


def test_data_range_is_the_unit():
    inner = gradient(PLANE, MODEL, sigma=0.1, backend="reference")
    outer = gradient(255 * PLANE, MODEL, sigma=25.5, data_range=255, backend="reference")
    np.testing.assert_allclose(255 * outer, inner, rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 1e-5, 0.003, 0.02, 0.1])
@pytest.mark.parametrize("model", [MODEL, COLOUR_MODEL], ids=["gray", "colour"])
def test_gradient_of_all_backends(backend, sigma, model):
    """Whatever they leave out; here no patch has more than four components."""
    exact = gradient(COLOUR, model, sigma=sigma, backend="reference")
    assert error(gradient(COLOUR, model, sigma=sigma, backend=backend.name), exact) < 2e-3


@pytest.mark.parametrize(("sigma", "most"), [(0.0, 0.004), (0.02, 0.03), (0.1, 0.1)])
def test_figures_of_the_notes(sigma, most):
    """Under a mixture of many components, of which the pass takes four."""
    for image in (scene(40, 40), noisy(scene(40, 40), 0.02)):
        exact, found = (
            gradient(image, sigma=sigma, backend=name) for name in ("reference", "native")
        )
        assert error(found, exact) < most
        assert np.vdot(found, exact) > 0.998 * np.linalg.norm(found) * np.linalg.norm(exact)


def test_variance_of_all_directions_counts_as_noise():
    """Where float32 has no digits without noise, it has them when the mixture is narrowed."""
    wide = GaussianMixture(
        MODEL.weights,
        MODEL.eigenvectors,
        MODEL.eigenvalues + np.r_[np.full(MODEL.d - 1, 1e-5), 0],
        MODEL.patch_shape,
    )
    narrow, variance = narrowed(wide, 0.0)
    assert 1e-5 <= variance < 1.1e-5
    image = PLANE.astype(np.float32)
    exact = log_prob_gradient(PLANE, wide, 0.0, backend=reference, n_threads=1)
    same = log_prob_gradient(PLANE, narrow, variance, backend=reference, n_threads=1)
    np.testing.assert_allclose(same, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
    found = log_prob_gradient(image, wide, 0.0, backend=native, n_threads=2)
    assert found.dtype == np.float32  # not in NumPy
    assert error(found, exact) < 2e-3


def test_too_little_noise_is_for_float64():
    image = PLANE.astype(np.float32)
    found = log_prob_gradient(image, MODEL, 1e-8, backend=native, n_threads=1)
    exact = log_prob_gradient(image, MODEL, 1e-8, backend=reference, n_threads=1)
    np.testing.assert_array_equal(found, exact)


def test_variance_of_the_constant_patch_has_no_part():
    """As in the value, though a pass that estimates patches would see it."""
    d, side = 16, 4
    covariances = [0.01 * np.eye(d) + 0.1, 0.03 * np.eye(d) + 5.0]
    model = GaussianMixture.from_covariances([0.5, 0.5], covariances, (side, side))
    exact = gradient(PLANE, model, sigma=0.1, backend="reference")
    assert torch.autograd.gradcheck(
        lambda x: likelihood(x, model, sigma=0.1, backend="reference"), tensor(PLANE[:6, :6])
    )
    np.testing.assert_allclose(gradient(PLANE, model, sigma=0.1), exact, rtol=1e-4)


def test_a_flat_direction_is_no_constant_patch():
    """With variance along the constant patch and none along another direction."""
    basis = np.linalg.qr(np.c_[np.ones(4), np.eye(4)[:, :3]])[0][:, [1, 2, 0, 3]]
    values = np.array([0.05, 0.01, 0.01, 0.0])
    model = GaussianMixture([1.0], basis[None], values[None], (2, 2))
    exact = gradient(PLANE, model, sigma=2e-3, backend="reference")
    assert error(gradient(PLANE, model, sigma=2e-3), exact) < 1e-4


def test_prior_that_is_no_mixture():
    rng = np.random.default_rng(0)
    prior = ICA.fit(0.1 * rng.standard_normal((400, 9)), patch_shape=(3, 3), steps=3)
    x = tensor(PLANE[:6, :7])
    assert torch.autograd.gradcheck(lambda x: likelihood(x, prior, backend="reference"), x)
    assert likelihood(x, prior).item() == pytest.approx(
        fastepll.expected_patch_log_likelihood(PLANE[:6, :7], model=prior), rel=1e-6
    )
    with pytest.raises(ValueError, match="sigma must be 0 for a model that is no GaussianMixture"):
        likelihood(x, prior, sigma=0.1)


class WithoutScore:
    """A prior that can only be asked for a density."""

    patch_shape = (3, 3)

    def log_prob(self, patches):
        return -(patches**2).sum(axis=1)

    def denoise(self, patches, sigma, estimator):
        return patches


def test_prior_without_score():
    x = tensor(PLANE)
    assert likelihood(x.detach(), WithoutScore()) < 0
    with pytest.raises(TypeError, match="model must have score for this, WithoutScore has not"):
        likelihood(x, WithoutScore())


def test_no_gradient_unless_wanted(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a gradient that nobody wants")

    monkeypatch.setattr("fastepll.restoration.likelihood.log_prob_gradient", never)
    x = tensor(PLANE)
    with torch.no_grad():
        assert not likelihood(x, MODEL).requires_grad
    assert likelihood(x.detach(), MODEL) == likelihood(torch.tensor(PLANE), MODEL)
    with pytest.raises(AssertionError, match="nobody wants"):
        likelihood(x, MODEL)


def test_gradient_flows_through():
    """From a loss with other terms, of images with different weights, to what made them."""
    made, factor = tensor(np.stack([COLOUR, COLOUR[::-1]])), tensor(2.0)
    weights = torch.tensor([1.0, -3.0], dtype=torch.float64)
    loss = (weights * likelihood(factor * made, MODEL, sigma=0.1)).sum() + (made**2).sum()
    loss.backward()
    slopes = gradient(2 * made.detach().numpy(), MODEL, sigma=0.1)
    inner = weights.numpy()[:, None, None, None] * slopes
    np.testing.assert_allclose(made.grad, 2 * inner + 2 * made.detach().numpy(), rtol=1e-6)
    assert float(factor.grad) == pytest.approx(np.sum(inner * made.detach().numpy()), rel=1e-6)


def test_no_second_derivative():
    x = tensor(PLANE)
    (slope,) = torch.autograd.grad(likelihood(x, MODEL, sigma=0.1), x, create_graph=True)
    with pytest.raises(RuntimeError, match="has no second derivative"):
        slope.sum().backward()


def test_x_may_change_before_the_backward_step():
    x = tensor(PLANE)
    value = likelihood(x, MODEL)
    with torch.no_grad():
        x.zero_()
    value.backward()
    np.testing.assert_array_equal(x.grad, gradient(PLANE, MODEL))


@pytest.mark.parametrize(
    ("x", "options", "error", "match"),
    [
        (PLANE, {}, TypeError, "x must be a torch.Tensor, got ndarray"),
        (torch.ones(9, 9, dtype=torch.int64), {}, TypeError, "x must be of float16"),
        (torch.ones(9), {}, ValueError, r"x must be \(B, C, H, W\), \(C, H, W\) or \(H, W\)"),
        (torch.ones(1, 1, 1, 9, 9), {}, ValueError, r"got shape \(1, 1, 1, 9, 9\)"),
        (torch.full((9, 9), torch.nan), {}, ValueError, "x must be finite"),
        (torch.ones(4, 9), {}, ValueError, "image must be at least as large as the model's 6x6"),
        (torch.ones(2, 9, 9), {"model": COLOUR_MODEL}, ValueError, "must have the 3 channels"),
        (torch.ones(9, 9), {"sigma": -1.0}, ValueError, "sigma must be in"),
        (torch.ones(9, 9), {"backend": "cuda"}, ValueError, "backend must be one of"),
        (torch.ones(9, 9), {"model": 3}, TypeError, "model must be a name"),
        (torch.ones(9, 9), {"data_range": "auto"}, TypeError, "data_range must be a real number"),
        (torch.full((9, 9), 100.0), {"data_range": None}, ValueError, "data_range must be given"),
    ],
)
def test_bad_arguments(x, options, error, match):
    with pytest.raises(error, match=match):
        likelihood(x, **{"model": MODEL, **options})
