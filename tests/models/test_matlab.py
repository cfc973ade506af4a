"""Zoran and Weiss's struct GS, written here as MATLAB writes it."""

from __future__ import annotations

import struct
import sys
import zlib

import numpy as np
import pytest

from fastepll.models import GaussianMixture, _matfile, _matlab, load_zoran_weiss

P, Q, K = 2, 3, 4


@pytest.fixture(scope="module")
def model(make_mixture):
    return make_mixture(K, P * Q, patch_shape=(P, Q))


def matlab_struct(model):
    """Return the fields of GS with patches ravelled column by column, as MATLAB's im2col does."""
    column_major = np.arange(model.d).reshape(model.patch_shape).ravel(order="F")
    covs = model.covariances[:, column_major][:, :, column_major]
    return {
        "dim": float(model.d),
        "nmodels": float(model.k),
        "means": np.zeros((model.d, model.k)),
        "covs": np.moveaxis(covs, 0, 2),
        "mixweights": model.weights[:, None],
    }


def write_v5(path, fields, name="GS", **options):
    pytest.importorskip("scipy.io").savemat(path, {name: fields}, **options)


def write_v73(path, fields, name="GS"):
    """Write HDF5 behind MATLAB's 512-byte header, axes reversed."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, value in fields.items():
            file[f"{name}/{key}"] = np.atleast_2d(value).T
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


WRITERS = {
    "v5": write_v5,
    "v5 compressed": lambda path, fields, **o: write_v5(path, fields, do_compression=True, **o),
    "v7.3": write_v73,
}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    def writer(fields, **options):
        path = tmp_path / "GS.mat"
        WRITERS[request.param](path, fields, **options)
        return path

    return writer


def test_pixels_come_out_row_major(model, write):
    other = load_zoran_weiss(write(matlab_struct(model)), (P, Q), metadata={"year": 2011})
    np.testing.assert_allclose(other.weights, model.weights, rtol=1e-15)
    np.testing.assert_allclose(other.covariances, model.covariances, rtol=1e-10, atol=1e-14)
    assert (other.patch_shape, other.metadata) == ((P, Q), {"year": 2011})


def test_load_takes_square_patches(make_mixture, write):
    square = make_mixture(2, 9, patch_shape=(3, 3))
    other = GaussianMixture.load(write(matlab_struct(square)))
    np.testing.assert_allclose(other.covariances, square.covariances, rtol=1e-10, atol=1e-14)


def test_one_component_and_the_fields_that_must_be(make_mixture, write):
    single = make_mixture(1, 4, patch_shape=(2, 2))
    fields = matlab_struct(single)
    fields = {"covs": fields["covs"][:, :, 0], "mixweights": fields["mixweights"]}
    other = GaussianMixture.load(write(fields))
    np.testing.assert_allclose(other.covariances, single.covariances, rtol=1e-10, atol=1e-14)


def test_means_are_reordered_with_the_pixels(model, write):
    mu = np.arange(1.0, K * P * Q + 1).reshape(K, P, Q)
    fields = matlab_struct(model)
    fields["means"] = np.stack([patch.ravel(order="F") for patch in mu], axis=1)
    path = write(fields)
    with pytest.raises(ValueError, match=r"GS\.mat is not a usable model file: means must be 0"):
        load_zoran_weiss(path, (P, Q))
    flat = mu.reshape(K, -1)
    expected = model.covariances + flat[:, :, None] * flat[:, None, :]
    other = load_zoran_weiss(path, (P, Q), means="fold")
    np.testing.assert_allclose(other.covariances, expected, rtol=1e-9, atol=1e-10)


BAD = {
    "no covs": ({"covs": None}, "has no field 'covs'"),
    "no weights": ({"mixweights": None}, "has no field 'mixweights'"),
    "covs of another k": ({"covs": np.ones((6, 6, 3))}, r"GS\.covs must have shape \(d, d, 4\)"),
    "covs scalar": ({"covs": 1.0}, r"GS\.covs must have shape"),
    "dim": ({"dim": 64.0}, r"GS\.dim must be 6"),
    "nmodels": ({"nmodels": 200.0}, r"GS\.nmodels must be 4"),
    "NaN": ({"covs": np.full((6, 6, 4), np.nan)}, r"GS\.covs must be finite"),
    "asymmetric": ({"covs": np.arange(144.0).reshape(6, 6, 4)}, "must be symmetric"),
    "negative": ({"covs": np.stack([-np.eye(6)] * 4, axis=2)}, "positive semi-definite"),
    "weights": ({"mixweights": np.ones((4, 1))}, "weights must sum to 1"),
    "means": ({"means": np.zeros((5, 4))}, "reshape|means"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_structs_are_refused(model, write, case):
    change, words = BAD[case]
    fields = matlab_struct(model) | change
    path = write({key: value for key, value in fields.items() if value is not None})
    with pytest.raises(ValueError, match=rf"GS\.mat is not a usable model file: .*({words})"):
        load_zoran_weiss(path, (P, Q))


def test_the_struct_must_be_there(model, write):
    path = write(matlab_struct(model), name="Other")
    with pytest.raises(ValueError, match="it holds no struct GS"):
        load_zoran_weiss(path, (P, Q))


def test_patch_shape_must_fit(model, write):
    path = write(matlab_struct(model))
    for shape in ((2, 2), (6,), (1, 2, 3)):
        with pytest.raises(ValueError, match="patch_shape must be two numbers with product 6"):
            load_zoran_weiss(path, shape)
    with pytest.raises(ValueError, match="patch_shape must be given"):
        GaussianMixture.load(path)


def test_every_truncation_is_refused(model, write):
    path = write(matlab_struct(model))
    data = path.read_bytes()
    for size in range(0, len(data) - 8, max(len(data) // 40, 1)):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="not a usable model file"):
            load_zoran_weiss(path, (P, Q))


def test_a_dataset_that_is_too_large_is_refused(model, tmp_path, monkeypatch):
    write_v73(tmp_path / "GS.mat", matlab_struct(model))
    monkeypatch.setattr(_matlab, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"field 'covs' is too large"):
        load_zoran_weiss(tmp_path / "GS.mat", (P, Q))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([{}, 1], object), "'covs' is no array of real numbers"),
        (np.ones((6, 6, 4)) * 1j, "'covs' is no array of real numbers"),
        ("text", "'covs' is no array of real numbers"),
        ({"nested": 1.0}, "'covs' is no array of real numbers"),
    ],
)
def test_fields_of_another_kind_are_refused(model, tmp_path, value, words):
    write_v5(tmp_path / "GS.mat", matlab_struct(model) | {"covs": value})
    with pytest.raises(ValueError, match=words):
        load_zoran_weiss(tmp_path / "GS.mat", (P, Q))


def test_a_struct_array_of_giant_shape_is_refused(tmp_path):
    path = tmp_path / "GS.mat"
    write_v5(path, {"covs": 1.0})
    data = path.read_bytes()
    dims = struct.pack("<ii", 1, 1)
    assert data.count(dims, 128)
    at = data.index(dims, 128)
    path.write_bytes(data[:at] + struct.pack("<ii", 2**30, 1) + data[at + 8 :])
    with pytest.raises(ValueError, match="it holds no struct GS"):
        GaussianMixture.load(path)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(1000), b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_files_of_another_kind_are_refused(tmp_path, data):
    path = tmp_path / "GS.mat"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"GS\.mat is not a usable model file"):
        GaussianMixture.load(path)


def test_a_missing_library_is_named(model, tmp_path, monkeypatch):
    write_v73(tmp_path / "GS.mat", matlab_struct(model))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"version 7\.3 files needs h5py: pip install"):
        load_zoran_weiss(tmp_path / "GS.mat", (P, Q))


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_a_changed_byte_is_refused_or_read(model, tmp_path, options):
    """SciPy's reader crashes the interpreter on some of these."""
    path = tmp_path / "GS.mat"
    write_v5(path, matlab_struct(model), **options)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = []
    for position in rng.integers(124, len(data), 300):
        damaged = bytearray(data)
        damaged[position] = rng.choice([0, 1, 127, 255])
        path.write_bytes(damaged)
        try:
            outcomes.append(load_zoran_weiss(path, (P, Q), means="fold").k)
        except ValueError:
            outcomes.append(0)
    assert set(outcomes) <= {0, K - 1, K}
    assert 0 in outcomes


