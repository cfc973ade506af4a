"""Operators: adjoints, and solve, against the same map written out as a matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve
from scipy.signal import convolve2d
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fastepll._warnings import quietly
from fastepll.operators import (
    Blur,
    Diagonal,
    Downsample,
    Identity,
    Mask,
    Operator,
    bicubic_kernel,
    check_adjoint,
    from_linear_operator,
)
from fastepll.operators._fourier import fast_length
from fastepll.operators.base import conjugate_gradients, laplacian

RNG = np.random.default_rng(3)
SHAPE = (11, 9)
KERNEL = RNG.random((3, 4))
KERNEL /= KERNEL.sum()
EVEN = np.outer([1, 2, 1], [1, 3, 4, 3, 1]) / 48
UNKNOWN = RNG.random(SHAPE) < 0.6
GAIN = RNG.uniform(0.2, 1, SHAPE)
MATRIX = RNG.standard_normal((40, 99)) / 10

OPERATORS = {
    "identity": Identity(SHAPE),
    "mask": Mask(UNKNOWN),
    "diagonal": Diagonal(GAIN),
    "periodic": Blur(KERNEL, SHAPE),
    "periodic, 1 x 1": Blur([[0.9]], SHAPE),
    "periodic, whole": quietly(Blur, RNG.random(SHAPE) / 99, SHAPE),
    "reflect": Blur(KERNEL, SHAPE, "reflect"),
    "reflect, even": quietly(Blur, EVEN, SHAPE, "reflect"),
    "reflect, row": quietly(Blur, KERNEL[:1], SHAPE, "reflect"),
    "valid": Blur(KERNEL, SHAPE, "valid"),
    "valid, even": quietly(Blur, EVEN, SHAPE, "valid"),
    "valid, column": quietly(Blur, KERNEL[:, :1], SHAPE, "valid"),
    "every 2nd": Downsample(KERNEL, (10, 14), 2),
    "every 3rd": quietly(Downsample, EVEN, (9, 15), 3),
    "every 4th": Downsample(KERNEL, (12, 8), 4),
    "mask of blur": Mask(UNKNOWN) @ Blur(KERNEL, SHAPE),
    "foreign": from_linear_operator(aslinearoperator(MATRIX), SHAPE),
    "foreign, 2-D": from_linear_operator(aslinearoperator(MATRIX), SHAPE, (5, 8)),
}


@pytest.fixture(params=OPERATORS.values(), ids=OPERATORS.keys())
def operator(request) -> Operator:
    return request.param


def matrix(operator: Operator) -> np.ndarray:
    """Columns: what becomes of each pixel."""
    pixels = np.eye(np.prod(operator.in_shape)).reshape(-1, *operator.in_shape)
    return np.stack([operator.forward(pixel).ravel() for pixel in pixels], axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adjoint_is_the_transpose(operator, dtype):
    # Rounding grows with the values summed, here at most 99, and with the transform's few steps.
    x = RNG.standard_normal(operator.in_shape).astype(dtype)
    y = RNG.standard_normal(operator.out_shape).astype(dtype)
    ax, aty = operator.forward(x), operator.adjoint(y)
    assert ax.dtype == aty.dtype == dtype
    assert ax.shape == operator.out_shape
    assert aty.shape == operator.in_shape
    difference = abs(np.vdot(ax.astype(float), y) - np.vdot(x.astype(float), aty))
    assert difference < 20 * np.finfo(dtype).eps * np.linalg.norm(x) * np.linalg.norm(y)
    check_adjoint(operator)


@pytest.mark.parametrize("tau", [1e-4, 0.03, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_solve_is_the_dense_solution(operator, dtype, tau):
    a = matrix(operator)
    x = RNG.standard_normal(operator.in_shape)
    normal = a.T @ a + tau * np.eye(x.size)
    rhs = (normal @ x.ravel()).reshape(x.shape).astype(dtype)
    start = RNG.standard_normal(x.shape).astype(dtype)
    for found in (operator.solve(rhs, tau), operator.solve(rhs, tau, start)):
        assert found.dtype == dtype
        assert found.shape == operator.in_shape
        residual = np.linalg.norm(normal @ found.ravel().astype(float) - rhs.ravel())
        assert residual < (3e-5 if dtype is np.float32 else 1e-9) * np.linalg.norm(rhs)
    if dtype is np.float64:
        exact = np.linalg.solve(normal, rhs.ravel())
        np.testing.assert_allclose(found.ravel(), exact, rtol=0, atol=2e-9 / tau)


@pytest.mark.parametrize("tau", [1e-5, 0.03])
def test_step_is_the_solution_as_exactly_as_a_pass_needs(operator, tau):
    rows, cols = np.indices(operator.in_shape) / 12
    clean = 0.5 + 0.3 * np.sin(2 * rows + cols)
    y = operator.forward(clean)
    average = clean + 0.05 * RNG.standard_normal(clean.shape)
    data = operator.adjoint(y)
    exact = operator.solve(data + tau * average, tau)
    single = [a.astype(np.float32) for a in (average, y, data, clean)]
    found = operator.step(single[0], tau, y=single[1], data=single[2], start=single[3])
    assert found.dtype == np.float32
    # the start is 0.05 from the average where A does not see; the frame is left the roughest
    assert np.sqrt(np.mean((found - exact) ** 2)) < 2e-3


def test_arguments_are_not_changed(operator):
    x, y = RNG.random(operator.in_shape), RNG.random(operator.out_shape)
    kept = x.copy(), y.copy()
    results = operator.forward(x), operator.adjoint(y), operator.solve(x, 0.1, x)
    assert not any(np.shares_memory(a, b) for a in results for b in (x, y))
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_guess_fits_the_measurement(operator):
    rows, cols = np.indices(operator.in_shape) / 12
    clean = 0.5 + 0.3 * np.sin(2 * rows + cols)
    y = operator.forward(clean)
    guess = operator.guess(y.astype(np.float32), 1e-3)
    assert guess.dtype == np.float32
    assert guess.shape == operator.in_shape
    assert np.linalg.norm(operator.forward(guess) - y) < 0.15 * np.linalg.norm(y)


def test_shapes_are_named(operator):
    bad = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"x must have the operator's shape .*, got \(2, 3\)"):
        operator.forward(bad)
    with pytest.raises(ValueError, match=r"rhs must have the operator's shape .*, got \(2, 3\)"):
        operator.solve(bad, 0.1)


def test_fast_length():
    smooth = sorted({2**a * 3**b * 5**c for a in range(11) for b in range(7) for c in range(5)})
    for n in range(1, 1025):
        assert fast_length(n) == next(m for m in smooth if m >= n)


@pytest.mark.filterwarnings("ignore:kernel sums to")
@pytest.mark.parametrize("kernel", [KERNEL, EVEN, KERNEL[:1], KERNEL[:, :3]])
def test_blur_is_a_convolution(kernel):
    x = RNG.standard_normal(SHAPE)
    valid = convolve2d(x, kernel, "valid")
    np.testing.assert_allclose(Blur(kernel, SHAPE, "valid").forward(x), valid, atol=1e-14)
    p, q = kernel.shape
    for boundary, mode in (("periodic", "wrap"), ("reflect", "reflect")):
        operator = Blur(kernel, SHAPE, boundary)
        expected = convolve(x, kernel, mode=mode, origin=[-((p - 1) % 2), -((q - 1) % 2)])
        np.testing.assert_allclose(operator.forward(x), expected, atol=1e-14)
    observed = Blur(kernel, SHAPE, "valid").observed
    np.testing.assert_allclose(Blur(kernel, SHAPE).forward(x)[observed], valid, atol=1e-14)


def test_downsample_is_blur_and_decimation():
    x = RNG.standard_normal((12, 18))
    for factor in (2, 3):
        expected = Blur(KERNEL, x.shape).forward(x)[::factor, ::factor]
        found = Downsample(KERNEL, x.shape, factor).forward(x)
        np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize("factor", range(2, 9))
def test_bicubic_kernel_is_centred_on_the_pixels_it_replaces(factor):
    kernel = bicubic_kernel(factor)
    assert kernel.sum() == pytest.approx(1)
    shape = (12 * factor, 10 * factor)
    rows, cols = np.indices(shape)
    ramp = 0.3 * rows + 0.5 * cols
    small = Downsample(kernel, shape, factor).forward(ramp)[3:-3, 3:-3]
    means = ramp.reshape(12, factor, 10, factor).mean(axis=(1, 3))[3:-3, 3:-3]
    np.testing.assert_allclose(small, means, atol=1e-12)


def test_bicubic_kernels_are_those_of_the_data(data_dir):
    from scipy.io import loadmat

    kernels = loadmat(data_dir / "kernels" / "kernels_bicubicx234.mat")["kernels"].ravel()
    for factor, theirs in zip((2, 3, 4), kernels, strict=True):
        ours = bicubic_kernel(factor)
        pad = 12 - len(ours) // 2
        np.testing.assert_allclose(np.pad(ours, pad), theirs, atol=1e-2)  # theirs is fitted


def test_laplacian_is_the_difference_squared():
    x = RNG.standard_normal(SHAPE)
    energy = (np.diff(x, axis=0) ** 2).sum() + (np.diff(x, axis=1) ** 2).sum()
    assert np.vdot(x, laplacian(x)) == pytest.approx(energy)


def test_conjugate_gradients_need_no_more_steps_than_values():
    a = RNG.standard_normal((6, 6))
    a = a @ a.T + np.eye(6)
    x = RNG.standard_normal(6)
    inverse = 1 / np.diag(a)
    for precondition in (None, lambda r: inverse * r):
        found = conjugate_gradients(lambda v: a @ v, a @ x, precondition=precondition, n_max=7)
        np.testing.assert_allclose(found, x, atol=1e-8)
    calls: list[int] = []

    def apply(v):
        calls.append(1)
        return a @ v

    conjugate_gradients(apply, a @ x, x)
    assert len(calls) == 1  # a start that is the solution costs one residual


def test_conjugate_gradients_of_next_to_nothing():
    rhs = np.full(6, 3e-22, np.float32)  # its products with what is smaller underflow to 0
    found = conjugate_gradients(lambda v: np.float32(1e-3) * v, rhs)
    assert np.isfinite(found).all()


def test_least_tau_is_of_conjugate_gradients_alone():
    assert Blur(np.ones((3, 3)) / 9, SHAPE).least_tau == 0
    double = 2 * np.eye(np.prod(SHAPE))
    matrix = from_linear_operator(aslinearoperator(double), SHAPE, SHAPE)
    assert matrix.least_tau == pytest.approx(4e-3, rel=0.2)


class Bent(Operator):
    def forward(self, x):
        return x[::-1].copy()

    def adjoint(self, y):
        return y[:, ::-1].copy()


class Short(Operator):
    def forward(self, x):
        return x[1:]

    def adjoint(self, y):
        return y


def test_check_adjoint():
    with pytest.raises(ValueError, match="adjoint as the transpose of forward"):
        check_adjoint(Bent((8, 8), (8, 8)))
    with pytest.raises(ValueError, match=r"forward gave \(7, 8\), expected \(8, 8\)"):
        check_adjoint(Short((8, 8), (8, 8)))
    half = LinearOperator((99, 99), matvec=lambda v: 2 * v, rmatvec=lambda v: 2.001 * v)
    with pytest.raises(ValueError, match="differ"):
        check_adjoint(from_linear_operator(half, SHAPE))


NAN = np.full((3, 3), np.nan)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Blur(NAN, SHAPE), ValueError, "kernel must be finite"),
        (lambda: Blur(np.zeros((3, 3)), SHAPE), ValueError, "other than 0"),
        (lambda: Blur(np.ones((0, 3)), SHAPE), ValueError, r"not empty, got shape \(0, 3\)"),
        (lambda: Blur([1.0, 2.0], SHAPE), ValueError, "kernel must be 2-D"),
        (lambda: Blur([["a"]], SHAPE), TypeError, "kernel must be an array of real numbers"),
        (lambda: Blur([[1j]], SHAPE), TypeError, "kernel must be an array of real numbers"),
        (
            lambda: Blur(np.ones((3, 10)), SHAPE),
            ValueError,
            r"kernel must be no larger than the image \(11, 9\), got \(3, 10\)",
        ),
        (lambda: Blur(KERNEL, SHAPE, "wrap"), ValueError, "boundary must be one of 'periodic'"),
        (lambda: Blur(KERNEL, 5), TypeError, "shape must be a sequence"),
        (lambda: Blur(KERNEL, (5, 5, 3)), ValueError, "shape must have 2 numbers"),
        (lambda: Identity((0, 4)), ValueError, "shape must be in"),
        (lambda: Mask(np.ones(SHAPE)), TypeError, "mask must be of bool"),
        (lambda: Mask(np.ones(SHAPE, bool)), ValueError, "mask must leave a pixel known"),
        (lambda: Mask(np.zeros(4, bool)), ValueError, "mask must be 2-D"),
        (lambda: Diagonal(NAN), ValueError, "gain must be finite"),
        (lambda: Diagonal(np.zeros(SHAPE)), ValueError, "gain must have a value other than 0"),
        (lambda: Diagonal([1.0]), ValueError, "gain must be 2-D"),
        (lambda: Downsample(KERNEL, (8, 8), 9), ValueError, "factor must be one of 2 to 8, got 9"),
        (lambda: Downsample(KERNEL, (8, 8), 2.0), TypeError, "factor must be an integer"),
        (lambda: Downsample(KERNEL, (8, 9), 2), ValueError, "multiples of the factor 2, got 8x9"),
        (lambda: Identity(SHAPE) @ Identity((9, 11)), ValueError, r"\(11, 9\).*\(9, 11\)"),
        (lambda: from_linear_operator(np.eye(4), (2, 2)), TypeError, "operator must have matvec"),
        (
            lambda: from_linear_operator(aslinearoperator(np.eye(4)), (2, 3)),
            ValueError,
            r"in_shape must have the operator's 4 columns, got \(2, 3\)",
        ),
        (
            lambda: from_linear_operator(aslinearoperator(np.eye(4)), (2, 2), (3,)),
            ValueError,
            r"out_shape must have the operator's 4 rows, got \(3,\)",
        ),
        (
            lambda: from_linear_operator(aslinearoperator(1j * np.eye(4)), (2, 2)),
            TypeError,
            "operator must be real",
        ),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_composition_is_of_operators():
    with pytest.raises(TypeError):
        Identity(SHAPE) @ np.eye(11)
