"""Model files: round trips, and every way a file can lie."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastepll.models import GaussianMixture, storage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def claim(shape, data=b"", descr="<f8"):
    """Return an .npy member whose header claims `shape`."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def pack(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


def forge(path, header=None, replace=None, compression=zipfile.ZIP_STORED, **arrays):
    """Write a model file with changed contents and a checksum that matches them."""
    arrays = {
        "weights": np.array([0.25, 0.75]),
        "eigenvalues": np.array([[2.0, 1.0], [1.0, 0.0]]),
        "eigenvectors": np.array([np.eye(2), np.eye(2)], np.float32),
    } | arrays
    fields = {
        "format": storage.FORMAT,
        "format_version": 1,
        "patch_shape": [1, 2],
        "metadata": {"seed": 1},
    } | (header or {})
    fields.setdefault("sha256", storage.checksum(fields, arrays))
    text = np.frombuffer(json.dumps(fields).encode(), np.uint8)
    members = {name: npy(array) for name, array in ({"header": text} | arrays).items()}
    members |= replace or {}
    pack(path, {n: data for n, data in members.items() if data is not None}, compression)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 5), d=st.integers(1, 9), meta=st.dictionaries(st.text(), JSON, max_size=4))
def test_float64_files_round_trip_bit_for_bit(make_mixture, tmp_path_factory, k, d, meta):
    model = make_mixture(k, d, seed=k + d, metadata=meta)
    path = tmp_path_factory.getbasetemp() / "round.npz"
    model.save(path, precision="float64", overwrite=True)
    other = GaussianMixture.load(path)
    for name in ("weights", "eigenvectors", "eigenvalues"):
        np.testing.assert_array_equal(getattr(other, name), getattr(model, name))
    assert (other.patch_shape, other.metadata) == (model.patch_shape, model.metadata)


def test_float32_files_restore_orthonormal_eigenvectors(make_mixture, path):
    model = make_mixture(4, 64, patch_shape=(8, 8))
    model.save(path)
    assert path.stat().st_size < 4 * 64 * 64 * 4 + 64 * 4 * 8 + 2000
    other = GaussianMixture.load(str(path))
    np.testing.assert_array_equal(other.weights, model.weights)
    np.testing.assert_array_equal(other.eigenvalues, model.eigenvalues)
    np.testing.assert_allclose(other.eigenvectors, model.eigenvectors, atol=1e-7)
    for basis in other.eigenvectors:
        np.testing.assert_allclose(basis.T @ basis, np.eye(64), atol=1e-13)
    z = model.sample(50, 0)
    np.testing.assert_allclose(other.map_estimate(z, 0.1), model.map_estimate(z, 0.1), atol=1e-5)


def similar(model, other, atol):
    """Whether covariances agree within `atol` of each one's largest eigenvalue."""
    scale = model.eigenvalues[:, :1, None]
    np.testing.assert_allclose(other.covariances / scale, model.covariances / scale, atol=atol)