def test_big_endian_files_and_strangers_before_the_struct(model):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    def matrix(name, kind, dims, *parts):
        head = element(6, struct.pack(">II", kind, 0)) + element(5, struct.pack(">ii", *dims))
        return element(14, head + element(1, name) + b"".join(parts))

    numbers = matrix(b"", 6, (2, 3), element(3, np.arange(6, dtype=">i2").tobytes()))
    width = struct.pack(">I", (4 << 16) | 5) + struct.pack(">i", 8)  # a small element
    names = element(1, b"skipped\0covs\0\0\0\0")
    data = bytes(124) + b"\x01\x00MI" + matrix(b"other", 6, (1, 1), element(2, b"\x07"))
    data += matrix(b"GS", 2, (1, 1), width, names, numbers, numbers)
    fields = _matfile.read_version5(data, "GS", ("covs", "dim"))
    assert list(fields) == ["covs"]
    np.testing.assert_array_equal(fields["covs"], [[0, 2, 4], [1, 3, 5]])


def test_what_unpacks_to_too_much_is_refused(monkeypatch):
    packed = zlib.compress(bytes(5_000_000))
    data = bytes(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed
    monkeypatch.setattr(_matfile, "MAX_BYTES", 4_999_999)
    with pytest.raises(ValueError, match="unpacks to more than 4999999 bytes"):
        _matfile.read_version5(data, "GS", ())
