"""Sections of the page of generative models, of models that are made here."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fastepll.models import GaussianMixture, load_model

for library in ("matplotlib", "PIL", "sklearn", "torch"):
    pytest.importorskip(library)
STUDIES = Path(__file__).parents[2] / "bench" / "studies"
pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="no studies beside the tests")


@pytest.fixture
def module(monkeypatch):
    """Import from their folder, and forget what was imported."""
    monkeypatch.syspath_prepend(str(STUDIES))
    yield importlib.import_module
    for path in (*STUDIES.glob("*.py"), *STUDIES.parent.glob("*.py")):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def study(module, tmp_path):
    return module("harness").Study("generative", "", ["--quick", "--work", str(tmp_path)])


def test_latent_variables_of_the_models_that_are_there(module, study, data_dir):
    from fastepll.generative import VAE
    from fastepll.priors import PatchVAE
    from fastepll.train.descent import Descent

    page, models = module("gen_page_latent"), module("gen_models")
    assert page.show(study) == ([], [])
    how = Descent(iterations=20, batch=50, learning_rate=1e-3)
    options = {"n_latents": 7, "width": 16, "depth": 1, "how": how}
    VAE.fit(page.data("vae", 200), shape=(28, 28), **options).save(models.path_of(study, "vae"))
    rows = page.data("patch-vae", 200)
    PatchVAE.fit(rows, patch_shape=(8, 8), **options).save(models.path_of(study, "patch-vae"))
    page.measure(study)
    rows, parts = page.show(study)
    assert [row["model"] for row in rows] == ["vae", "patch-vae"]
    for row in rows:
        assert row["of"] == 7
        assert row["reconstruction"] - row["divergence"] == pytest.approx(row["elbo"])
        assert row["score"] > 2 * row["reparameterisation"] > 0
    shown = re.findall(r"\]\((.*\.png)\)", "\n".join(parts))
    assert sorted(shown) == sorted(path.name for path in study.pages.glob("*.png"))
    assert "generative-latent-patch-vae.png" in shown
    picture = (study.pages / "generative-latent-vae.png").read_bytes()
    for path in (study.work / "generative").glob("*"):
        path.unlink()
    page.measure(study)
    assert page.show(study)[1] == parts
    assert (study.pages / "generative-latent-vae.png").read_bytes() == picture


def test_what_more_time_gave(module, study):
    models, page = module("gen_models"), module("generative")
    history = [[i, 1.0, 100 - i] for i in range(0, 41, 5)]
    np.savez(models.checkpoint_of(study, "vae"), history=np.array(history, float))
    at = models.course(study, "vae")
    assert at == {"20%": -90, "40%": -80, "60%": -75, "80%": -65, "100%": -60}
    told = page.courses({"course vae": at, "course nade": {}})[1]
    assert told.splitlines()[0] == "| model | 20% | 40% | 60% | 80% | 100% |"
    assert told.splitlines()[2:] == ["| vae | -90.00 | -80.00 | -75.00 | -65.00 | -60.00 |"]


def test_every_model_is_of_one_family(module):
    models, families = module("gen_models"), module("gen_families").FAMILIES.values()
    for name in (*models.OF_DIGITS, *models.OF_PATCHES):
        assert sum(family.has(name) for family in families) == 1, name


def test_families_tell_what_was_measured(module):
    families = module("gen_families")
    rows = [
        {"model": "independent", "nats": -200.0, "error": 0.4, "parameters": 784},
        {"model": "tree", "nats": -130.0, "error": 0.3, "parameters": 1567, "discrepancy": 2.5}
        | {"seconds per sample": 1e-3, "completion": 7.5, "exact completion": 1.0},
        {"model": "vae", "nats": -90.0, "error": 0.2, "accuracy": None, "training": 60.0},
    ]
    told = "\n".join(families.show(rows))
    assert "| tables | `tree` | exact: -130.00 ± 0.30 nats | 1 ms, discrepancy 2.50 |" in told
    assert "| variational autoencoder | `vae` | bound: -90.00" in told
    assert "costs 40.0 nats" in told
    assert "tells" not in told  # no accuracy, no sentence of it
    assert "fully connected" not in told


def test_where_curves_cross(module):
    page = module("gen_page_messages")
    error = {"difference": 0.01, "difference error": 0.02}
    curves = [
        {"n": 10, "bayes": 0.1, "laplace": 0.3, "logistic": 0.2},
        {"n": 1000, "bayes": 0.01, "laplace": 0.05, "logistic": 0.02, **error},
    ]
    told = page.crossed(curves, {"bayes": [123.4], "laplace": []})
    assert "smoothing chosen they are equal at 123 messages, then naive Bayes has fewer" in told
    assert "With smoothing 1 they are never equal: logistic regression has fewer" in told
    assert "+1.00 ± 2.00 %" in told


def test_draws_are_of_the_posterior(module):
    mixture = GaussianMixture.from_covariances([1.0], [np.diag([0.04, 0.09, 0.0])], (1, 3))
    y = np.array([0.3, -0.2, 0.1])
    x = module("gen_means").drawn(mixture, y, 0.1, 100_000, np.random.default_rng(0))
    wiener = np.array([0.8, 0.9, 0.0])  # v / (v + 0.01)
    np.testing.assert_allclose(x.mean(axis=0), wiener * y, atol=2e-3)
    np.testing.assert_allclose(np.cov(x.T), np.diag(0.01 * wiener), atol=2e-4)


def test_mean_of_the_mixture_itself_has_equal_weights(module, data_dir):
    found = module("gen_means").posterior_mean(load_model("gray-8x8-200"), 25, n=3, draws=50)
    assert found["mean"] == pytest.approx(found["mixture"], abs=1e-9)
    assert found["effective"] == pytest.approx(50)


def test_modes_of_the_mixture_itself_are_its_estimates(module, data_dir):
    found = module("gen_means").modes(load_model("gray-8x8-200"), 25, n=3)
    assert found["rise"] == pytest.approx(0, abs=1e-9)
    assert found["contrast"] == pytest.approx(found["mixture"])
    assert 0.3 < found["contrast"] < 1.2


def test_sheets_are_kept(module, study):
    sheets, rng = module("gen_sheets"), np.random.default_rng(0)
    rows = rng.integers(0, 2, (40, 784)).astype(float)
    sheets.keep(study, "nade", {"samples": rows})
    sheets.keep(study, "tree", {"samples": 1 - rows, "completions": rows})
    kept = {name: np.unpackbits(bits, axis=1) for name, bits in sheets.kept(study).items()}
    assert sorted(kept) == ["completions tree", "samples nade", "samples tree"]
    np.testing.assert_array_equal(kept["samples nade"], rows[:36])
    np.testing.assert_array_equal(kept["samples tree"], 1 - rows[:36])


def test_gains_over_the_mixture(module, study):
    page = module("gen_page_patches")
    for i in page.IMAGES:
        for name, psnr in (("mixture", 27.0), ("rnade", 25.0 + i / 28)):
            key = ("image", name, i, 25, "stride 4", page.MIDDLE)
            study.cell(*key, compute=lambda psnr=psnr: {"dB": psnr})
    study.cell("nats", "rnade", compute=lambda: {"nats": 154.0, "error": 4.0})
    study.cell("symmetry", "rnade", compute=lambda: {"nats": 155, "gain": 1, "gain error": 0.1})
    rows, parts = page.show(study)
    assert [row["table"] for row in rows] == ["patches", "symmetries"]
    assert rows[0]["image gain"] == pytest.approx(-1)
    assert "| rnade | 154.00 | 4.00 | 153.00 |" in "\n".join(parts)
