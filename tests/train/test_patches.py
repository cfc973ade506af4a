"""The stream of training patches."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.images.channels import dct_matrix
from fastepll.images.cosines import dct_basis
from fastepll.train.patches import (
    deviations,
    list_images,
    read_gray,
    read_rgb,
    split_images,
    stream_patches,
)


def draw(folder, n=500, shape=(8, 8), **kwargs):
    return np.concatenate(list(stream_patches(list_images(folder), shape, n, **kwargs)))


def test_stream_is_seeded_and_mean_free(folder):
    first = draw(folder, seed=3)
    assert first.shape == (500, 64)
    assert first.dtype == np.float32
    assert np.array_equal(first, draw(folder, seed=3))
    assert not np.array_equal(first, draw(folder, seed=4))
    assert abs(first.mean(axis=1)).max() < 1e-6


def test_patches_are_those_of_the_image(folder):
    path = list_images(folder)[0]
    (block,) = stream_patches([path], (3, 4), 38 * 57, dequantise=False)
    windows = np.lib.stride_tricks.sliding_window_view(read_gray(path), (3, 4)).reshape(-1, 12)
    expected = (windows - windows.mean(axis=1, keepdims=True)) / 255
    np.testing.assert_allclose(block, expected, atol=1e-6)


def test_patches_may_keep_their_means(folder):
    whole = draw(folder, remove_mean=False)
    np.testing.assert_allclose(whole - whole.mean(axis=1, keepdims=True), draw(folder), atol=1e-6)
    assert whole.min() >= 0
    assert whole.mean(axis=1).std() > 0.01


def test_more_patches_than_positions_repeat_them_evenly(folder):
    path = list_images(folder)[0]
    (block,) = stream_patches([path], (8, 8), 2 * 33 * 53, dequantise=False)
    (once,) = stream_patches([path], (8, 8), 33 * 53, dequantise=False)
    assert np.array_equal(block[::2], once)
    assert np.array_equal(block[1::2], once)


def test_dequantising_adds_uniform_noise_at_the_same_positions(folder):
    noise = 255 * (draw(folder, 20000) - draw(folder, 20000, dequantise=False))
    assert noise.var() == pytest.approx(63 / 64 / 12, rel=0.02)
    assert abs(noise).max() < 1


def test_flips_mirror_patches(folder):
    plain, mirrored = (
        draw(folder, 900, dequantise=False, flips=f).reshape(-1, 8, 8) for f in (False, True)
    )
    options = np.stack([plain, plain[:, ::-1], plain[:, :, ::-1], plain[:, ::-1, ::-1]], axis=1)
    same = (options == mirrored[:, None]).all(axis=(2, 3))
    assert same.any(axis=1).all()
    assert (same.sum(axis=0) > 150).all()


def test_gray_is_weighted_and_rounded(folder):
    gray = read_gray(folder / "2.png")
    from PIL import Image

    red, green, blue = np.moveaxis(np.asarray(Image.open(folder / "2.png"), dtype=float), 2, 0)
    assert np.array_equal(gray, np.rint(0.298936 * red + 0.587043 * green + 0.114021 * blue))


def test_colour_patches_are_those_of_the_image(folder):
    path = folder / "2.png"
    (block,) = stream_patches([path], (3, 4, 3), 46 * 45, dequantise=False)
    image, tops, lefts = read_rgb(path), *np.divmod(np.arange(46 * 45), 45)
    cut = [image[i : i + 3, j : j + 4].ravel() for i, j in zip(tops, lefts, strict=True)]
    expected = (cut - np.mean(cut, axis=1, keepdims=True)) / 255  # one mean for all channels
    np.testing.assert_allclose(block, expected, atol=1e-6)
    assert np.ptp(block.reshape(-1, 12, 3).mean(axis=1)) > 0.01


def test_colour_patches_are_mirrored_in_their_rows_and_columns(folder):
    plain, mirrored = (
        draw(folder, 900, (4, 5, 3), dequantise=False, flips=f).reshape(-1, 4, 5, 3)
        for f in (False, True)
    )
    options = np.stack([plain, plain[:, ::-1], plain[:, :, ::-1], plain[:, ::-1, ::-1]], axis=1)
    same = (options == mirrored[:, None]).all(axis=(2, 3, 4))
    assert same.any(axis=1).all()
    assert (same.sum(axis=0) > 150).all()


def test_gray_images_make_colour_patches_without_colour(folder):
    (block,) = stream_patches([folder / "0.png"], (3, 3, 3), 50, dequantise=False)
    assert np.ptp(block.reshape(50, 9, 3), axis=2).max() == 0


def test_patches_do_not_depend_on_the_images_read_at_a_time(folder, monkeypatch):
    whole = draw(folder, seed=1)
    monkeypatch.setattr("fastepll.train.patches.READERS", 2)
    assert np.array_equal(whole, draw(folder, seed=1))


def test_split_keeps_images_apart(folder):
    paths = list_images(folder)
    train, kept = split_images(paths, 1, seed=0)
    assert sorted([*train, *kept]) == paths
    assert (len(train), len(kept)) == (2, 1)
    with pytest.raises(ValueError, match=r"holdout must be 0\.\.2 images, got 3"):
        split_images(paths, 3, seed=0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 4, 3)])
def test_basis_of_mean_free_patches(shape):
    basis = dct_basis(shape)
    assert len(basis) == np.prod(shape)
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis) - 1), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)


def test_basis_of_colour_patches_is_the_product_of_its_axes():
    rows, columns, channels = dct_matrix(3), dct_matrix(4), dct_matrix(3)
    product = np.einsum("ai,bj,ck->abcijk", rows, columns, channels).reshape(36, 36)
    np.testing.assert_allclose(dct_basis((3, 4, 3)), product[1:].T, atol=1e-14)


def test_bad_folders(folder, tmp_path):
    with pytest.raises(ValueError, match="must hold images"):
        list_images(tmp_path)
    with pytest.raises(ValueError, match="must be a directory"):
        list_images(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"must hold a 41x3 patch, 0\.png is 40x60"):
        list(stream_patches(list_images(folder), (41, 3), 10))


def test_deviations_are_those_of_the_windows(folder):
    for image, shape in (
        (read_gray(folder / "0.png"), (3, 4)),
        (read_rgb(folder / "2.png"), (5, 2)),
    ):
        windows = np.lib.stride_tricks.sliding_window_view(image, shape, axis=(0, 1))
        axes = tuple(range(2, windows.ndim))
        np.testing.assert_allclose(deviations(image, *shape), windows.std(axis=axes), atol=1e-6)


def test_detail_draws_in_proportion_to_the_deviation(tmp_path):
    """A flat half and a busy one; of their patches the flat ones come out once in a thousand."""
    from PIL import Image

    pixels = np.full((200, 400), 100, np.uint8)
    pixels[:, 200:] = np.random.default_rng(0).integers(0, 255, (200, 200))
    Image.fromarray(pixels).save(tmp_path / "half.png")

    def flat(**options):
        block = draw(tmp_path, 4000, (4, 4), dequantise=False, **options)
        return (np.ptp(block, axis=1) == 0).mean()

    assert flat() == pytest.approx(197 * 197 / (197 * 397), abs=0.03)
    assert flat(detail=4.0) < 0.005


def test_shrunk_images_are_means_of_squares(folder):
    whole, small = read_rgb(folder / "2.png"), read_rgb(folder / "2.png", 5)
    assert small.shape == (9, 9, 3)
    np.testing.assert_array_equal(small[1, 2], np.rint(whole[5:10, 10:15].mean(axis=(0, 1))))
    (block,) = stream_patches([folder / "2.png"], (9, 9, 3), 1, shrink=5, dequantise=False)
    expected = (small - small.mean()) / 255
    np.testing.assert_allclose(block[0], expected.ravel(), atol=1e-6)
