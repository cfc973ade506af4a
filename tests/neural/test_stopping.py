"""Rules that say when a fit is stopped."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fastepll.neural.stopping import Discrepancy, MovingVariance, Never


def outputs(n, shape=(3, 8, 9)):
    rng = np.random.default_rng(0)
    image = rng.random(shape)
    # The spread shrinks to iteration 60, then grows.
    return [image + (0.01 + abs(i - 60) / 100) * rng.standard_normal(shape) for i in range(n)]


def test_the_moving_variance_is_that_of_the_last_outputs_and_stops_after_its_least():
    rule, images = MovingVariance(window=10, patience=30), outputs(200)
    for i, image in enumerate(images):
        done = rule.update(i, image, 1.0)
        if i >= 9:
            window = np.array(images[i - 9 : i + 1], np.float32).astype(np.float64)
            assert rule.statistic == pytest.approx(window.var(axis=0).mean(), rel=1e-9)
        else:
            assert np.isnan(rule.statistic)
        if done:
            break
    assert 60 <= rule.best <= 68
    assert i == rule.best + 30


def test_the_moving_variance_of_a_large_image_takes_some_of_its_values():
    rule = MovingVariance(window=2)
    for i in range(2):
        rule.update(i, np.full((3, 300, 301), float(i)), 1.0)
    assert rule.statistic == 0.25
    assert len(rule.state()["kept"][0]) <= 1 << 16


def test_the_moving_variance_goes_on_from_its_state():
    whole, images = MovingVariance(window=5, patience=20), outputs(80)
    part = MovingVariance(window=5, patience=20)
    for i, image in enumerate(images):
        whole.update(i, image, 1.0)
        if i == 33:
            again = MovingVariance(window=5, patience=20)
            again.restore(part.state())
            part = again
        part.update(i, image, 1.0)
        np.testing.assert_equal(part.statistic, whole.statistic)
    assert part.best == whole.best


def test_the_discrepancy_stops_at_its_factor_and_never_never():
    rule = Discrepancy(0.99)
    assert not rule.update(0, np.zeros(1), 1.0)
    assert rule.update(1, np.zeros(1), 0.99)
    assert rule.statistic == 0.99
    assert rule.best == -1
    assert not Never().update(10**6, np.zeros(1), 0.0)
