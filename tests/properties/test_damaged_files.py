"""Damaged files: an error that names the file, soon and in little memory, or what it still says."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastepll import GaussianMixture, cli, generative, priors
from fastepll.models.storage import checksum
from fastepll.train.descent import Descent

from ..cli.picture_files import ALPHA, GRAY, ICC, PIL, RGB, imagecodecs, pixels, tifffile
from ..scenes import smooth_mixture

MOST = 64 << 20  # bytes that a damaged file of some kB may take
FOLDER = Path(tempfile.mkdtemp(prefix="fastepll-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def read_picture(path: Path) -> tuple[int, ...]:
    """Height and width of a picture as the command line reads it."""
    from fastepll.cli.pictures import PictureError, read_picture

    with refused(path, PictureError):
        return read_picture(str(path)).pixels.shape[:2]
    return ()


def read_model(path: Path) -> tuple[int, ...]:
    """Shape of a mixture's patches."""
    with refused(path, ValueError):
        return GaussianMixture.load(path).patch_shape
    return ()


def read_prior(path: Path) -> tuple[int, ...]:
    """Shape of a prior's patches."""
    with refused(path, ValueError):
        return priors.load(path).patch_shape
    return ()


def read_generative(path: Path) -> tuple[int, ...]:
    """Shape of a generative model's data."""
    with refused(path, ValueError):
        return generative.load(path).shape
    return ()


@contextmanager
def refused(path: Path, kind: type[Exception]) -> Iterator[None]:
    """Let pass the documented error alone, if it names the file."""
    try:
        yield
    except kind as error:
        if path.name not in str(error):
            raise


def written(suffix: str, write: Callable[[Path], object]) -> bytes:
    """What is in a file that is written so."""
    path = FOLDER / f"seed{suffix}"
    path.unlink(missing_ok=True)
    write(path)
    return path.read_bytes()


def tiff(image: np.ndarray, **options: object) -> bytes:
    return written(".tif", lambda path: tifffile.imwrite(path, image, **options))


def pillow(image: np.ndarray, suffix: str, **options: object) -> bytes:
    return written(suffix, lambda path: PIL.fromarray(image).save(path, **options))


def matlab(path: Path, **options: bool) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    d, k = 4, 3
    covs = np.stack([np.eye(d) * (i + 1) for i in range(k)], axis=-1)
    fields = {"dim": 4.0, "nmodels": 3.0, "means": np.zeros((d, k)), "covs": covs}
    scipy_io.savemat(path, {"GS": fields | {"mixweights": np.full((k, 1), 1 / k)}}, **options)


def matlab_73(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        file["GS/covs"] = np.stack([np.eye(4)] * 3)
        file["GS/mixweights"] = np.full((1, 3), 1 / 3)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM")


@cache
def seeds(kind: str) -> list[tuple[str, bytes]]:
    """Sound files to damage, with their suffixes."""
    gray, rgb = pixels(GRAY, np.uint8), pixels(RGB, np.uint8)
    rgba = pixels(np.dstack([RGB, ALPHA]), np.uint16)
    if kind == "png":
        marked = pillow(rgb, ".png", icc_profile=ICC, dpi=(300, 300))
        files = [imagecodecs.png_encode(gray), imagecodecs.png_encode(rgba), marked]
    elif kind == "jpeg":
        files = [pillow(gray, ".jpg"), pillow(rgb, ".jpg", icc_profile=ICC, dpi=(72, 72))]
    elif kind == "tiff":
        files = [
            tiff(gray),
            tiff(rgba, photometric="rgb", extrasamples=["unassalpha"], compression="lzw"),
            tiff(GRAY.astype(np.float32), tile=(16, 16), compression="zlib", predictor=3),
            tiff(rgb, photometric="rgb", bigtiff=True, byteorder=">", metadata={"axes": "YXS"}),
            tiff(rgb, photometric="ycbcr", compression="jpeg", rowsperstrip=16),
        ]
    elif kind == "npz":
        files = [written(".npz", lambda path: smooth_mixture(3).save(path))]
    elif kind == "prior":
        patches = smooth_mixture(2).sample(50, 0)
        files = [
            written(".npz", priors.PCA.fit(patches, patch_shape=(2, 2), marginals=form).save)
            for form in ("gaussian", "laplace")
        ]
    elif kind == "generative":
        x = np.array([[[0, 0], [1, 1]], [[1, 1], [0, 0]]] * 5)
        models = [generative.BayesianNetwork.fit(x, [[], [0], [0, 1], [2]])]
        if find_spec("torch"):
            how = Descent(iterations=1)
            models += [
                generative.NADE.fit(x, hidden=2, how=how),
                generative.MADE.fit(x, hidden=(3,), masks=2, how=how),
                generative.RecurrentModel.fit(x, strip=2, width=2, head=2, how=how),
                generative.CausalAttention.fit(x, strip=2, width=2, n_heads=1, head=2, how=how),
                generative.PixelCNN.fit(x, gated=True, n_blocks=1, width=2, how=how),
                generative.VAE.fit(x, n_latents=1, width=2, depth=1, how=how),
            ]
        files = [written(".npz", model.save) for model in models]
    else:
        writers = [matlab, lambda path: matlab(path, do_compression=True), matlab_73]
        files = [written(".mat", write) for write in writers]
    suffixes = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "matlab": ".mat"}
    return [(suffixes.get(kind, ".npz"), data) for data in files]


