"""Dask arrays: bit for bit what the whole image gives; a cluster and a store beyond memory."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fastepll
from fastepll import operators
from fastepll.solver.settings import Settings

from ..conftest import BACKENDS
from ..scenes import noisy, scene, smooth_mixture

da = pytest.importorskip("dask.array")
ours = pytest.importorskip("fastepll.dask")

MODEL = smooth_mixture()
SIGMA = 0.1
IMAGE = noisy(scene(211, 267), SIGMA).astype(np.float32)
RGB = np.stack([IMAGE, 1 - IMAGE, 0.5 * IMAGE], axis=-1)
UNKNOWN = np.random.default_rng(1).random(IMAGE.shape) < 0.6
UNKNOWN[40:120, 100:190] = True
GAIN = np.where(UNKNOWN[::-1], 0, np.linspace(0.2, 1.4, 267)) * np.ones(IMAGE.shape)
native = pytest.mark.skipif("native" not in BACKENDS, reason="only the core is bit for bit")
CHUNKS = [(64, 64), (50, 101), (7, 300), (211, 39)]


def lazy(array, chunks=(64, 64)):
    return da.from_array(array, chunks=chunks)


def computed(array):
    return array.compute(scheduler="sync")


@native
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("quality", ["exact", "learned", "high", "balanced", "fast", "preview"])
def test_denoise_is_that_of_the_whole(quality, chunks):
    options = {"model": MODEL, "quality": quality}
    whole = fastepll.denoise(IMAGE, SIGMA, **options)
    blocks = ours.denoise(lazy(IMAGE, chunks), SIGMA, **options)
    assert blocks.dtype == IMAGE.dtype
    assert blocks.chunks == lazy(IMAGE, chunks).chunks
    np.testing.assert_array_equal(computed(blocks), whole)


@native
@pytest.mark.parametrize(
    "settings",
    [
        Settings(noise=[1, 0.2], blend=[0.5, 1], stride=5, weighting="confidence", window_decay=1),
        Settings(noise=[1, 0.2, 0.1], blend=[0.5, 1, 1], stride=1, estimator="top_mean", coarse=1),
        Settings(noise=[0.5], blend=[0.9], stride=6, selection="cascade", coarse=0.5),
    ],
)
def test_any_settings(settings):
    whole = fastepll.denoise(IMAGE, SIGMA, model=MODEL, quality=settings)
    blocks = ours.denoise(lazy(IMAGE, (57, 71)), SIGMA, model=MODEL, quality=settings)
    np.testing.assert_array_equal(computed(blocks), whole)


@native
@pytest.mark.parametrize(
    ("image", "options"),
    [
        (IMAGE.astype(np.float64), {}),
        (np.rint(255 * IMAGE.clip(0, 1)).astype(np.uint8), {}),
        ((1000 * IMAGE).astype(np.uint16), {"data_range": 1000}),
        (RGB, {"channel_axis": -1}),
        (RGB, {"channel_axis": -1, "quality": "learned"}),
        (np.moveaxis(RGB, -1, 0), {"channel_axis": 0}),
        (np.stack([RGB, RGB[::-1]]), {"channel_axis": 3, "stack": True}),
        (np.stack([IMAGE, IMAGE[::-1]]), {"stack": True, "betas": [1, 4]}),
        (IMAGE[:9, :11], {}),
    ],
)
def test_every_kind_of_image(image, options):
    span = options.get("data_range", 255 if image.dtype == np.uint8 else 1)
    options = {"model": MODEL, "quality": "fast"} | options
    whole = fastepll.denoise(image, span * SIGMA, **options)
    chunks = tuple(n if n < 5 else 64 for n in image.shape)
    blocks = ours.denoise(lazy(image, chunks), span * SIGMA, **options)
    assert blocks.dtype == image.dtype
    np.testing.assert_array_equal(computed(blocks), whole)


OPERATORS = {
    "mask": (operators.Mask(UNKNOWN), ours.Mask(lazy(UNKNOWN, (100, 50)))),
    "diagonal": (operators.Diagonal(GAIN), ours.Diagonal(lazy(GAIN))),
    "identity": (operators.Identity(IMAGE.shape), operators.Identity(IMAGE.shape)),
}


@native
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("sigma", [0, 0.02])
@pytest.mark.parametrize("single", [1 << 20, 32 * 32])
def test_restore_is_that_of_the_whole(name, sigma, single, monkeypatch):
    monkeypatch.setattr(ours.inverse, "SINGLE", single)
    operator, blockwise = OPERATORS[name]
    y = operator.forward(IMAGE)
    options = {"model": MODEL, "quality": "fast"}
    whole = fastepll.restore(y, operator, sigma, **options)
    for local, chunks in ((operator, (64, 64)), (blockwise, (50, 101))):
        blocks = ours.restore(lazy(y, chunks), local, sigma, **options)
        np.testing.assert_array_equal(computed(blocks), whole)


@native
@pytest.mark.parametrize("chunks", [(64, 64, 3), (100, 50, 1)])
@pytest.mark.parametrize("quality", ["exact", "balanced"])
def test_prior_of_colour_patches(chunks, quality):
    options = {"model": smooth_mixture(4, 3), "quality": quality, "channel_axis": -1}
    image = RGB[:130, :111]
    whole = fastepll.denoise(image, SIGMA, **options)
    blocks = ours.denoise(lazy(image, chunks), SIGMA, **options)
    np.testing.assert_array_equal(computed(blocks), whole)
    mask = operators.Mask(UNKNOWN[:130, :111])
    whole = fastepll.restore(image, mask, SIGMA, **options)
    blocks = ours.restore(lazy(image, chunks), mask, SIGMA, **options)
    np.testing.assert_array_equal(computed(blocks), whole)


@native
def test_restore_colours_of_integers():
    y = np.rint(255 * RGB.clip(0, 1)).astype(np.uint8)
    options = {"model": MODEL, "quality": "preview", "channel_axis": -1}
    whole = fastepll.restore(y, operators.Mask(UNKNOWN), 2, **options)
    blocks = ours.restore(lazy(y, (64, 64, 2)), operators.Mask(UNKNOWN), 2, **options)
    np.testing.assert_array_equal(computed(blocks), whole)


def test_every_backend(backend):
    image, options = IMAGE[:70, :80], {"model": MODEL, "quality": "fast", "backend": backend.name}
    whole = fastepll.denoise(image, SIGMA, **options)
    blocks = ours.denoise(lazy(image, (40, 40)), SIGMA, **options)
    difference = np.abs(computed(blocks) - whole)
    assert np.quantile(difference, 0.98) < 2e-5  # order of float32 sums; near ties beyond
    assert difference.max() < {"reference": 1e-7}.get(backend.name, 0.02)


def test_nothing_is_read_before_it_is_computed():
    broken = da.map_blocks(lambda: pytest.fail("read"), chunks=((64,), (64,)), meta=IMAGE[:0])
    ours.denoise(broken, SIGMA, model=MODEL)
    image = lazy(IMAGE)
    assert ours.denoise(image, 0, model=MODEL) is image


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ours.denoise(IMAGE, SIGMA), TypeError, "image must be a dask.array.Array"),
        (lambda: ours.denoise(lazy(IMAGE), None), TypeError, "sigma must .*estimate_sigma"),
        (lambda: ours.denoise(lazy(IMAGE), GAIN), ValueError, "sigma must be one number"),
        (lambda: ours.denoise(lazy(IMAGE), 25), ValueError, "units of the image"),
        (lambda: ours.denoise(lazy(RGB, 64), SIGMA), ValueError, "channel_axis"),
        (lambda: ours.denoise(lazy(IMAGE > 0), SIGMA), TypeError, "image must be an array of"),
        (lambda: ours.denoise(lazy(IMAGE[:4]), SIGMA, model=MODEL), ValueError, "6x6 patches"),
        (lambda: ours.denoise(lazy(IMAGE), SIGMA, quality="best"), ValueError, "quality"),
        (lambda: ours.denoise(lazy(IMAGE)[lazy(IMAGE)[:, 0] > 0], 1), ValueError, "known chunk"),
        (
            lambda: computed(ours.denoise(lazy(IMAGE * np.nan), SIGMA, model=MODEL)),
            ValueError,
            "image must be finite",
        ),
        (
            lambda: computed(ours.denoise(lazy(255 * IMAGE), SIGMA, model=MODEL)),
            ValueError,
            "data_range=255",
        ),
        (
            lambda: ours.restore(lazy(IMAGE), operators.Blur([[0.5, 0.5]], IMAGE.shape), SIGMA),
            ValueError,
            "Mask, Diagonal or Identity.*got Blur",
        ),
        (
            lambda: ours.restore(lazy(IMAGE), operators.Identity((9, 9)), SIGMA),
            ValueError,
            r"operator must have the shape \(211, 267\) .* got \(9, 9\)",
        ),
        (
            lambda: ours.restore(lazy(IMAGE), ours.Mask(lazy(IMAGE)), SIGMA),
            TypeError,
            "operator.unknown must be of bool",
        ),
        (
            lambda: computed(
                ours.restore(lazy(IMAGE), ours.Diagonal(lazy(IMAGE * np.nan)), SIGMA, model=MODEL)
            ),
            ValueError,
            "gain must be finite",
        ),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@native
@pytest.mark.filterwarnings("ignore")  # of distributed, about memory it deems unmanaged
def test_a_store_larger_than_a_worker(tmp_path):
    distributed, zarr = pytest.importorskip("distributed"), pytest.importorskip("zarr")
    limit, side, chunk = 280 << 20, 6300, 900
    quick = Settings(
        noise=[1, 0.2],
        blend=[0.5, 0.9],
        stride=8,
        coarse=0.3,
        n_scales=3,
        selection="cascade",
        n_refine=8,
    )
    store = zarr.open(
        str(tmp_path / "noisy"), mode="w", shape=(side, side), chunks=(chunk, chunk), dtype="f8"
    )
    tile = noisy(scene(chunk, chunk), SIGMA)
    for i in range(0, side, chunk):
        for j in range(0, side, chunk):
            store[i : i + chunk, j : j + chunk] = np.roll(tile, i + j, axis=1)
    assert store.size * store.dtype.itemsize > limit
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=limit, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        processes = client.run(os.getpid)
        blocks = ours.denoise(da.from_zarr(str(tmp_path / "noisy")), SIGMA, quality=quick)
        blocks.to_zarr(str(tmp_path / "restored"))
        assert client.run(os.getpid) == processes  # one that had used more was started anew
    whole = fastepll.denoise(store[:], SIGMA, quality=quick)
    np.testing.assert_array_equal(zarr.open(str(tmp_path / "restored"), mode="r")[:], whole)
