"""The gallery: every example runs and restores, and its page shows it as it is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

PIL = pytest.importorskip("PIL.Image")
pytest.importorskip("skimage")
GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
NAMES = sorted(p.stem for p in GALLERY.glob("*.py") if p.stem not in ("panels", "make"))

# dB that the restored crop of 96 pixels must gain over the first image of the size of the clean one
GAINS = {
    "denoise": 8,
    "denoise_colour": 9,
    "uneven_noise": 7,
    "poisson": 5,
    "deblur": 7,
    "inpaint_text": 20,
    "inpaint_missing": 15,
    "demosaic": 30,
    "super_resolve": 0.5,
    "devignette": 15,
    "compressed_sensing": 3,
    "calibrate": 6,
    "plug_and_play": 3,
}


@pytest.fixture
def gallery(monkeypatch):
    """Import from its folder, and forget what was imported."""
    monkeypatch.syspath_prepend(str(GALLERY))
    yield importlib.import_module
    for name in (*NAMES, "panels", "make"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", NAMES)
def test_example_restores(gallery, request, name):
    if name == "plug_and_play":
        request.getfixturevalue("deepinv")
    clean, images = gallery(name).example(side=96)
    panels = gallery("panels")
    same = [image for image in images.values() if np.shape(image) == clean.shape]
    first, *others = (panels.psnr(image, clean) for image in same)
    assert others[-1] > first + GAINS[name]
    width = sum(clean.shape[1] for _ in images) + panels.GAP * (len(images) - 1)
    assert panels.picture(images).shape == (len(clean), width, *clean.shape[2:])


@pytest.mark.skipif(not NAMES, reason="no gallery beside the tests")
def test_page_is_of_these_examples(gallery, request):
    request.getfixturevalue("deepinv")
    make = gallery("make")
    assert sorted(make.EXAMPLES) == NAMES
    page = (GALLERY.parent / "gallery.md").read_text()
    assert page.startswith(make.HEAD)
    for name in make.EXAMPLES:
        shown = page.partition(f"(gallery/{name}.png)\n\n*")[2].partition("*\n")[0]
        assert "dB" in shown
        assert make.section(name, [shown]) in page
        with PIL.open(GALLERY / f"{name}.png") as picture:
            assert picture.height >= 160
        assert (GALLERY / f"{name}.png").stat().st_size < 200_000
