"""The studies: what they measure with, what they keep, and a trial of each."""

from __future__ import annotations

import csv
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import fastepll
from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")
STUDIES = Path(__file__).parents[2] / "bench" / "studies"
pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="no studies beside the tests")
WRITTEN = [
    path
    for folder in ("docs/studies", "bench/results/studies")
    for path in (STUDIES.parents[1] / folder).glob("*")
]
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


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.mark.parametrize(
    "name",
    [
        "anatomy",
        "averaging",
        "components",
        "dead_leaves",
        "deep_image_prior",
        "estimators",
        "generative",
        "likelihood",
        "samples",
    ],
)
def test_trial(study, data_dir, work, name):
    pytest.importorskip("torch")
    before = {path: path.stat().st_mtime_ns for path in WRITTEN}
    study(name).main(["--quick", "--work", str(work)])
    folder = work / "quick"
    page = (folder / f"{name}.md").read_text()
    shown = re.findall(r"\]\((.*\.png)\)", page)
    assert sorted(shown) == sorted(path.name for path in folder.glob(f"{name}-*.png"))
    with (folder / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    CHECKS[name](rows)
    assert {path: path.stat().st_mtime_ns for path in WRITTEN} == before


def check_anatomy(rows):
    assert len(rows) == 200
    assert {row["kind"] for row in rows} == {"contrast", "texture", "boundary"}


def check_averaging(rows):
    psnr = {(row["prior"], row["method"]): float(row["psnr"] or 0) for row in rows}
    for method in ("averaged", "epll"):
        assert psnr["mixture of 200", method] > psnr["Gaussian", method] + 0.5
    assert psnr["Gaussian", "averaged"] > psnr["Gaussian", "apart"]


def check_components(rows):
    nats = {int(row["components"]): float(row["test nats"]) for row in rows}
    assert nats[200] > nats[5] + 10
    assert nats[2] > nats[1] + 10


def check_deep_image_prior(rows):
    cells = {row["cell"]: row for row in rows}
    assert 30.5 < float(cells["denoise F16_GT epll"]["psnr"]) < 31.5
    assert cells["denoise F16_GT slim"]["parameters"] == cells["cost slim"]["parameters"]
    assert float(cells["denoise F16_GT slim"]["iterations"]) == 4
    alone, both = (float(cells[f"denoise F16_GT {m}"]["average"]) for m in ("slim", "slim+epll"))
    assert both > alone + 1.5
    assert float(cells["bias image"]["loss 10"]) < 0.1


def check_estimators(rows):
    rows = [row for row in rows if row["patch psnr"]]
    psnr = {(row["sigma"], row["estimator"]): float(row["patch psnr"]) for row in rows}
    for sigma in ("5", "25"):
        assert psnr[sigma, "posterior mean"] > psnr[sigma, "hard MAP (2011)"]
        assert psnr[sigma, "posterior mean"] > psnr[sigma, "best of the three"]


def check_dead_leaves(rows):
    gaps = {row["prior"]: float(row["gap"]) for row in rows if row["gap"]}
    assert gaps["Gaussian"] > gaps["GSM"] + 10
    assert min(gaps.values()) == gaps["true model"] == 0
    nats = {(row["prior"], row["trained on"]): float(row["nats"]) for row in rows}
    assert nats["Gaussian mixture", "photographs"] > nats["Gaussian", "photographs"] + 10


def check_generative(rows):
    """The tree knows more of digits than pixels do by themselves, and completes them better."""
    models = {row["model"]: row for row in rows if row["table"] == "digits"}
    gap, completes = (
        float(models["tree"][what]) - float(models["independent"][what])
        for what in ("nats", "completion")
    )
    assert gap == pytest.approx(67.2, abs=0.1)
    assert completes > 0.1


def check_samples(rows):
    tail = {row["prior"]: float(row["tail"]) for row in rows}
    assert tail["gaussian"] == pytest.approx(3.82, rel=0.1)  # 200 patches
    assert min(tail["photographs"], tail["mixture"], tail["mini"]) > 8


def check_likelihood(rows):
    """The two same densities agree, and families are as far apart as in the full study."""
    nats = {row["prior"]: float(row["nats"]) for row in rows}
    assert nats["pca-gaussian"] == pytest.approx(nats["gaussian"], abs=1e-3)
    assert nats["gaussian"] - nats["independent-pixels"] == pytest.approx(13, abs=4)
    assert nats["gsm"] - nats["gaussian"] == pytest.approx(47, abs=5)
    assert nats["mixture"] - nats["gsm"] == pytest.approx(9.6, abs=3)


CHECKS = {
    "anatomy": check_anatomy,
    "averaging": check_averaging,
    "components": check_components,
    "dead_leaves": check_dead_leaves,
    "deep_image_prior": check_deep_image_prior,
    "estimators": check_estimators,
    "generative": check_generative,
    "likelihood": check_likelihood,
    "samples": check_samples,
}


def test_shapes(study):
    """A scale mixture is contrast alone; a step edge is found where it is."""
    shapes = study("shapes")
    basis = dct_basis((8, 8))
    rng = np.random.default_rng(0)
    root = rng.standard_normal((63, 63))
    shape = root @ root.T + np.eye(63)
    scales = np.array([0.01, 0.1, 1.0])
    model = GaussianMixture.from_covariances(
        [0.5, 0.3, 0.2], [s * basis @ shape @ basis.T for s in scales], (8, 8)
    )
    found = shapes.anatomy(model, shape)
    np.testing.assert_allclose(found.distance, 0, atol=1e-6)
    np.testing.assert_allclose(found.contrast[1:] / found.contrast[:-1], np.sqrt(10), rtol=1e-9)
    assert found.contrast_share() == pytest.approx(1, abs=1e-9)
    # two of the same directions, one variance 4 times the other: log ratios 0 and log 4
    half = np.diag(np.r_[np.ones(32), np.full(31, 4.0)])
    share = np.array([31 / 63, 32 / 63])
    expected = np.log(4) * np.sqrt(share[0] * share[1])
    assert shapes.compare(np.eye(63), half) == pytest.approx(expected, rel=1e-9)

    edges, angles, offsets = shapes.step_edges()
    x = np.arange(8) - 3.5
    edge = np.where(x > 1.0, 1.0, 0.0) * np.ones((8, 1))  # the normal along the row: 0 degrees
    edge = (edge - edge.mean()).ravel()
    at = np.argmax(np.abs(edges @ edge) / np.linalg.norm(edge))
    assert (angles[at], offsets[at]) == (0, 1.0)


def test_coherence(study):
    """Stripes have one orientation, at any angle, and white noise has none."""
    coherence = study("shapes").coherence
    stripes = np.cos(np.arange(8) * 0.9) * np.ones((8, 1))
    slant = np.cos(0.6 * np.add.outer(np.arange(8), np.arange(8)))
    for patch in (stripes, stripes.T, slant):
        assert coherence(np.outer(patch, patch)) == pytest.approx(1, abs=0.02)
    assert coherence(np.eye(64)) == pytest.approx(0, abs=1e-12)