@st.composite
def damaged(draw, kind: str) -> tuple[str, bytes]:
    """A file cut short, with bits flipped, bytes or numbers replaced, or parts of two joined."""
    suffix, data = draw(st.sampled_from(seeds(kind)))
    body = bytearray(data)
    place = st.one_of(st.integers(0, min(len(body), 600) - 1), st.integers(0, len(body) - 1))
    how = draw(st.sampled_from(["cut", "flip", "bytes", "number", "splice", "remove", "repeat"]))
    if how == "cut":
        return suffix, bytes(body[: draw(place)])
    if how == "flip":
        for at in draw(st.lists(place, min_size=1, max_size=8)):
            body[at] ^= 1 << draw(st.integers(0, 7))
    elif how == "bytes":
        at, new = draw(place), draw(st.binary(min_size=1, max_size=12))
        body[at : at + len(new)] = new
    elif how == "number":  # a size or an offset that is far too large, or none
        at, order = draw(place), draw(st.sampled_from(["little", "big"]))
        value = draw(st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**28, 2**31 - 1, 2**32 - 1]))
        body[at : at + 4] = value.to_bytes(4, order)
    else:
        begin, end = sorted([draw(place), draw(place)])
        other = draw(st.sampled_from(seeds(kind)))[1]
        middle = {"splice": other[begin:end], "remove": b"", "repeat": 2 * body[begin:end]}[how]
        body[begin:end] = middle
    return suffix, bytes(body)


def survives(read: Callable[[Path], tuple[int, ...]], suffix: str, data: bytes) -> None:
    """Read it from a file, and see that it took little memory."""
    path = FOLDER / f"damaged{suffix}"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST


READERS = {
    "png": read_picture,
    "jpeg": read_picture,
    "tiff": read_picture,
    "npz": read_model,
    "matlab": read_model,
    "prior": read_prior,
    "generative": read_generative,
}


@pytest.mark.parametrize("kind", READERS)
@given(st.data())
@settings(max_examples=150)
def test_damaged_files(kind, data):
    survives(READERS[kind], *data.draw(damaged(kind)))


@pytest.mark.parametrize("kind", READERS)
@given(st.binary(max_size=300))
@settings(max_examples=25)
def test_noise_after_the_first_bytes(kind, noise):
    suffix, sound = seeds(kind)[0]
    survives(READERS[kind], suffix, sound[:8] + noise)


@pytest.mark.parametrize("kind", READERS)
def test_sound_files_are_read(kind):
    for suffix, data in seeds(kind):
        path = FOLDER / f"sound{suffix}"
        path.write_bytes(data)


def read_picture(path: Path) -> tuple[int, ...]:
    """Height and width of a picture as the command line reads it."""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("kind", "read"), [("npz", read_model), ("prior", read_prior), ("generative", read_generative)]
)
@given(st.data())
@settings(max_examples=80)
def test_headers_that_lie_with_a_checksum_that_fits(kind, read, data):
    source = io.BytesIO(data.draw(st.sampled_from(seeds(kind)))[1])
    with np.load(source) as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    key = data.draw(st.sampled_from(sorted(header)))
    header[key] = data.draw(VALUES)
    if key != "sha256":
        del header["sha256"]
        header["sha256"] = checksum(header, arrays)
    path = FOLDER / "header.npz"
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, header=text, **arrays)
    assert zipfile.is_zipfile(path)
    read(path)


@given(st.sampled_from(["png", "jpeg", "tiff"]), st.data())
@settings(max_examples=20)
def test_the_command_says_what_is_wrong_and_goes_on(kind, data):
    suffix, body = data.draw(damaged(kind))
    path, out = FOLDER / f"command{suffix}", FOLDER / "restored.tif"
    path.write_bytes(body)
    model = FOLDER / "model.npz"
    if not model.exists():
        smooth_mixture(3).save(model)
    options = ["--model", str(model), "--quality", "preview", "--overwrite"]
    assert cli.main(["denoise", str(path), str(out), *options]) in (0, 2)
