"""Patches with channels, and log densities of patches: every backend against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import load_model
from fastepll.backends import get_backend
from fastepll.backends.passes import Pass
from fastepll.backends.reference import backend as reference
from fastepll.backends.reference import extract

from ..near_ties import assert_pass_agrees
from ..scenes import noisy, scene, smooth_mixture

CASCADE = {"selection": "cascade", "n_screen": 4, "n_refine": 20, "middle_margin": 2.0}
STEPS = [
    Pass(noise_var=0.01),
    Pass(noise_var=0.01, stride=3, shift=(1, 2), window_decay=0.7, rank_tolerance=0.5, **CASCADE),
    Pass(noise_var=0.02, stride=2, estimator="top_mean", weighting="confidence"),
]


def coloured(channels: int, height: int = 37, width: int = 29) -> np.ndarray:
    planes = [noisy(scene(height, width) * (0.5 + 0.2 * c), 0.1, seed=c) for c in range(channels)]
    return np.ascontiguousarray(planes)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("side", "channels"), [(4, 3), (5, 2), (8, 3)])
def test_passes_agree_with_the_definition(backend, side, channels, step):
    model, image = smooth_mixture(side, channels), coloured(channels)
    noisy = image[..., ::-1].astype(backend.dtype)
    assert_pass_agrees(backend, image, model, step, atol=3e-6, blend=0.7, noisy=noisy)


def test_definition_of_channels():
    # Without noise in the prior's way, each channel of a patch is filtered by its own block.
    gray, colour = smooth_mixture(5), smooth_mixture(5, 1)
    image = coloured(1)
    step = STEPS[1]
    one = reference.prior_pass(image[0], gray, step, n_threads=1)
    same = reference.prior_pass(image, colour, step, n_threads=1)
    assert np.abs(one - same[0]).max() < 1e-12


def test_one_channel_is_an_axis_of_its_own(backend):
    x, gray, colour = coloured(1).astype(backend.dtype), smooth_mixture(5), smooth_mixture(5, 1)
    for method, options in (
        ("prior_pass", {"step": STEPS[1]}),
        ("select", {"step": STEPS[1]}),
        ("log_probs", {"noise_var": 0.01}),
    ):
        call = getattr(backend, method)
        one = call(x[0], gray, **options, n_threads=2)
        same = call(x, colour, **options, n_threads=2)
        np.testing.assert_array_equal(same.reshape(one.shape), one)


@pytest.mark.parametrize("step", STEPS)
def test_bits_do_not_depend_on_threads(isa, n_threads, step):
    backend = get_backend("native")
    model, image = smooth_mixture(8, 3), coloured(3).astype(np.float32)
    one = backend.prior_pass(image, model, step, n_threads=1)
    assert np.array_equal(backend.prior_pass(image, model, step, n_threads=n_threads), one)


@pytest.mark.parametrize("noise_var", [0.0, 0.01])
@pytest.mark.parametrize(("side", "channels"), [(8, 0), (5, 0), (4, 3)])
def test_log_probs(backend, side, channels, noise_var):
    model = smooth_mixture(side, channels)
    image = coloured(channels) if channels else coloured(1)[0]
    patches, _ = extract(image, model.patch_shape)
    axes = np.linalg.svd(np.eye(model.d) - 1 / model.d)[0][:, :-1]
    expected = np.full(len(patches), -np.inf)
    for weight, covariance in zip(model.weights, model.covariances, strict=True):
        inside = axes.T @ covariance @ axes + noise_var * np.eye(model.d - 1)
        z = patches @ axes
        quadratic = np.einsum("ni,ni->n", z, np.linalg.solve(inside, z.T).T)
        constant = np.linalg.slogdet(2 * np.pi * inside)[1]
        expected = np.logaddexp(expected, np.log(weight) - 0.5 * (quadratic + constant))
    x = image.astype(backend.dtype)
    found = backend.log_probs(x, model, noise_var, n_threads=2).ravel()
    assert np.abs(found - expected).max() < 3e-6 * np.abs(expected).max()


def test_log_probs_of_the_shipped_prior(backend):
    model, image = load_model("gray-8x8-200"), scene(24, 31) * 0.5
    image += np.random.default_rng(0).uniform(0, 1 / 255, image.shape)
    patches, _ = extract(image, model.patch_shape)
    expected = model.log_prob(patches)
    found = backend.log_probs(image.astype(backend.dtype), model, 0.0, n_threads=2).ravel()
    assert np.abs(found - expected).max() < 1e-2  # of some hundred nats, with variances of 1e-6
