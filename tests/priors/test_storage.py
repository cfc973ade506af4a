"""Files of priors: round trips, and every way a file can lie."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from fastepll.models.described import MOST
from fastepll.models.storage import checksum
from fastepll.priors import ICA, PCA, Gaussian, GaussianMixture, IndependentPixels, load
from fastepll.priors.storage import FORM

RNG = np.random.default_rng(0)
AXES = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
SHARES, LEVELS = RNG.dirichlet([1, 1], 3), RNG.uniform(0.1, 2, (3, 2))
NOTES = {"seed": 3, "command": "fit", "list": [1, 2.5, None]}
PRIORS = {
    "independent-pixels": IndependentPixels((2, 2), NOTES, weights=SHARES[0], variances=LEVELS[0]),
    "gaussian": Gaussian((2, 2), NOTES, covariance=np.cov(AXES) + np.eye(3) / 3),
    "pca-gaussian": PCA((2, 2), NOTES, axes=AXES, variances=LEVELS[:, 0]),
    "pca-laplace": PCA((2, 2), NOTES, axes=AXES, scales=LEVELS[:, 0]),
    "pca-scale-mixture": PCA((2, 2), NOTES, axes=AXES, weights=SHARES, variances=LEVELS),
    "ica": ICA((2, 2), NOTES, unmixing=AXES * 3, weights=SHARES, variances=LEVELS),
}


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_round_trip_is_bit_for_bit(prior, tmp_path):
    prior.save(tmp_path / "prior.npz")
    read = load(tmp_path / "prior.npz")
    assert type(read) is type(prior)
    assert read.patch_shape == (2, 2)
    assert dict(read.metadata) == NOTES
    assert read.parameters().keys() == prior.parameters().keys()
    for name, value in prior.parameters().items():
        np.testing.assert_array_equal(read.parameters()[name], value, strict=True)
    patches = prior.sample(5, rng=0)
    np.testing.assert_array_equal(read.sample(5, rng=0), patches)
    np.testing.assert_array_equal(read.log_prob(patches), prior.log_prob(patches))


def test_file_of_a_gaussian_mixture_is_read_too(tmp_path):
    PRIORS["gaussian"].mixture.save(tmp_path / "mixture.npz", precision="float64")
    assert isinstance(load(tmp_path / "mixture.npz"), GaussianMixture)


def test_saving_is_careful(tmp_path):
    prior = PRIORS["gaussian"]
    prior.save(tmp_path / "a.npz")
    with pytest.raises(FileExistsError):
        prior.save(tmp_path / "a.npz")
    prior.save(tmp_path / "a.npz", overwrite=True)
    with pytest.raises(ValueError, match=r"path must end in \.npz"):
        prior.save(tmp_path / "a.mat")
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def forge(path, *, replace=None, method=zipfile.ZIP_STORED, arrays=None, **header):
    """Write a file of a Gaussian with changed contents and a checksum that matches them."""
    arrays = {"covariance": np.diag([3.0, 2.0, 1.0])} if arrays is None else arrays
    fields = {
        "format": FORM.format,
        "format_version": 1,
        "kind": "gaussian",
        "patch_shape": [2, 2],
        "arrays": list(arrays),
        "metadata": {},
    } | header
    fields.setdefault("sha256", checksum(fields, arrays))
    text = np.frombuffer(json.dumps(fields).encode(), np.uint8)
    members = {name: npy(array) for name, array in ({"header": text} | arrays).items()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in (members | (replace or {})).items():
            archive.writestr(f"{name}.npy", data)


def test_forgery_without_a_lie_is_read(tmp_path):
    forge(tmp_path / "x.npz")
    assert load(tmp_path / "x.npz").covariance[0, 0] == 3


SQUARE = np.diag([3.0, 2.0, 1.0])
BROKEN = SQUARE * np.where(SQUARE == 2, np.nan, 1)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"kind": "lattice"}, "its kind must be one of .*'gaussian'.*, got 'lattice'"),
        ({"kind": ["gaussian"]}, "its kind must be one of|unhashable"),
        ({"kind": "ica"}, "covariance"),
        ({"format_version": 2}, "its format_version is 2"),
        ({"extra": 1}, "its header must have the keys"),
        ({"patch_shape": [3, 3]}, r"covariance must have shape \(8, 8\), got \(3, 3\)"),
        ({"patch_shape": [2, 2.0]}, "patch_shape must be a tuple of integers"),
        ({"patch_shape": [-2, -2]}, "patch_shape must be"),
        ({"patch_shape": [1000, 1000]}, "patch_shape must be"),
        ({"patch_shape": 4}, "not iterable"),
        ({"metadata": 3}, "metadata"),
        ({"arrays": {"covariance": BROKEN}}, "covariance must be finite"),
        ({"arrays": {"covariance": -SQUARE}}, "covariance must be positive definite"),
        ({"arrays": {"covariance": SQUARE, "more": SQUARE}}, "more"),
        ({"arrays": {}}, "covariance"),
        ({"arrays": {"covariance": SQUARE, "patch_shape": np.ones(2)}}, "patch_shape must be"),
        ({"arrays": {f"a{i}": np.ones(1) for i in range(MOST + 1)}}, "must name the arrays"),
        ({"sha256": "0" * 64}, "its checksum does not match"),
        ({"replace": {"covariance": npy(2 * SQUARE)}}, "its checksum does not match"),
        ({"replace": {"covariance": npy(SQUARE)[:-8]}}, "has not the size its header says"),
        ({"replace": {"covariance": npy(np.array([{}]))}}, "must be C-ordered"),
        ({"method": zipfile.ZIP_DEFLATED}, "is compressed"),
    ],
)
def test_lies_are_refused(tmp_path, lie, message):
    forge(tmp_path / "x.npz", **lie)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path / "x.npz")
    assert "x.npz is not a usable model file" in str(caught.value)


def test_damaged_files_are_refused(tmp_path):
    PRIORS["ica"].save(tmp_path / "good.npz")
    whole = (tmp_path / "good.npz").read_bytes()
    for size in [0, 1, 30, len(whole) // 2, len(whole) - 1]:
        (tmp_path / "x.npz").write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"x\.npz is not a usable model file"):
            load(tmp_path / "x.npz")
    bad = 0
    for place in range(40, len(whole), 31):  # one byte each; those that carry nothing may pass
        (tmp_path / "x.npz").write_bytes(
            whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        )
        try:
            read = load(tmp_path / "x.npz")
        except ValueError as error:
            bad += "not a usable model file" in str(error)
        else:
            np.testing.assert_array_equal(read.unmixing, PRIORS["ica"].unmixing)
    assert bad > 30
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")
