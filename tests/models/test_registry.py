"""Named models: listing, checksums, caching."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from fastepll.models import list_models, load_model, model_license, registry


@pytest.fixture
def weights(make_mixture, tmp_path, monkeypatch):
    """Put one packaged model "tiny" and its table where the registry looks."""
    make_mixture(metadata={"seed": 5}).save(tmp_path / "tiny.npz")
    digest = hashlib.sha256((tmp_path / "tiny.npz").read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  tiny.npz\n")
    monkeypatch.setattr(registry, "_WEIGHTS", str(tmp_path))
    return tmp_path


def test_names_load_once(weights):
    assert list_models() == ["tiny"]
    model = load_model("tiny")
    assert model.metadata == {"seed": 5}
    assert load_model("tiny") is model


def test_packaged_tables_match_their_files():
    files = [name for name in os.listdir(registry._WEIGHTS) if name.endswith(".npz")]
    assert list_models() == sorted(name.removesuffix(".npz") for name in files)
    for name in list_models():
        assert load_model(name).metadata["command"].startswith("fastepll train")


def test_every_packaged_model_has_a_licence():
    for name in list_models():
        free = name.endswith("-clic")
        assert model_license(name) == ("BSD-3-Clause" if free else "LicenseRef-BSDS-NonCommercial")
        metadata = load_model(name).metadata
        assert metadata.get("license") == ("BSD-3-Clause" if free else None)  # older files: none
        assert ("non-commercial" in metadata["note"]) == (not free)
    with pytest.raises(ValueError, match=r"name must be one of \['gray-8x8-200'.*, got 'tiny'"):
        model_license("tiny")


def test_a_licence_may_be_of_several_words(weights):
    (weights / "LICENSES").write_text("BSD-3-Clause OR MIT  tiny.npz\n")
    assert model_license("tiny") == "BSD-3-Clause OR MIT"


@pytest.mark.parametrize(("name", "shape"), [("gray-8x8-200", (8, 8)), ("rgb-8x8-200", (8, 8, 3))])
def test_packaged_priors_are_small_and_of_mean_free_patches(name, shape):
    assert os.path.getsize(os.path.join(registry._WEIGHTS, f"{name}.npz")) <= 8e6
    model = load_model(name)
    assert (model.k, model.patch_shape) == (200, shape)
    assert model.weights.min() > 1e-3  # all components are in use
    np.testing.assert_array_equal(model.eigenvalues[:, -1], 0.0)
    assert model.eigenvalues[:, -2].min() > 1 / 20 / 255**2  # near 1/12, of the dequantised
    constant = model.d**-0.5 * np.sign(model.eigenvectors[:, :1, -1])
    np.testing.assert_allclose(
        model.eigenvectors[:, :, -1], constant + np.zeros(model.d), atol=1e-7
    )
    assert model.metadata["command"].startswith("fastepll train")


@pytest.mark.parametrize("name", ["huge", "", "tiny.pt", "../tiny"])
def test_unknown_names_list_the_known(weights, name):
    with pytest.raises(ValueError, match=r"model must be one of \['tiny'\] or a path"):
        load_model(name)


@pytest.mark.parametrize("name", [None, 3, ["tiny"], b"tiny"])
def test_names_of_another_kind_are_refused(weights, name):
    with pytest.raises(TypeError, match="model must be a name or a path, got"):
        load_model(name)


def test_a_changed_packaged_file_is_refused(weights, make_mixture):
    make_mixture(seed=9).save(weights / "tiny.npz", overwrite=True)
    with pytest.raises(ValueError, match=r"packaged model .*tiny\.npz has sha256 .*, expected"):
        load_model("tiny")


def test_paths_are_read_again_after_a_change(weights, make_mixture):
    path = weights / "own.npz"
    make_mixture(k=2).save(path)
    model = load_model(path)
    assert model.k == 2
    assert load_model(str(path)) is model
    make_mixture(k=4).save(path, overwrite=True)
    assert load_model(path).k == 4


def test_bad_paths(weights):
    with pytest.raises(FileNotFoundError):
        load_model("absent.npz")
    with pytest.raises(ValueError, match=r"path must end in \.npz or \.mat"):
        load_model(weights / "SHA256SUMS")
