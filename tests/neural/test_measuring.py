"""Operators on tensors against those on arrays, and their gradients against the adjoints."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.operators import (
    Blur,
    Diagonal,
    Downsample,
    Identity,
    Mask,
    Operator,
    bicubic_kernel,
)

torch = pytest.importorskip("torch")

from fastepll.neural.measured import enlarged  # noqa: E402
from fastepll.neural.measuring import measure_of  # noqa: E402

SHAPE = (24, 36)
RNG = np.random.default_rng(0)
KERNEL = RNG.random((4, 5)) / 10


class Flip(Operator):
    """One that only NumPy knows."""

    def forward(self, x):
        return 2 * x[::-1, :30]

    def adjoint(self, y):
        x = np.zeros(self.in_shape, y.dtype)
        x[::-1, :30] = 2 * y
        return x


OPERATORS = {
    "identity": Identity(SHAPE),
    "mask": Mask(RNG.random(SHAPE) < 0.5),
    "diagonal": Diagonal(RNG.random(SHAPE)),
    "periodic": Blur(KERNEL, SHAPE, "periodic"),
    "reflect": Blur(KERNEL, SHAPE, "reflect"),
    "valid": Blur(KERNEL, SHAPE, "valid"),
    "downsample 3": Downsample(bicubic_kernel(3), SHAPE, 3),
    "downsample 4": Downsample(bicubic_kernel(4), SHAPE, 4),
    "composition": Downsample(np.ones((2, 2)) / 4, SHAPE, 2) @ Blur(KERNEL, SHAPE, "reflect"),
    "enlarged": enlarged((8, 12), 3),
    "own": Flip(SHAPE, (24, 30)),
}


@pytest.mark.filterwarnings("ignore:kernel sums")
@pytest.mark.parametrize("name", OPERATORS)
def test_tensors_are_measured_as_arrays_and_their_gradient_is_the_adjoint(name):
    operator = OPERATORS[name]
    x = torch.as_tensor(RNG.standard_normal((1, 2, *operator.in_shape))).requires_grad_()
    measured = measure_of(operator, x)(x)
    expected = np.stack([operator.forward(plane) for plane in x.detach()[0].numpy()])
    np.testing.assert_allclose(measured.detach()[0], expected, rtol=0, atol=1e-12)
    weights = RNG.standard_normal(expected.shape)
    (gradient,) = torch.autograd.grad(measured, x, torch.as_tensor(weights[None]))
    expected = np.stack([operator.adjoint(plane) for plane in weights])
    np.testing.assert_allclose(gradient[0], expected, rtol=0, atol=1e-12)


def test_the_reduction_of_factor_is_the_usual_one_inside_and_mirrored_at_the_border():
    clean = RNG.random((40, 48))
    usual = Downsample(bicubic_kernel(4), clean.shape, 4).forward(clean)
    mirrored = enlarged((10, 12), 4).forward(clean)
    np.testing.assert_allclose(mirrored[3:-3, 3:-3], usual[3:-3, 3:-3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(enlarged((10, 12), 4).forward(np.ones((40, 48))), 1, atol=1e-12)
