"""The studies: what they measure with, what they keep, and a trial of each."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import fastepll
from fastepll.models import GaussianMixture
from fastepll.models._cosines import dct_basis

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")
STUDIES = Path(__file__).parents[1] / "bench" / "studies"
pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="no studies beside the tests")
SHARED = ("harness", "measures", "recipes", "protocol")


@pytest.fixture
def study(monkeypatch):
    """Import from their folder, and forget what was imported."""
    monkeypatch.syspath_prepend(str(STUDIES))
    yield importlib.import_module
    for name in (*SHARED, *(path.stem for path in STUDIES.glob("*.py"))):
        sys.modules.pop(name, None)


def white(variance):
    basis = dct_basis((8, 8))
    return GaussianMixture.from_covariances([1.0], [variance * basis @ basis.T], (8, 8))


def test_cells_are_kept(study, tmp_path):
    cells, path = study("harness").Cells, tmp_path / "cells.jsonl"
    calls = []

    def compute():
        calls.append(1)
        return {"x": len(calls)}

    assert cells(path).get("a", compute)[0] == {"x": 1}
    again = cells(path)
    assert again.get("a", compute)[0] == {"x": 1}
    assert again.get("b", compute)[0] == {"x": 2}
    path.write_text(path.read_text()[:-9])  # interrupted in the last line
    damaged = cells(path)
    assert damaged.get("b", compute)[0] == {"x": 3}
    assert cells(path).get("a", compute)[0] == {"x": 1}
    assert cells(path).get("b", compute)[0] == {"x": 3}
    assert cells(path, fresh=True).get("a", compute)[0] == {"x": 4}


def test_key_follows_the_recipe(study, tmp_path, monkeypatch):
    harness, recipes = study("harness"), study("recipes")
    run = harness.Study("trial", "", ["--work", str(tmp_path)])
    assert run.cell("gaussian", 25, compute=lambda: {"x": 1}) == {"x": 1}
    monkeypatch.setitem(recipes.RECIPES, "gaussian", recipes.Recipe("gaussian", 7))
    assert run.cell("gaussian", 25, compute=lambda: {"x": 2}) == {"x": 2}


def test_protocol_scale(study):
    # 63 pixels over 256 of white mean-free patches have covariance v (255/256)² (I - 1/64).
    measures, v = study("measures"), 0.01
    z = white(v).sample(5, 0)
    cov = v * (255 / 256) ** 2 * (np.eye(63) - 1 / 64)
    pixels = 255 / 256 * z[:, :-1]
    distance = np.einsum("ni,ni->n", pixels @ np.linalg.inv(cov), pixels)
    expected = -0.5 * (distance + np.linalg.slogdet(2 * np.pi * cov)[1])
    found = measures.protocol_nats(white(v).log_prob(z))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_patch_psnr(study):
    # Wiener filter of white patches: error v s / (v + s) in 63 directions, s in that of the mean.
    measures, v, sigma = study("measures"), 0.01, 25
    clean = white(v).sample(20_000, 0)
    noisy = measures.noisy_patches(clean, sigma)
    s = (sigma / 255) ** 2
    estimate = white(v).denoise(noisy - noisy.mean(axis=1, keepdims=True), sigma / 255)
    expected = -10 * np.log10((63 * v * s / (v + s) + s) / 64)
    # 1.3 million squared errors: standard error sqrt(2 / 1.28e6) * 10 / ln 10 = 0.0054 dB
    assert measures.patch_psnr(estimate, clean, noisy) == pytest.approx(expected, abs=0.02)


def test_images_and_patches(study, data_dir):
    measures = study("measures")
    rows = measures.patches("test", 200)
    assert rows.shape == (200, 64)
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-16)
    crop = measures.image(0, 48)
    assert crop.shape == (48, 48)
    whole = measures.image(0)
    top, left = ((n - 48) // 2 for n in whole.shape)
    np.testing.assert_array_equal(crop, whole[top : top + 48, left : left + 48])
    noise = measures.noisy_image(0, 25, 48) - crop
    np.testing.assert_allclose(
        noise, 25 / 255 * np.random.default_rng(0).standard_normal((48, 48)), atol=1e-15
    )
    restored = fastepll.denoise(crop + noise, 25 / 255, quality="exact")
    expected = -10 * np.log10(np.mean((np.clip(restored, 0, 1) - crop) ** 2))
    found = measures.epll(fastepll.load_model("gray-8x8-200"), 0, 25, crop=48)
    assert found == pytest.approx(expected, abs=1e-4)  # the noise differs by its rounding
