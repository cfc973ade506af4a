"""restore, deblur, inpaint, super_resolve: what they reach, and every kind of array."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator

import fastepll
from fastepll.operators import (
    Blur,
    Diagonal,
    Downsample,
    Identity,
    Mask,
    Operator,
    bicubic_kernel,
    from_linear_operator,
)
from fastepll.restoration.restore import Iteration

from ..near_ties import assert_alike
from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene()
SIGMA = 0.01
RNG = np.random.default_rng(4)
KERNEL = np.outer([1, 2, 3, 2, 1], [1, 1, 1, 1, 1, 1, 1]) / 63
UNKNOWN = RNG.random(CLEAN.shape) < 0.7
GAIN = np.linspace(0.2, 1, CLEAN.shape[1]) * np.ones(CLEAN.shape)


def db(image: np.ndarray, clean: np.ndarray = CLEAN) -> float:
    return -20 * np.log10(rms(image - clean))


def cosines(n_kept: int) -> Operator:
    """A user's own operator: the lowest and some random cosine coefficients."""
    rng = np.random.default_rng(5)
    rank = rng.random(CLEAN.shape)
    rank[:8, :8] = 0
    kept = np.argsort(rank.ravel())[:n_kept]

    def forward(x):
        return dctn(x.reshape(CLEAN.shape), norm="ortho").ravel()[kept]

    def adjoint(y):
        coefficients = np.zeros(CLEAN.size, y.dtype)
        np.add.at(coefficients, kept, y.ravel())
        return idctn(coefficients.reshape(CLEAN.shape), norm="ortho").ravel()

    shape = (n_kept, CLEAN.size)
    linear = LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.float32)
    return from_linear_operator(linear, CLEAN.shape)


# operator, dB that the guess and the result must have
CASES = {
    "identity": (Identity(CLEAN.shape), 39, 42),
    "mask": (Mask(UNKNOWN), 25, 30),
    "diagonal": (Diagonal(GAIN), 30, 38),
    "periodic": (Blur(KERNEL, CLEAN.shape), 20, 24),
    "reflect": (Blur(KERNEL, CLEAN.shape, "reflect"), 20, 24),
    "valid": (Blur(KERNEL, CLEAN.shape, "valid"), 20, 24),
    "downsample": (Downsample(bicubic_kernel(2), CLEAN.shape, 2), 24, 28),
    "composition": (Mask(UNKNOWN) @ Blur(KERNEL, CLEAN.shape), 18, 22),
    "cosines": (cosines(CLEAN.size // 2), 20, 24),
}


@pytest.mark.parametrize("name", CASES)
def test_restores(name):
    operator, guess_db, result_db = CASES[name]
    y = noisy(operator.forward(CLEAN), SIGMA)
    guess = operator.guess(y, SIGMA)
    result = fastepll.restore(y, operator, SIGMA, model=MODEL)
    print(name, db(guess), db(result))
    assert db(guess) > guess_db
    assert db(result) > result_db


def test_deblur_returns_what_was_observed():
    operator = Blur(KERNEL, CLEAN.shape, "valid")
    y = noisy(operator.forward(CLEAN), SIGMA)
    whole = fastepll.restore(y, operator, SIGMA, model=MODEL)
    cut = fastepll.deblur(y, KERNEL, SIGMA, model=MODEL)
    assert whole.shape == CLEAN.shape
    np.testing.assert_array_equal(cut, whole[operator.observed])
    for boundary in ("periodic", "reflect"):
        same = fastepll.restore(y, Blur(KERNEL, y.shape, boundary), SIGMA, model=MODEL)
        found = fastepll.deblur(y, KERNEL, SIGMA, boundary=boundary, model=MODEL)
        np.testing.assert_array_equal(found, same)


def test_inpaint_keeps_known_pixels_without_noise():
    y = np.where(UNKNOWN, np.nan, CLEAN)
    result = fastepll.inpaint(y, UNKNOWN, model=MODEL)
    np.testing.assert_array_equal(result[~UNKNOWN], CLEAN[~UNKNOWN])
    assert db(result) > 30
    other = fastepll.inpaint(np.where(UNKNOWN, 0.7, CLEAN), UNKNOWN, model=MODEL)
    np.testing.assert_array_equal(other, result)


def test_super_resolve_with_the_default_kernel():
    operator = Downsample(bicubic_kernel(3), (63, 78), 3)
    y = operator.forward(CLEAN[:63, :78])
    result = fastepll.super_resolve(y, 3, model=MODEL)
    same = fastepll.super_resolve(y, 3, 0.0, kernel=bicubic_kernel(3), model=MODEL)
    np.testing.assert_array_equal(result, same)
    assert db(result, CLEAN[:63, :78]) > 22


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "uint8", "uint16"])
def test_every_dtype(dtype):
    scale = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    y = (np.clip(noisy(CLEAN, SIGMA), 0, 1) * scale).astype(dtype)
    same = y.astype(float) / scale
    assert fastepll.inpaint(y, UNKNOWN, SIGMA * scale, model=MODEL).dtype == np.dtype(dtype)
    step = 0.51 / scale if scale > 1 else 2e-3 if dtype == "float16" else 1e-5
    assert_alike(
        lambda: fastepll.inpaint(y, UNKNOWN, SIGMA * scale, model=MODEL).astype(float) / scale,
        lambda: fastepll.inpaint(same, UNKNOWN, SIGMA, model=MODEL).clip(0 if scale > 1 else None),
        atol=step + 1e-5,
    )


