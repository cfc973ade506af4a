"""The programs in examples/ run and do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import fastepll
from fastepll.operators import check_adjoint

from .scenes import scene

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_compressed_sensing():
    names = runpy.run_path(str(EXAMPLES / "compressed_sensing.py"))
    clean = scene(72, 64)
    kept = names["sample"](clean.shape, 0.5)
    assert kept.mean() == pytest.approx(0.5, abs=0.01)
    operator = names["Cosines"](kept)
    check_adjoint(operator)
    y = operator.forward(clean)
    alone = names["psnr"](operator.adjoint(y), clean)
    for sigma in (0.0, 0.01):
        noise = sigma * np.random.default_rng(0).standard_normal(y.shape)
        restored = fastepll.restore(y + noise, operator, sigma)
        assert names["psnr"](restored, clean) > alone + 4
