"""deepinv: our denoiser in its algorithms, its physics in restore, tensors in and out."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur, Identity, Mask, check_adjoint

from ..scenes import noisy, rms, scene, smooth_mixture

torch = pytest.importorskip("torch")

MODEL = smooth_mixture()
SIGMA = 0.1
CLEAN = scene(40, 48)
COLOUR = np.stack([CLEAN, 1 - CLEAN, CLEAN / 2])
BATCH = np.stack([noisy(COLOUR, SIGMA, seed) for seed in range(2)])
KERNEL = np.outer([0.1, 0.2, 0.4, 0.3], [0.5, 0.2, 0.3])


@pytest.fixture
def adapters(deepinv):
    """Our module, once deepinv can be imported."""
    import fastepll.deepinv

    return fastepll.deepinv


def tensor(array, dtype=torch.float32):
    return torch.tensor(np.asarray(array), dtype=dtype)


def blur(deepinv, sigma=0.0, padding="valid"):
    noise = deepinv.physics.GaussianNoise(sigma) if sigma else deepinv.physics.ZeroNoise()
    return deepinv.physics.Blur(tensor(KERNEL[None, None]), padding=padding, noise_model=noise)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_denoiser_is_denoise(adapters, dtype):
    x = tensor(BATCH, dtype)
    before = x.clone()
    result = adapters.Denoiser(MODEL, quality="fast")(x, SIGMA)
    assert (result.dtype, result.shape) == (x.dtype, x.shape)
    for one, expected in zip(result, x.numpy(), strict=True):
        wanted = fastepll.denoise(expected, SIGMA, model=MODEL, quality="fast", channel_axis=0)
        np.testing.assert_array_equal(one.numpy(), wanted)
    assert torch.equal(x, before)


@pytest.mark.parametrize("shape", [(2,), (2, 1, 1, 1)])
def test_noise_level_of_each_image(adapters, shape):
    denoiser, x = adapters.Denoiser(MODEL), tensor(BATCH)
    result = denoiser(x, torch.tensor([0.05, 0.2]).reshape(shape))
    for i, sigma in enumerate((0.05, 0.2)):
        assert torch.equal(result[i : i + 1], denoiser(x[i : i + 1], torch.tensor(sigma)))
    assert torch.equal(denoiser(x), torch.cat([denoiser(one[None], None) for one in x]))
    with pytest.raises(ValueError, match="sigma must have 1 value or 2"):
        denoiser(x, torch.ones(3))


def test_tensors_are_read_where_they_lie(adapters):
    from fastepll.torch._tensors import as_array

    x = tensor(BATCH)
    assert np.shares_memory(as_array("x", x), x.numpy())
    strided = x[:, :, ::2, 1:]
    result = adapters.Denoiser(MODEL)(strided, SIGMA)
    assert torch.equal(result, adapters.Denoiser(MODEL)(strided.contiguous(), SIGMA))


def test_bad_tensors(adapters):
    denoiser = adapters.Denoiser(MODEL)
    with pytest.raises(ValueError, match=r"x must be \(B, C, H, W\), got shape \(3, 40, 48\)"):
        denoiser(tensor(COLOUR), SIGMA)
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got ndarray"):
        denoiser(BATCH, SIGMA)
    with pytest.raises(TypeError, match="x must be of float16"):
        denoiser(tensor(BATCH).bfloat16(), SIGMA)
    with pytest.raises(ValueError, match="NaN"):
        denoiser(tensor(np.full((1, 1, 9, 9), np.nan)), SIGMA)


def test_a_gradient_is_refused_not_wrong(adapters):
    x = tensor(BATCH).requires_grad_()
    result = adapters.Denoiser(MODEL)(x, SIGMA)
    with pytest.raises(RuntimeError, match="no gradient"):
        result.sum().backward()


def test_plug_and_play(adapters, deepinv):
    torch.manual_seed(0)
    physics = blur(deepinv, 0.02, padding="circular")
    y = physics(tensor(CLEAN[None, None]))
    algorithm = deepinv.optim.optim_builder(
        "HQS",
        prior=deepinv.optim.PnP(adapters.Denoiser(MODEL, quality="fast")),
        data_fidelity=deepinv.optim.L2(),
        params_algo={"stepsize": [7.5, 2.0, 0.3], "g_param": [0.1, 0.05, 0.02]},
        max_iter=3,
        early_stop=False,
    )
    with torch.no_grad():
        restored = algorithm(y, physics)
    assert rms(restored.numpy() - CLEAN) < 0.65 * rms(y.numpy() - CLEAN)


def test_posterior_mean_through_the_score(adapters, deepinv):
    denoiser, x = adapters.Denoiser(MODEL), tensor(CLEAN[None, None])
    prior = deepinv.optim.ScorePrior(denoiser)
    score = prior.score(x, 0.1)
    assert torch.allclose(score, (denoiser(x, 0.1) - x) / 0.01)
    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(SIGMA))
    y = tensor(noisy(CLEAN, SIGMA)[None, None])
    sampler = deepinv.sampling.sampling_builder(
        "ULA",
        prior=deepinv.optim.ScorePrior(adapters.Denoiser(MODEL, quality="preview")),
        data_fidelity=deepinv.optim.L2(SIGMA),
        params_algo={"step_size": 4e-4, "alpha": 1.0, "sigma": 0.03},
        max_iter=60,
        thinning=1,
    )
    mean, variance = sampler.sample(y, physics, seed=0)
    assert rms(mean.numpy() - CLEAN) < 0.6 * SIGMA
    assert 0.01 < float(variance.mean().sqrt()) < SIGMA


def test_physics_is_the_operator(adapters, deepinv):
    physics, ours = blur(deepinv), Blur(KERNEL, CLEAN.shape, "valid")
    operator = adapters.from_physics(physics, CLEAN.shape)
    assert (operator.in_shape, operator.out_shape) == (ours.in_shape, ours.out_shape)
    check_adjoint(operator)
    y = operator.forward(CLEAN)
    assert y.dtype == np.float64  # that of the argument, though the physics computes in float32
    np.testing.assert_allclose(y, ours.forward(CLEAN), atol=1e-6)
    measured = physics(tensor(CLEAN[None, None]))[0, 0]
    restored = fastepll.restore(measured, operator, 0.0, model=MODEL)
    seen = ours.observed
    assert rms((restored - CLEAN)[seen]) < 0.5 * rms(y - CLEAN[seen])


def physics_of(deepinv, name):
    size = (1, *CLEAN.shape)
    if name == "mask":
        return deepinv.physics.Inpainting(size, mask=0.5)
    if name == "shrink":
        return deepinv.physics.Downsampling(size, filter="bicubic", factor=2)
    if name == "double":
        return blur(deepinv).double()
    return deepinv.physics.CompressedSensing(m=500, img_size=size)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mask", (40, 48)), ("shrink", (20, 24)), ("double", (37, 46)), ("sensing", (500,))],
)
def test_physics_of_all_kinds(adapters, deepinv, name, shape):
    torch.manual_seed(0)
    operator = adapters.from_physics(physics_of(deepinv, name), CLEAN.shape)
    assert operator.out_shape == shape
    check_adjoint(operator)
    restored = fastepll.restore(operator.forward(CLEAN), operator, 0.0, model=MODEL)
    assert rms(restored - CLEAN) < {"sensing": 0.1}.get(name, 0.025)


def test_single_precision_does_not_spoil_random_measurements(adapters, deepinv):
    torch.manual_seed(0)
    clean = scene(64, 64)
    physics = deepinv.physics.CompressedSensing(m=1024, img_size=(1, *clean.shape))
    operator = adapters.from_physics(physics, clean.shape)
    restored = fastepll.restore(operator.forward(clean), operator, 0.0, model=MODEL)
    assert rms(restored - clean) < 0.03  # 0.051 without Operator.least_tau


def test_physics_whose_operator_is_ours(adapters, deepinv):
    size = (1, *CLEAN.shape)
    mask = adapters.from_physics(physics_of(deepinv, "mask"), CLEAN.shape)
    assert isinstance(mask, Mask)
    assert 0.3 < mask.unknown.mean() < 0.7
    weighted = deepinv.physics.Inpainting(size, mask=tensor(np.full(size, 0.5)))
    operator = adapters.from_physics(weighted, CLEAN.shape)
    np.testing.assert_allclose(operator.forward(CLEAN), 0.5 * CLEAN, atol=1e-7)
    denoising = adapters.from_physics(deepinv.physics.Denoising(), CLEAN.shape)
    assert isinstance(denoising, Identity)
    assert adapters.from_physics(blur(deepinv), CLEAN.shape).kind == "blur"
    assert adapters.from_physics(physics_of(deepinv, "sensing"), CLEAN.shape).kind == "any"


def test_physics_shares_memory(adapters, deepinv):
    physics = deepinv.physics.LinearPhysics(A=lambda x: x, A_adjoint=lambda y: y)
    operator = adapters.from_physics(physics, CLEAN.shape)
    for dtype, shared in ((np.float32, True), (np.float64, False)):
        x = CLEAN.astype(dtype)
        assert np.shares_memory(operator.forward(x), x) == shared
        assert np.shares_memory(operator.adjoint(x), x) == shared


def test_physics_of_colour(adapters, deepinv):
    torch.manual_seed(0)
    physics = deepinv.physics.Inpainting((3, *CLEAN.shape), mask=0.5)
    with pytest.raises(ValueError, match=r"adjoint gives \(3, 40, 48\)"):
        adapters.from_physics(physics, CLEAN.shape)
    operator = adapters.from_physics(physics, (3, *CLEAN.shape))
    assert operator.out_shape == CLEAN.shape
    y = physics(tensor(COLOUR[None]))
    restored = fastepll.restore(y[0], operator, 0.0, channel_axis=0, model=MODEL)
    assert rms(restored - COLOUR) < 0.03
    by_model = adapters.Reconstructor(model=MODEL)(torch.cat([y, y]), physics)
    np.testing.assert_array_equal(by_model.numpy(), np.stack([restored, restored]))


def test_parameters_of_each_image(adapters, deepinv):
    """Masks, filters and sigma that are of one image each: as with a physics of each alone."""
    clean = tensor(np.stack([COLOUR, COLOUR[::-1].copy()]))
    masks = tensor(np.random.default_rng(0).random((2, 1, *CLEAN.shape)) < 0.6)
    physics = deepinv.physics.Inpainting((3, *CLEAN.shape), mask=masks.expand(2, 3, -1, -1))
    physics.noise_model = deepinv.physics.GaussianNoise(torch.tensor([0.0, 0.1]))
    filters = tensor(np.stack([KERNEL, KERNEL[::-1, ::-1]])[:, None])
    for i, one in enumerate((physics, deepinv.physics.Blur(filters, padding="circular"))):
        y, model = one.A(clean), adapters.Reconstructor(model=MODEL)
        result = model(y, one)
        for k in range(2):
            if i == 0:
                alone = deepinv.physics.Inpainting((3, *CLEAN.shape), mask=physics.mask[k])
                level = 0.1 * k
            else:
                alone, level = deepinv.physics.Blur(filters[k : k + 1], padding="circular"), 0.0
            expected = adapters.Reconstructor(level, model=MODEL)(y[k : k + 1], alone)
            assert rms((result[k] - expected[0]).numpy()) < 1e-4
        assert rms((result - clean).numpy()) < 0.05
    with pytest.raises(ValueError, match="n_images must be that of the physics' parameters"):
        adapters.from_physics(physics, (3, *CLEAN.shape))


def test_a_mask_for_each_channel(adapters, deepinv):
    physics = deepinv.physics.Demosaicing((3, *CLEAN.shape))
    y = physics(tensor(COLOUR[None]))
    restored = adapters.Reconstructor(model=MODEL)(y, physics)
    assert rms(restored.numpy()[0] - COLOUR) < 0.02
    known = physics.mask.numpy()[0] > 0
    np.testing.assert_array_equal(restored.numpy()[0][known], y.numpy()[0][known])


def test_reconstructor_of_gray(adapters, deepinv):
    torch.manual_seed(0)
    physics = blur(deepinv, 0.02)
    y = physics(tensor(CLEAN[None, None]))
    result = adapters.Reconstructor(model=MODEL)(y, physics)
    assert result.shape == (1, 1, *CLEAN.shape)
    given = adapters.Reconstructor(float(physics.noise_model.sigma), model=MODEL)(y, physics)
    assert torch.equal(result, given)
    assert rms(result.numpy() - CLEAN) < 0.06
    physics.noise_model = deepinv.physics.PoissonNoise()
    with pytest.raises(ValueError, match=r"sigma must be given .* got None and PoissonNoise"):
        adapters.Reconstructor()(y, physics)


def test_bad_physics(adapters, deepinv):
    image = (3, *CLEAN.shape)
    with pytest.raises(TypeError, match="physics must be a linear physics with A, got int"):
        adapters.from_physics(3, CLEAN.shape)
    nonlinear = deepinv.physics.Physics(A=torch.square)
    with pytest.raises(TypeError, match="with A_adjoint, got Physics"):
        adapters.from_physics(nonlinear, CLEAN.shape)
    with pytest.raises(ValueError, match="treat each channel for itself and all alike"):
        adapters.from_physics(deepinv.physics.Demosaicing(image), image)
    stacked = blur(deepinv).stack(blur(deepinv))
    with pytest.raises(TypeError, match="one real tensor, got TensorList"):
        adapters.from_physics(stacked, CLEAN.shape)
    fourier = deepinv.physics.LinearPhysics(A=torch.fft.fft2, A_adjoint=torch.fft.ifft2)
    with pytest.raises(TypeError, match=r"one real tensor, got dtype torch.complex64"):
        adapters.from_physics(fourier, CLEAN.shape)
    with pytest.raises(ValueError, match="in_shape must have 2 numbers"):
        adapters.from_physics(blur(deepinv), (1, 1, 40, 48))
