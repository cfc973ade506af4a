"""expected_patch_log_likelihood and objective: against the mixture's own density, in all units."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture(5)
CLEAN = scene(24, 30)


def patches(image: np.ndarray, side: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    z = windows.reshape(-1, side * side).astype(np.float64)
    return z - z.mean(axis=1, keepdims=True)


def test_sum_over_all_patches(backend):
    expected = MODEL.log_prob(patches(CLEAN, 5)).sum()
    found = fastepll.expected_patch_log_likelihood(CLEAN, model=MODEL, backend=backend.name)
    assert found == pytest.approx(expected, rel=2e-6)


def test_units_and_noise():
    image = np.round(255 * noisy(CLEAN, 0.05)).clip(0, 255).astype(np.uint8)
    as_float = fastepll.expected_patch_log_likelihood(image / 255, model=MODEL, sigma=0.05)
    as_bytes = fastepll.expected_patch_log_likelihood(image, model=MODEL, sigma=0.05 * 255)
    assert as_bytes == pytest.approx(as_float, rel=1e-6)
    assert as_bytes > fastepll.expected_patch_log_likelihood(image, model=MODEL)


def test_colour_is_the_sum_over_opponent_planes_or_of_colour_patches():
    colour = np.stack([CLEAN, 0.5 * CLEAN, 0.3 + 0.2 * CLEAN], -1)
    mean = colour.mean(axis=-1)
    others = [
        (colour @ w) / np.sqrt(np.dot(w, w)) for w in (np.array([1, 0, -1]), np.array([1, -2, 1]))
    ]
    expected = sum(MODEL.log_prob(patches(plane, 5)).sum() for plane in (mean, *others))
    found = fastepll.expected_patch_log_likelihood(colour, model=MODEL, channel_axis=-1)
    assert found == pytest.approx(expected, rel=1e-5)
    model = smooth_mixture(4, 3)
    windows = np.lib.stride_tricks.sliding_window_view(colour, (4, 4), axis=(0, 1))
    z = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 48)
    expected = model.log_prob(z - z.mean(axis=1, keepdims=True)).sum()
    found = fastepll.expected_patch_log_likelihood(colour, model=model, channel_axis=-1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_objective_is_data_term_minus_prior():
    operator = Blur(np.full((3, 3), 1 / 9), CLEAN.shape, "valid")
    y = noisy(operator.forward(CLEAN), 0.02)
    found = fastepll.objective(CLEAN, y, operator, sigma=0.02, model=MODEL)
    residual = np.sum((operator.forward(CLEAN) - y) ** 2)
    prior = fastepll.expected_patch_log_likelihood(CLEAN, model=MODEL)
    assert found == pytest.approx(25 / (2 * 0.02**2) * residual - prior, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"sigma": 0.0}, "sigma must be > 0"),
        ({"y": CLEAN[1:]}, r"y must have the shape \(24, 30\).*\(23, 30\)"),
        ({"operator": Blur(np.ones((3, 3)) / 9, (25, 30))}, r"operator's \(25, 30\) pixels"),
        ({"image": np.full_like(CLEAN, np.nan)}, "image must be finite"),
    ],
)
def test_bad_arguments(arguments, text):
    given = {"image": CLEAN, "y": CLEAN, "sigma": 0.1, "model": MODEL, **arguments}
    with pytest.raises(ValueError, match=text):
        fastepll.objective(**given)


def test_a_prior_with_flat_directions_needs_noise():
    flat = fastepll.GaussianMixture(
        [1.0], np.eye(9)[None], np.array([[1.0] * 5 + [0.0] * 4]), (3, 3)
    )
    with pytest.raises(ValueError, match="model must have no flat direction"):
        fastepll.expected_patch_log_likelihood(CLEAN, model=flat)
    assert np.isfinite(fastepll.expected_patch_log_likelihood(CLEAN, model=flat, sigma=0.1))


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match="operator must be an Operator or None, got float"):
        fastepll.objective(
            np.ones((9, 9)), np.ones((9, 9)), 0.5, sigma=0.1, model=smooth_mixture(3)
        )