@pytest.mark.parametrize("d", [1, 2, 3, 31, 32, 33, 65, 192])
def test_int16_files_keep_eigenvalues_and_orthonormality(make_mixture, path, d):
    model = make_mixture(5, d)  # more components than are read together
    model.save(path, precision="int16")
    assert path.stat().st_size < 5 * d * (d - 1) + 5 * (d + 1) * 8 + 2000
    other = GaussianMixture.load(path)
    np.testing.assert_array_equal(other.weights, model.weights)
    np.testing.assert_array_equal(other.eigenvalues, model.eigenvalues)
    identity = np.broadcast_to(np.eye(d), (5, d, d))
    turned = other.eigenvectors.transpose(0, 2, 1) @ other.eigenvectors
    np.testing.assert_allclose(turned, identity, atol=1e-12)
    signs = np.sign((other.eigenvectors * model.eigenvectors).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(signs * other.eigenvectors, model.eigenvectors, atol=2e-4)
    similar(model, other, 1e-4)
    other.save(path, precision="int16", overwrite=True)
    similar(other, GaussianMixture.load(path), 1e-4)


def test_int16_files_keep_a_constant_null_direction_exactly(make_mixture, path):
    """Whatever the rounding: the density of mean-free patches stays on their subspace."""
    full = make_mixture(3, 12)
    centre = np.eye(12) - 1 / 12
    model = GaussianMixture.from_covariances(
        full.weights, centre @ full.covariances @ centre, (2, 2, 3)
    )
    model.save(path, precision="int16")
    other = GaussianMixture.load(path)
    assert other.patch_shape == (2, 2, 3)
    np.testing.assert_array_equal(other.eigenvalues[:, -1], 0.0)
    np.testing.assert_allclose(abs(other.eigenvectors[:, :, -1]), 12**-0.5, rtol=1e-14)
    z = model.sample(40, 0)
    z -= z.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(other.log_prob(z), model.log_prob(z), atol=2e-2)
    np.testing.assert_allclose(other.map_estimate(z, 0.3), model.map_estimate(z, 0.3), atol=2e-4)


def test_int16_entries_of_any_value_give_orthonormal_eigenvectors(path):
    """So no check of them can be missing: a signed axis, and both ends of the range."""
    entries = np.array([[-32768] * 6, [32767] * 6, [0] * 6], np.int16)
    forge(
        path,
        {"format_version": 2, "patch_shape": [2, 2]},
        weights=np.full(3, 1 / 3),
        eigenvalues=np.ones((3, 4)),
        eigenvectors=entries,
    )
    bases = GaussianMixture.load(path).eigenvectors
    np.testing.assert_allclose(
        bases.transpose(0, 2, 1) @ bases, np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-14
    )


def test_files_are_reproducible_and_hold_no_pickle(make_mixture, path, tmp_path):
    model = make_mixture(metadata={"command": "train", "seed": 3})
    model.save(path)
    model.save(tmp_path / "other.npz")
    assert path.read_bytes() == (tmp_path / "other.npz").read_bytes()
    with np.load(path, allow_pickle=False) as file:
        assert json.loads(bytes(file["header"]))["metadata"] == {"command": "train", "seed": 3}
        np.testing.assert_array_equal(file["weights"], model.weights)


def test_saving_replaces_only_when_told(make_mixture, path):
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        make_mixture().save(path)
    assert path.read_bytes() == b"precious"
    make_mixture().save(path, overwrite=True)
    assert GaussianMixture.load(path).k == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["model.npz"]


def test_bad_paths_and_precisions_are_named(make_mixture, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.npz"):
        make_mixture().save(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="precision must be one of"):
        make_mixture().save(tmp_path / "model.npz", precision="float16")
    with pytest.raises(ValueError, match=r"path must end in \.npz or \.mat"):
        GaussianMixture.load(tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError):
        GaussianMixture.load(tmp_path / "absent.npz")


def test_the_forger_can_write_a_good_file(path):
    forge(path)
    assert GaussianMixture.load(path).metadata == {"seed": 1}


TWO = np.array([np.eye(2), np.eye(2)], np.float32)
GIANT = (2048, 1024, 1024)
HOSTILE = {
    "wrong checksum": ({"header": {"sha256": "0" * 64}}, "checksum"),
    "newer version": ({"header": {"format_version": 3}}, "format_version is 3"),
    "version no integer": ({"header": {"format_version": True}}, "format_version is True"),
    "version a list": ({"header": {"format_version": [2]}}, r"format_version is \[2\]"),
    "matrices in version 2": ({"header": {"format_version": 2}}, r"must have shape \(2, 1\)"),
    "floats in version 2": (
        {"header": {"format_version": 2}, "eigenvectors": np.zeros((2, 1), np.float32)},
        "must be <i2 in version 2",
    ),
    "int16 in version 1": ({"eigenvectors": TWO.astype(np.int16)}, "must be <f4 or <f8"),
    "bytes as eigenvectors": ({"eigenvectors": TWO.astype(np.uint8)}, "must be <f4 or <f8"),
    "int16 too few": (
        {"header": {"format_version": 2}, "eigenvectors": np.zeros((2, 0), np.int16)},
        r"must have shape \(2, 1\)",
    ),
    "int16 for another k": (
        {"header": {"format_version": 2}, "eigenvectors": np.zeros((3, 1), np.int16)},
        "eigenvectors must have shape",
    ),
    "int16 as weights": ({"weights": np.ones(2, np.int16)}, "weights must sum to 1"),
    "another format": ({"header": {"format": "other"}}, "does not say"),
    "extra key": ({"header": {"extra": 1}}, "must have the keys"),
    "patch shape of another size": ({"header": {"patch_shape": [2, 2]}}, "patch_shape"),
    "patch shape no list": ({"header": {"patch_shape": "12"}}, "patch_shape"),
    "patch shape null": ({"header": {"patch_shape": None}}, "patch_shape"),
    "metadata no object": ({"header": {"metadata": [1]}}, "metadata"),
    "metadata NaN": ({"header": {"metadata": {"x": float("nan")}}}, "metadata"),
    "no weights": ({"replace": {"weights": None}}, "no array 'weights'"),
    "no header": ({"replace": {"header": None}}, "no array 'header'"),
    "header no JSON": ({"replace": {"header": npy(np.frombuffer(b"{", np.uint8))}}, "Expecting"),
    "header no UTF-8": ({"replace": {"header": npy(np.full(9, 255, np.uint8))}}, "decode"),
    "header a number": ({"replace": {"header": npy(np.frombuffer(b"7", np.uint8))}}, "not say"),
    "header nested deeply": (
        {"replace": {"header": npy(np.frombuffer(b"[" * 200000, np.uint8))}},
        "recursion|nest",
    ),
    "object array": ({"replace": {"weights": npy(np.array([{}, 1], object))}}, "must be C-ordered"),
    "text array": ({"replace": {"weights": npy(np.array(["a", "b"]))}}, "must be C-ordered"),
    "big-endian": ({"replace": {"weights": npy(np.ones(2, ">f8"))}}, "must be C-ordered"),
    "Fortran order": (
        {"replace": {"eigenvalues": npy(np.asfortranarray(np.ones((2, 2))))}},
        "must be C-ordered",
    ),
    "giant shape": ({"replace": {"eigenvectors": claim(GIANT)}}, "not the size its header says"),
    "overflowing shape": ({"replace": {"weights": claim((2**62, 4))}}, "not the size"),
    "negative shape": ({"replace": {"weights": claim((-1, -2), bytes(16))}}, "not the size"),
    "trailing bytes": ({"replace": {"weights": npy(np.ones(2)) + b"x"}}, "not the size"),
    "no .npy": ({"replace": {"weights": b"hello"}}, "magic|EOF"),
    "npy version 9": ({"replace": {"weights": b"\x93NUMPY\x09\x00"}}, "version"),
    "header code": (
        {"replace": {"weights": claim((2,)).replace(b"False", b"exec(")}},
        "EOF|weights|header",
    ),
    "compressed": ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
    "weights NaN": ({"weights": np.array([np.nan, 0.5])}, "weights must be finite"),
    "weights negative": ({"weights": np.array([-0.5, 1.5])}, "weights must be positive"),
    "weights too many": ({"weights": np.ones(3) / 3}, "eigenvalues must have shape"),
    "eigenvalue negative": (
        {"eigenvalues": np.array([[1.0, -1.0], [1.0, 0.0]])},
        "eigenvalues must not be negative",
    ),
    "eigenvalue infinite": (
        {"eigenvalues": np.array([[np.inf, 1.0], [1.0, 0.0]])},
        "eigenvalues must be finite",
    ),
    "eigenvectors NaN": ({"eigenvectors": TWO * np.float32(np.nan)}, "eigenvectors must be finite"),
    "eigenvectors huge": ({"eigenvectors": TWO * np.float32(3e38)}, "eigenvectors must be finite"),
    "eigenvectors zero": ({"eigenvectors": TWO * 0}, "must have orthonormal"),
    "eigenvectors scaled": ({"eigenvectors": TWO * np.float64(1.01)}, "must have orthonormal"),
    "eigenvectors flat": ({"eigenvectors": TWO[0]}, "eigenvectors must have shape"),
    "eigenvectors scalar": ({"eigenvectors": np.float32(1)}, "eigenvectors must have shape"),
    "too many components": ({"eigenvectors": np.ones((2049, 1, 1))}, "k <= 2048"),
    "too many values": ({"eigenvectors": np.ones((1, 1025, 1025), np.float32)}, "d <= 1024"),
    "no components": ({"eigenvectors": TWO[:0]}, "eigenvectors must have shape"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_by_name(path, case):
    changes, words = HOSTILE[case]
    forge(path, **changes)
    with pytest.raises(ValueError, match=rf"model\.npz is not a usable model file: .*({words})"):
        GaussianMixture.load(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not a zip file" * 99])
def test_files_that_are_no_archive_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.npz is not a usable model file"):
        GaussianMixture.load(path)


@pytest.mark.parametrize("precision", ["float32", "int16"])
def test_every_truncation_is_refused(make_mixture, path, precision):
    make_mixture().save(path, precision=precision)
    data = path.read_bytes()
    for size in range(0, len(data), 13):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="not a usable model file"):
            GaussianMixture.load(path)


@pytest.mark.parametrize("precision", ["float32", "int16"])
def test_a_changed_byte_is_refused_or_harmless(make_mixture, path, precision):
    make_mixture(metadata={"seed": 1}).save(path, precision=precision)
    model = GaussianMixture.load(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    harmless = 0
    for position in rng.integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            other = GaussianMixture.load(path)
        except ValueError:
            continue
        harmless += 1  # dates and attributes of the archive, padding
        np.testing.assert_array_equal(other.weights, model.weights)
        np.testing.assert_array_equal(other.eigenvectors, model.eigenvectors)
        assert other.metadata == {"seed": 1}
    assert harmless < 150
