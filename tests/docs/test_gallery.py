"""The gallery: every example runs, and restores or reaches its numbers."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

mpl = pytest.importorskip("matplotlib")
pytest.importorskip("PIL")
pytest.importorskip("skimage")
GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = {f"{path.parent.name}/{path.stem}": path for path in sorted(GALLERY.glob("*/*.py"))}
NEEDS = {
    "generative/autoregressive": ("sklearn", "torch"),
    "generative/latent": ("sklearn", "torch"),
    "generative/patch_priors": ("torch",),
    "generative/tables": ("sklearn",),
    "restore/deep_image_prior": ("torch",),
}

# dB that the last image must gain over the first of the size of the clean one
GAINS = {
    "denoise/colour": 9,
    "denoise/gray": 8,
    "denoise/noise_map": 8,
    "denoise/poisson": 9,
    "denoise/telescope": 14,
    "denoise/volume": 10,
    "generative/patch_priors": 6,
    "libraries/calibrate": 7,
    "libraries/plug_and_play": 5,
    "restore/compressed_sensing": 10,
    "restore/deblur": 10,
    "restore/deep_image_prior": 5,
    "restore/demosaic": 32,
    "restore/devignette": 22,
    "restore/inpaint_missing": 19,
    "restore/inpaint_text": 28,
    "restore/super_resolve": 1.5,
}

# What an example finds, to 2 %
FOUND = {
    "generative/autoregressive": {
        "nats": {"tree": -20.76, "FVSBN": -18.37, "NADE": -17.81, "MADE": -17.4},
    },
    "generative/latent": {
        "of_pca": {"reconstruction": -4.55, "divergence": 8.26, "bound": -12.81, "log p": -12.81},
        "of_vae": {"reconstruction": -11.88, "divergence": 6.31, "bound": -18.18, "log p": -17.63},
    },
    "generative/patch_priors": {
        "nats": {"Gaussian": 53.68, "network": 65.18, "average over symmetries": 66.68},
    },
    "generative/tables": {
        "nats": {"independent": -25.13, "chain": -24.08, "tree": -20.76, "naive Bayes": -19.85},
        "accuracy": {"whole": 89, "upper half": 73},
    },
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_runs(name, request, monkeypatch):
    if name == "libraries/plug_and_play":
        request.getfixturevalue("deepinv")
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(str(GALLERY.parent))
    mpl.use("Agg")
    found = runpy.run_path(str(SCRIPTS[name]))
    panels = sys.modules.pop("panels")
    panels.plt.close("all")
    for what, values in FOUND.get(name, {}).items():
        assert found[what] == pytest.approx(values, rel=0.02)
    nats = [*found.get("nats", {}).values()]
    assert nats == sorted(nats)  # the better model comes later
    if name in GAINS:
        clean, images = found["clean"], found["images"]
        same = [image for image in images.values() if np.shape(image) == clean.shape]
        first, *_, last = (panels.psnr(image, clean) for image in same)
        assert last > first + GAINS[name]


@pytest.mark.skipif(not SCRIPTS, reason="no gallery beside the tests")
def test_numbers_are_of_these_examples():
    assert {*GAINS, *FOUND} == set(SCRIPTS)
