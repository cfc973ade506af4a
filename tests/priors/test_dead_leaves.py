"""Dead-leaves images against what is known of their law."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import kstest

from fastepll.priors import dead_leaves as module
from fastepll.priors.dead_leaves import dead_leaves, dead_leaves_patches, radii


def test_images_are_seeded():
    first = dead_leaves((40, 60), rng=3, r_max=20)
    assert first.shape == (40, 60)
    assert np.array_equal(first, dead_leaves((40, 60), rng=np.random.default_rng(3), r_max=20))
    assert not np.array_equal(first, dead_leaves((40, 60), rng=4, r_max=20))
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_radii_follow_the_power_law(exponent):
    r_min, r_max = 2.0, 30.0
    grid = np.geomspace(r_min, r_max, 20001)
    density = grid**-exponent
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    sample = radii(np.random.default_rng(0), 20_000, r_min, r_max, exponent)
    assert kstest(sample, lambda r: np.interp(r, grid, mass / mass[-1])).pvalue > 1e-3


@pytest.mark.parametrize(("r_min", "r_max"), [(5.0, 5.001), (1.5, 20.0)])
def test_two_pixels_show_one_disk_as_often_as_the_law_says(monkeypatch, r_min, r_max):
    """Two points x apart: g(x) / (2 g(0) - g(x)), g(x) the mean overlap of a disk and itself + x.

    That is how Lee, Mumford & Huang derive the covariance of pixels.
    """
    monkeypatch.setattr(module, "DISKS", 48)  # quicker for images of four pixels
    r = np.geomspace(r_min, r_max, 4001)

    def overlap(x):
        half = np.minimum(x / (2 * r), 1)
        lens = 2 * r**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
        return trapezoid(lens * r**-3, r)

    n = 2500
    pairs = np.array([dead_leaves((1, 4), rng=i, r_min=r_min, r_max=r_max)[0] for i in range(n)])
    for x in (1, 3):
        expected = overlap(x) / (2 * overlap(0) - overlap(x))
        same = (pairs[:, 0] == pairs[:, x]).mean()
        assert abs(same - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n)


def test_pixels_have_the_law_of_the_levels(monkeypatch):
    monkeypatch.setattr(module, "DISKS", 48)
    levels = [0.0, 0.25, 0.25, 1.0]
    pixels = np.array(
        [dead_leaves((2, 2), rng=i, r_max=8, levels=levels)[1, 1] for i in range(1000)]
    )
    for level, share in ((0.0, 0.25), (0.25, 0.5), (1.0, 0.25)):
        assert abs((pixels == level).mean() - share) < 4.5 * np.sqrt(share * (1 - share) / 1000)


def test_supersampling_averages_a_finer_image():
    fine = dead_leaves((30, 42), rng=2, r_min=3, r_max=60)
    coarse = dead_leaves((10, 14), rng=2, r_min=1, r_max=20, supersample=3)
    np.testing.assert_allclose(coarse, fine.reshape(10, 3, 14, 3).mean(axis=(1, 3)), atol=1e-12)


@pytest.mark.parametrize("pixels", [1, 100, 10**9])
def test_groups_of_disks_do_not_change_the_image(monkeypatch, pixels):
    expected = dead_leaves((50, 30), rng=1, r_max=40)
    monkeypatch.setattr(module, "PIXELS", pixels)
    assert np.array_equal(dead_leaves((50, 30), rng=1, r_max=40), expected)


def test_both_searches_find_the_pixels_of_disks():
    disks = module._disks(np.random.default_rng(0), (9, 13), (0.4, 6.0), 2.0)
    by_box = module._inside(disks, 13, 9)
    by_pixel = module._hits(disks, np.arange(9 * 13), 13)
    np.testing.assert_array_equal(by_box, by_pixel)
    y, x = np.divmod(by_box[0], 13)
    radius, row, column = disks[:, by_box[1]]
    assert (np.hypot(y - row, x - column) <= radius * (1 + 1e-12)).all()


def test_patches_are_dequantised_and_mean_free():
    options = {"rng": 5, "image_shape": (32, 32), "per_image": 50, "r_max": 20}
    plain = dead_leaves_patches(120, (3, 4), **options, dequantise=False, remove_mean=False)
    assert plain.shape == (120, 12)
    levels = dead_leaves_patches(120, (3, 4), **options, remove_mean=False)
    noise = 255 * levels - np.rint(255 * plain)
    assert noise.min() >= -1e-9  # rounding of 255 / 255
    assert noise.max() < 1 + 1e-9
    assert noise.var() == pytest.approx(1 / 12, rel=0.1)
    centred = dead_leaves_patches(120, (3, 4), **options)
    np.testing.assert_allclose(centred, levels - levels.mean(axis=1, keepdims=True), atol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (3,)}, "shape must be"),
        ({"r_min": 0}, "r_min and r_max must be"),
        ({"r_min": 5, "r_max": 5}, "r_min and r_max must be"),
        ({"exponent": -1}, "exponent must be"),
        ({"supersample": 0}, "supersample must be"),
        ({"levels": []}, "levels must have shape"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        dead_leaves(**{"shape": (4, 4), "rng": 0, **options})


def test_patches_must_fit_the_images():
    with pytest.raises(ValueError, match="image_shape must hold"):
        dead_leaves_patches(3, (8, 8), rng=0, image_shape=(7, 20))