def test_units():
    y = 100 * noisy(CLEAN, SIGMA)
    options = {"model": MODEL, "data_range": 100}
    assert_alike(
        lambda: fastepll.inpaint(y, UNKNOWN, 100 * SIGMA, **options),
        lambda: 100 * fastepll.inpaint(y / 100, UNKNOWN, SIGMA, model=MODEL),
        atol=1e-3,
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_colour(axis):
    clean = np.stack([CLEAN, 1 - CLEAN, 0.5 * CLEAN], axis=-1)
    y = np.moveaxis(noisy(clean, SIGMA), -1, axis)
    result = fastepll.inpaint(y, UNKNOWN, SIGMA, model=MODEL, channel_axis=axis)
    assert result.shape == y.shape
    result = np.moveaxis(result, axis, -1)
    for c in range(3):
        assert db(result[..., c], clean[..., c]) > 29
    small = Downsample(bicubic_kernel(2), CLEAN.shape, 2)
    planes = np.stack([small.forward(clean[..., c]) for c in range(3)], axis=axis)
    large = fastepll.super_resolve(planes, 2, model=MODEL, channel_axis=axis)
    assert np.moveaxis(large, axis, -1).shape == clean.shape
    blurred = np.moveaxis(clean, -1, axis)
    sharp = fastepll.deblur(blurred, KERNEL, SIGMA, model=MODEL, channel_axis=axis)
    assert sharp.shape == blurred.shape


def test_colour_of_a_measurement_that_is_no_image():
    operator = cosines(2000)
    y = operator.forward(CLEAN)[:, None] * np.array([1.0, 0.5])
    options = {"model": MODEL, "data_range": 1.0}
    result = fastepll.restore(y, operator, SIGMA, channel_axis=-1, **options)
    assert result.shape == (*CLEAN.shape, 2)
    first = fastepll.restore(y.T, operator, SIGMA, channel_axis=0, **options)
    np.testing.assert_array_equal(first, np.moveaxis(result, -1, 0))


def test_same_for_any_number_of_threads(n_threads):
    y = noisy(CLEAN, SIGMA)
    np.testing.assert_array_equal(
        fastepll.inpaint(y, UNKNOWN, SIGMA, model=MODEL, n_threads=n_threads),
        fastepll.inpaint(y, UNKNOWN, SIGMA, model=MODEL, n_threads=1),
    )


def test_start():
    operator = Mask(UNKNOWN)
    y = noisy(operator.forward(CLEAN), SIGMA)
    options = {"model": MODEL, "backend": "reference"}
    expected = fastepll.restore(y, operator, SIGMA, **options)
    same = fastepll.restore(y, operator, SIGMA, start=operator.guess(y, SIGMA), **options)
    np.testing.assert_allclose(same, expected, atol=1e-12)
    one = fastepll.restore(y, operator, SIGMA, betas=[400], **options)
    better = fastepll.restore(y, operator, SIGMA, betas=[400], start=CLEAN, **options)
    assert db(better) > db(one) + 2


def test_callback_sees_every_pass_and_may_stop():
    y = noisy(CLEAN, SIGMA)
    seen: list[Iteration] = []
    result = fastepll.restore(
        y, Mask(UNKNOWN), SIGMA, model=MODEL, betas=[50, 100, 200], callback=seen.append
    )
    assert [state.iteration for state in seen] == [0, 1, 2]
    assert [state.n_iterations for state in seen] == [3, 3, 3]
    np.testing.assert_allclose([state.beta for state in seen], [50, 100, 200])
    np.testing.assert_array_equal(seen[-1].image, result)
    stopped = fastepll.restore(
        y,
        Mask(UNKNOWN),
        SIGMA,
        model=MODEL,
        betas=[50, 100, 200],
        callback=lambda state: state.iteration == 1,
    )
    np.testing.assert_array_equal(stopped, seen[1].image)


@pytest.mark.parametrize("channels", [1, 3])
def test_progress(channels):
    seen: list[float] = []
    y = np.stack([CLEAN] * channels, axis=-1)
    fastepll.inpaint(y, UNKNOWN, SIGMA, model=MODEL, channel_axis=-1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert sum(fraction == 1.0 for fraction in seen) == 1


class Doubled(Operator):
    def forward(self, x):
        return 2 * x

    def adjoint(self, y):
        return 3 * y


def test_adjoint_is_checked_once_unless_told_otherwise():
    y = noisy(CLEAN, SIGMA)
    operator = Doubled(CLEAN.shape, CLEAN.shape)
    with pytest.raises(ValueError, match="operator must have adjoint as the transpose"):
        fastepll.restore(y, operator, SIGMA, model=MODEL)
    fastepll.restore(y, operator, SIGMA, model=MODEL, betas=[100], check=False)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda y: fastepll.restore(y[1:], Mask(UNKNOWN), 0.1),
            ValueError,
            r"y must have the shape \(64, 80\) that the operator gives, got \(63, 80\)",
        ),
        (
            lambda y: fastepll.restore(np.stack([y] * 3, -1), Mask(UNKNOWN), 0.1),
            ValueError,
            r"y must be 2-D with channel_axis None, got shape \(64, 80, 3\); for colour",
        ),
        (
            lambda y: fastepll.restore(np.stack([y] * 3, -1), Mask(UNKNOWN), 0.1, channel_axis=3),
            ValueError,
            r"channel_axis must be in \[-3, 2\], got 3",
        ),
        (lambda y: fastepll.restore(y, np.eye(64), 0.1), TypeError, "operator must be an Operator"),
        (lambda y: fastepll.restore(y > 0, Mask(UNKNOWN), 0.1), TypeError, "y must be an array of"),
        (lambda y: fastepll.restore(y, Mask(UNKNOWN), -1), ValueError, "sigma must be >= 0"),
        (lambda y: fastepll.restore(y, Mask(UNKNOWN), None), ValueError, "sigma must be given"),
        (lambda y: fastepll.restore(y, Mask(UNKNOWN), 20), ValueError, "sigma 20, more than"),
        (lambda y: fastepll.restore(y + np.nan, Mask(UNKNOWN), 0.1), ValueError, "y must be finit"),
        (lambda y: fastepll.restore(99 * y, Mask(UNKNOWN), 0.1), ValueError, "data_range must be"),
        (
            lambda y: fastepll.restore(y, Mask(UNKNOWN), 0.1, start=y[1:]),
            ValueError,
            r"start must have the shape \(64, 80\) of the result, got \(63, 80\)",
        ),
        (
            lambda y: fastepll.restore(y, Mask(UNKNOWN), 0.1, callback=3),
            TypeError,
            "callback must be callable, got int",
        ),
        (lambda y: fastepll.restore(y, Mask(UNKNOWN), 0.1, betas=[]), ValueError, "betas must be"),
        (
            lambda y: fastepll.restore(y[:4, :4], Identity((4, 4)), 0.1),
            ValueError,
            "image must be at least as large as the model's 8x8 patches, got 4x4",
        ),
        (
            lambda y: fastepll.inpaint(y, UNKNOWN[1:]),
            ValueError,
            r"mask must have the shape \(64, 80\) of the image, got \(63, 80\)",
        ),
        (lambda y: fastepll.inpaint(y, UNKNOWN.astype(int)), TypeError, "mask must be of bool"),
        (lambda y: fastepll.inpaint(y, UNKNOWN | True), ValueError, "mask must leave a pixel"),
        (lambda y: fastepll.inpaint(list(y > 0), UNKNOWN), TypeError, "y must be an array of"),
        (lambda y: fastepll.deblur(y, [[np.nan]], 0.1), ValueError, "kernel must be finite"),
        (
            lambda y: fastepll.deblur(y, np.ones((65, 3)) / 195, 0.1),
            ValueError,
            r"kernel must be no larger than the image \(64, 80\), got \(65, 3\)",
        ),
        (lambda y: fastepll.deblur(y, KERNEL, 0.1, boundary="zero"), ValueError, "boundary must"),
        (lambda y: fastepll.super_resolve(y, 9), ValueError, "factor must be one of 2 to 8"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(CLEAN)


def test_objective_of_a_measurement_whose_noise_is_estimated():
    y, states = noisy(CLEAN, 0.1), []
    fastepll.restore(y, Identity(y.shape), None, model=MODEL, callback=states.append)
    last = states[-1]
    sigma = fastepll.estimate_sigma(y, model="gray-8x8-200")
    expected = fastepll.objective(last.image, y, sigma=sigma, model=MODEL)
    assert last.objective == pytest.approx(expected, rel=1e-12)


def test_history_and_objective():
    operator, sigma = Blur(KERNEL, CLEAN.shape), 0.02
    y = noisy(operator.forward(CLEAN), sigma)
    history, older = [], []
    restored = fastepll.restore(y, operator, sigma, model=MODEL, callback=history.append)
    with pytest.warns(DeprecationWarning, match="callback=history.append does the same"):
        fastepll.restore(y, operator, sigma, model=MODEL, history=older)
    assert len(older) == len(history)
    assert np.array_equal(older[0].image, history[0].image)
    assert np.array_equal(history[-1].image, restored)
    assert [state.iteration for state in history] == list(range(history[0].n_iterations))
    values = [state.objective for state in history]
    assert values[-1] == fastepll.objective(restored, y, operator, sigma=sigma, model=MODEL)
    assert values[-1] < fastepll.objective(CLEAN + y - CLEAN, y, operator, sigma=sigma, model=MODEL)
