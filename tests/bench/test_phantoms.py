"""Volumes of the benchmark: in range, of the sides asked for, the same again."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="no benchmarks beside the tests")


@pytest.fixture
def phantoms(monkeypatch):
    """Import them, and forget them and what they imported."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("phantoms")
    for name in ("phantoms", "protocol", "versions"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("kind", "deviation"), [("balls", 0.28), ("filaments", 0.105)])
def test_volumes(phantoms, kind, deviation):
    volume = getattr(phantoms, kind)(24, seed=1)
    assert volume.shape == (24, 24, 24)
    assert volume.min() >= 0
    assert volume.max() <= 1
    assert volume.std() == pytest.approx(deviation, rel=0.25)
    np.testing.assert_array_equal(volume, getattr(phantoms, kind)(24, seed=1))
    assert not np.array_equal(volume, getattr(phantoms, kind)(24, seed=2))
