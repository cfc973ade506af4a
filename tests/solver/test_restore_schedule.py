"""Plans of the passes: the table, what lies between its rows, and what it leads to."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import Settings
from fastepll._warnings import quietly
from fastepll.operators import Blur, Diagonal, Downsample, Identity, Mask, bicubic_kernel
from fastepll.operators.base import Operator
from fastepll.solver.restore_schedule import LEAST, Plan, plan_for, task_settings

SHAPE = (24, 36)
KERNEL = np.outer([1, 2, 1], [1, 2, 3, 2, 1]) / 36
KINDS = ["any", "blur", "diagonal", "downsample", "identity", "mask"]


class Doubled(Operator):
    def forward(self, x):
        return 2 * x

    def adjoint(self, y):
        return 2 * y


@pytest.mark.parametrize("kind", KINDS)
def test_passes_become_finer(kind):
    for sigma in (2e-4, 0.003, 0.01, 0.05, 0.3):
        plan = plan_for(kind, sigma)
        assert 0 < plan.last < plan.first
        assert 0 < plan.weight <= 1
        assert 0 <= plan.momentum < 1
    below, first = plan_for(kind, 1e-9), plan_for(kind, 0.05 / 255)
    assert below == first
    large, larger = plan_for(kind, 0.4), plan_for(kind, 0.8)
    np.testing.assert_allclose([larger.first, larger.last], [2 * large.first, 2 * large.last])


def test_plan_between_two_rows_is_their_geometric_mean():
    low, high = plan_for("mask", 2 / 255), plan_for("mask", 10 / 255)
    middle = plan_for("mask", np.sqrt(20) / 255)
    np.testing.assert_allclose(middle.first, np.sqrt(low.first * high.first))
    np.testing.assert_allclose(middle.momentum, (low.momentum + high.momentum) / 2)


def test_settings_of_a_plan():
    plan = Plan(first=0.2, last=0.002, weight=0.7, curvature=2.0, momentum=0.4)
    settings = plan.settings(Settings(noise=[1], blend=[1], stride=3), 3)
    np.testing.assert_allclose(np.sqrt(settings.noise), [0.2, 0.2 * 0.01**0.25, 0.002])
    assert settings.blend == (0.7, 0.7, 0.7)
    assert (settings.momentum, settings.stride) == (0.4, 3)
    small = Plan(first=0.2, last=1e-5, weight=0.7, curvature=2.0, momentum=0.4)
    np.testing.assert_allclose(small.settings(settings, 2).noise, [0.04, LEAST**2])
    assert len(small.settings(settings, 1).noise) == 1
    many = plan.settings(settings, 20)
    assert (len(many.noise), len(set(many.noise))) == (20, 8)
    assert (many.noise[0], many.noise[-1]) == (0.2**2, 0.002**2)


def test_betas_are_the_plain_method():
    settings = task_settings("exact", Mask(np.eye(9, dtype=bool)), 0.1, (8, 8), [50, 200])
    assert (settings.noise, settings.blend, settings.momentum) == ((0.02, 0.005), (1, 1), 0)
    assert (settings.stride, settings.selection) == (1, "exact")


def test_more_passes_for_masks():
    unknown = np.eye(9, dtype=bool)
    assert len(task_settings("balanced", Mask(unknown), 0.1, (8, 8)).noise) == 12
    assert len(task_settings("balanced", Diagonal(1.0 + unknown), 0.1, (8, 8)).noise) == 8
    own = Settings(noise=[1, 1, 1], blend=[1, 1, 1])
    assert len(task_settings(own, Mask(unknown), 0.1, (8, 8)).noise) == 3


@pytest.mark.parametrize(
    ("operator", "scale"),
    [
        (Identity(SHAPE), 1),
        (Mask(np.eye(24, dtype=bool)), 1),
        (Diagonal(np.full(SHAPE, -3.0)), 3),
        (Blur(KERNEL, SHAPE), 1),
        (quietly(Blur, [[1, -1]], SHAPE), 2**0.5),
        (quietly(Downsample, 4 * bicubic_kernel(2), SHAPE, 2), 4),
        (Diagonal(np.full(SHAPE, 3.0)) @ quietly(Blur, 2 * KERNEL, SHAPE), 6),
        (Doubled(SHAPE, SHAPE), 2),
    ],
)
def test_scale(operator, scale):
    # of white noise of 864 pixels the root mean square is known to 1 / sqrt(2 * 864), 2.4 %
    assert operator.scale == pytest.approx(scale, rel=0.1)


@pytest.mark.parametrize("factor", [0.01, 100])
def test_units_of_the_operator_do_not_matter(factor):
    plain = task_settings("fast", Blur(KERNEL, SHAPE), 0.02, (8, 8))
    scaled = task_settings("fast", quietly(Blur, factor * KERNEL, SHAPE), 0.02 * factor, (8, 8))
    np.testing.assert_allclose(scaled.noise, plain.noise)
    np.testing.assert_allclose(scaled.blend, plain.blend)
