"""Denoising in torch: the values that NumPy gives, and the gradient of the piece they are on."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import scales
from fastepll.backends.passes import Pass
from fastepll.backends.reference import backend as reference
from fastepll.backends.transpose import transposed_enlarge, transposed_halve, transposed_pass
from fastepll.priors.torch_density import TorchDensity

from ..scenes import noisy, scene, smooth_mixture

torch = pytest.importorskip("torch")

from fastepll.torch import denoise  # noqa: E402

MODEL = smooth_mixture()
COLOUR_MODEL = smooth_mixture(4, 3)
SIGMA = 0.1
PLANE = scene(20, 23)
COLOUR = np.stack([PLANE, 1 - PLANE, PLANE**2])
NOISY = noisy(COLOUR, SIGMA)
ODD = fastepll.Settings(
    noise=(1.0, 0.3),
    blend=(0.6, 1.0),
    stride=3,
    selection="cascade",
    n_screen=4,
    n_refine=20,
    weighting="confidence",
    rank_tolerance=0.1,
    window_decay=0.7,
)
LARGE = noisy(np.stack([scene(101, 207), 1 - scene(101, 207), scene(101, 207) ** 2]), SIGMA)
QUALITIES = ["exact", "learned", "high", "balanced", "fast", "preview"]


def tensor(array, dtype=torch.float64):
    return torch.tensor(np.asarray(array), dtype=dtype, requires_grad=True)


def weights_like(x, seed=0):
    return np.random.default_rng(seed).standard_normal(x.shape)


def pulled(x, weights, **options):
    """Gradient of the weighted sum of the restored pixels."""
    leaf = tensor(x)
    (denoise(leaf, SIGMA, **options) * torch.tensor(weights)).sum().backward()
    return leaf.grad.numpy()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("model", [MODEL, COLOUR_MODEL], ids=["gray", "colour"])
@pytest.mark.parametrize("name", ["native", "reference"])
def test_values_are_those_of_numpy(dtype, model, name):
    options = {"model": model, "quality": "high", "backend": name}
    x = tensor(np.stack([NOISY, NOISY[::-1]]), dtype)
    sigma = torch.tensor([0.1, 0.2])
    recorded = denoise(x, sigma, **options)
    with torch.no_grad():
        plain = denoise(x, sigma, **options)
    assert recorded.requires_grad
    assert not plain.requires_grad
    assert (recorded.dtype, recorded.shape) == (dtype, x.shape)
    for one, level, other, image in zip(recorded, sigma, plain, x, strict=True):
        array = image.detach().numpy()
        wanted = fastepll.denoise(array, float(level), channel_axis=0, data_range=1.0, **options)
        np.testing.assert_array_equal(one.detach().numpy(), wanted)
        np.testing.assert_array_equal(other.numpy(), wanted)
    recorded.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, dtype)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("model", [MODEL, COLOUR_MODEL], ids=["gray", "colour"])
def test_the_recording_changes_nothing(quality, model):
    if quality == "learned" and model is COLOUR_MODEL:
        pytest.skip("of gray patches alone")
    x = tensor(LARGE)
    wanted = fastepll.denoise(LARGE, SIGMA, model=model, quality=quality, channel_axis=0)
    found = denoise(x, SIGMA, model=model, quality=quality)
    np.testing.assert_array_equal(found.detach().numpy(), wanted)


@pytest.mark.parametrize(
    ("image", "model", "quality"),
    [
        (NOISY[0], MODEL, "exact"),
        (NOISY[0], MODEL, ODD),
        (NOISY[None], MODEL, ODD),
        (NOISY, COLOUR_MODEL, "exact"),
        (NOISY, MODEL, "learned"),
    ],
    ids=["exact", "every option", "opponent planes", "colour patches", "guided"],
)
def test_reference_gradient_is_the_derivative(image, model, quality):
    def run(x):
        return denoise(x, SIGMA, model=model, quality=quality, backend="reference")

    assert torch.autograd.gradcheck(run, tensor(image), fast_mode=True)


@pytest.mark.parametrize("quality", ["high", "balanced", "preview"])
@pytest.mark.parametrize("model", [MODEL, COLOUR_MODEL], ids=["gray", "colour"])
def test_gradient_of_several_scales(quality, model):
    """Along a direction, in images whose halves correct them."""
    options = {"model": model, "quality": quality, "backend": "reference"}
    image = LARGE[:, :97, :103]
    weights, way, step = weights_like(image), weights_like(image, 1), 1e-7
    assert pulled(image, weights, **options).shape == image.shape

    def along(t):
        moved = image + t * way
        return np.vdot(weights, fastepll.denoise(moved, SIGMA, channel_axis=0, **options))

    difference = (along(step) - along(-step)) / (2 * step)
    assert np.vdot(pulled(image, weights, **options), way) == pytest.approx(difference, rel=1e-5)
    alone = pulled(image, weights, n_scales=1, **options)
    assert abs(np.vdot(alone, way) / difference - 1) > 1e-3


@pytest.mark.parametrize("quality", QUALITIES)
def test_native_gradient(quality):
    """That of the components that it chose; those of near ties may be others.

    A response that lies beside a knot of "learned" has the slope of the other side.
    """
    image = LARGE[:2, :60, :70]
    for model, most in ((MODEL, 1e-3 if quality == "learned" else 1e-5), ("gray-8x8-200", 0.01)):
        weights = weights_like(image)
        exact, found = (
            pulled(image, weights, model=model, quality=quality, backend=name)
            for name in ("reference", "native")
        )
        assert np.linalg.norm(found - exact) < most * np.linalg.norm(exact)


def test_sizes_that_are_restored_one_after_another(monkeypatch):
    """As those of large images are: in memory that is used more than once. Here there are three."""
    image = noisy(np.stack([scene(194, 193)] * 3), SIGMA)
    weights, options = weights_like(image), {"model": COLOUR_MODEL, "quality": "preview"}
    together = pulled(image, weights, **options)
    monkeypatch.setattr("fastepll.solver.half_quadratic.TOGETHER", 1)
    monkeypatch.setattr("fastepll.restoration.denoiser.TOGETHER", 1)
    np.testing.assert_allclose(pulled(image, weights, **options), together, atol=1e-12)
    two = pulled(image, weights, n_scales=2, **options)
    assert np.abs(two - together).max() > 1e-3


def test_transposes_of_the_scales():
    rng = np.random.default_rng(0)
    for shape in ((9, 14), (8, 7), (70, 3)):
        half = shape[0] // 2, shape[1] // 2
        x, small = rng.standard_normal(shape), rng.standard_normal(half)
        halved = scales.halve(x, np.empty(half))
        assert np.vdot(halved, small) == pytest.approx(np.vdot(x, transposed_halve(small, shape)))
        enlarged = np.zeros(shape)
        scales.add_coarse(enlarged, small, 1.0, np.empty(half))
        assert np.vdot(enlarged, x) == pytest.approx(np.vdot(small, transposed_enlarge(x, half)))


@pytest.mark.parametrize("weighting", ["uniform", "confidence"])
def test_transpose_of_a_pass(weighting):
    """<P x, y> = <x, Pᵀ y> for an x that the pass chose the components of."""
    step = Pass(noise_var=0.01, stride=2, shift=(1, 0), weighting=weighting, window_decay=1.0)
    x, y = NOISY, weights_like(NOISY)
    chosen = reference.select(x, COLOUR_MODEL, step, n_threads=1)
    assert len(np.unique(chosen)) > 1
    forth = reference.prior_pass(x, COLOUR_MODEL, step, n_threads=1)
    back = transposed_pass(y, chosen, COLOUR_MODEL, step)
    assert np.vdot(forth, y) == pytest.approx(np.vdot(x, back))


def test_data_range_is_the_unit():
    weights = weights_like(NOISY)
    wide = tensor(255 * NOISY)
    result = denoise(wide, 255 * SIGMA, model=MODEL, data_range=255, backend="reference")
    (result * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(
        wide.grad, pulled(NOISY, weights, model=MODEL, backend="reference"), atol=1e-10
    )


def test_without_noise_it_is_the_identity():
    x = tensor(NOISY)
    result = denoise(x, 0.0, model=MODEL)
    assert torch.equal(result, x)
    result.backward(torch.tensor(weights_like(NOISY)))
    np.testing.assert_array_equal(x.grad, weights_like(NOISY))


def test_twice_back_and_no_second_derivative():
    x = tensor(NOISY)
    result = denoise(x, SIGMA, model=MODEL)
    with torch.no_grad():
        x.zero_()
    loss = (result**2).sum()
    (first,) = torch.autograd.grad(loss, x, retain_graph=True)
    (again,) = torch.autograd.grad(loss, x, create_graph=True)
    assert torch.equal(first, again)
    with pytest.raises(RuntimeError, match="denoise of fastepll has no second derivative"):
        again.sum().backward()


def test_a_network_learns_through_it():
    """The gain of an image that is restored too smooth, found by descent."""
    gain = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    clean, given = torch.tensor(COLOUR), torch.tensor(NOISY)
    optimizer = torch.optim.SGD([gain], lr=1.0)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = (denoise(gain * given, SIGMA, model=MODEL, quality="fast") - clean).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    assert abs(gain.item() - 1) < 0.1


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"sigma": None}, ValueError, "sigma must be a number for the gradient .* got None"),
        ({"sigma": np.full((20, 23), 0.1)}, ValueError, "gradient of denoise, got an array"),
        ({"sigma": torch.ones(2)}, ValueError, "sigma must have 1 value or 1"),
        ({"sigma": torch.ones(1, requires_grad=True)}, ValueError, "sigma must not require"),
        ({"sigma": -1.0}, ValueError, "sigma must be >= 0"),
        ({"model": TorchDensity(torch.square, (3, 3))}, TypeError, "expected_patch_log_likelihood"),
        (
            {"quality": fastepll.Settings(noise=[1], blend=[1], estimator="top_mean")},
            ValueError,
            "quality must have estimator 'map' where a gradient is wanted, got 'top_mean'",
        ),
        ({"quality": "best"}, ValueError, "quality must be one of"),
        ({"backend": "cuda"}, ValueError, "backend must be one of"),
        ({"data_range": "auto"}, TypeError, "data_range must be a real number or None"),
    ],
)
def test_bad_arguments(options, error, match):
    with pytest.raises(error, match=match):
        denoise(tensor(NOISY), **{"sigma": SIGMA, "model": MODEL, **options})


def test_what_needs_no_gradient_may_be_more():
    x = tensor(NOISY)
    mean = fastepll.Settings(noise=[1], blend=[1], estimator="top_mean")
    with torch.no_grad():
        for sigma, quality in ((None, "fast"), (SIGMA, mean)):
            found = denoise(x, sigma, model=MODEL, quality=quality).numpy()
            wanted = fastepll.denoise(NOISY, sigma, model=MODEL, quality=quality, channel_axis=0)
            np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ValueError, match="image must be finite"):
        denoise(torch.full((9, 9), torch.nan), SIGMA, model=MODEL)
    with pytest.raises(TypeError, match="x must be of float16"):
        denoise(torch.ones(9, 9, dtype=torch.int32), SIGMA, model=MODEL)
