"""Any operator of any size: its adjoint is the transpose, and solve inverts AᵀA + τ."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastepll.operators import Blur, Diagonal, Downsample, Mask, Operator

SEEDS = st.integers(0, 10**6)


def mask(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> Mask:
    """Of so many unknown pixels; one at least is known."""
    unknown = rng.random(shape) < share
    unknown.flat[rng.integers(unknown.size)] = False
    return Mask(unknown)


@st.composite
def operators(draw) -> Operator:
    """Kernels of even and odd sizes up to the image; masks that leave one pixel; strong gains."""
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["mask", "diagonal", "periodic", "reflect", "valid", "small"]))
    if kind == "mask":
        return mask(rng, shape, draw(st.sampled_from([0.0, 0.3, 0.9])))
    if kind == "diagonal":
        return Diagonal(rng.uniform(-2, 2, shape))
    if kind == "small":
        factor = draw(st.integers(2, 4))
        shape = tuple(factor * n for n in shape)
    sides = [draw(st.integers(1, min(n, 6))) for n in shape]
    kernel = rng.random(sides)
    kernel /= kernel.sum()
    if kind == "small":
        return Downsample(kernel, shape, factor)
    blur = Blur(kernel, shape, kind)
    if draw(st.booleans()):
        return mask(rng, blur.out_shape, 0.3) @ blur
    return blur


@given(operators(), SEEDS, st.sampled_from([np.float32, np.float64]))
@settings(max_examples=150)
def test_adjoint_is_the_transpose(operator, seed, dtype):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal(s).astype(dtype) for s in (operator.in_shape, operator.out_shape))
    ax, aty = operator.forward(x), operator.adjoint(y)
    assert (ax.shape, aty.shape) == (operator.out_shape, operator.in_shape)
    assert ax.dtype == aty.dtype == dtype
    difference = abs(np.vdot(ax.astype(float), y) - np.vdot(x.astype(float), aty))
    size = np.linalg.norm(x) * np.linalg.norm(y) + np.finfo(dtype).tiny
    assert difference < 100 * np.finfo(dtype).eps * size


@given(operators(), SEEDS, st.sampled_from([1e-4, 1e-2, 1.0]))
@settings(max_examples=150)
def test_solve_inverts(operator, seed, tau):
    x = np.random.default_rng(seed).standard_normal(operator.in_shape)
    rhs = operator.adjoint(operator.forward(x)) + tau * x
    found = operator.solve(rhs, tau)
    residual = operator.adjoint(operator.forward(found)) + tau * found - rhs
    assert np.linalg.norm(residual) < 1e-8 * np.linalg.norm(rhs)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-8 / tau)


@given(operators(), SEEDS)
@settings(max_examples=60)
def test_linear(operator, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(operator.in_shape) for _ in range(2))
    both = operator.forward(2.0 * a - b)
    np.testing.assert_allclose(
        both, 2.0 * operator.forward(a) - operator.forward(b), rtol=0, atol=1e-11
    )
