"""Patches drawn anew: where they come from, mirrored how."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastepll.train.fresh_patches import FreshPatches
from fastepll.train.patches import list_images


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in (("a", (9, 12)), ("b", (12, 7))):
        Image.fromarray(rng.integers(0, 255, shape).astype(np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_patches_are_those_of_the_images(folder):
    paths = list_images(folder)
    rows = FreshPatches(paths, (2, 3), flips=False)(np.random.default_rng(1), 4000)
    known = []
    for path in paths:
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(Image.open(path)), (2, 3))
        windows = windows.reshape(-1, 6).astype(float)
        known.append((windows - windows.mean(1, keepdims=True)) / 255)
    distance = [abs(rows[:, None] - each).max(2).min(1) for each in known]
    assert np.minimum(*distance).max() < 1 / 255  # of the uniform noise, less its mean
    assert np.mean(distance[0] < 1 / 255) == pytest.approx(0.5, abs=0.05)
    nearest = abs(rows[:, None] - known[1]).max(2)
    chosen = nearest[nearest.min(1) < 1 / 255].argmin(1)
    counts = np.bincount(chosen, minlength=len(known[1]))
    assert counts.min() > 10  # of 2000 draws over 55 positions
    assert abs(rows.mean(axis=1)).max() < 1e-6


def test_squares_are_turned_all_ways(folder):
    path = list_images(folder)[:1]
    rows = FreshPatches(path, (9, 9))(np.random.default_rng(1), 400)
    image = np.asarray(Image.open(path[0])).astype(float)
    seen = set()
    for column in range(4):
        block = image[:, column : column + 9]
        for turn in range(8):
            turned = np.rot90(block if turn < 4 else block.T, turn)
            wanted = ((turned - turned.mean()) / 255).ravel()
            if (abs(rows - wanted).max(1) < 1 / 255).any():
                seen.add((column, turn))
    assert len(seen) == 32


def test_same_seed_same_patches(folder):
    draw = FreshPatches(list_images(folder), (2, 2))
    one, other = (draw(np.random.default_rng(seed), 50) for seed in (3, 4))
    np.testing.assert_array_equal(draw(np.random.default_rng(3), 50), one)
    assert one.dtype == np.float32
    assert (one != other).any()


def test_refusals(folder):
    with pytest.raises(ValueError, match="at least one image"):
        FreshPatches([], (2, 2))
    with pytest.raises(ValueError, match="must hold a 8x8 patch"):
        FreshPatches(list_images(folder), (8, 8))
