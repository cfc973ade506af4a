"""What a mixture accepts, refuses and guarantees about its fields."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from fastepll.models import GaussianMixture

NAN, EYE = float("nan"), np.eye(2)
GOOD = {
    "weights": [0.5, 0.5],
    "eigenvectors": [EYE, EYE],
    "eigenvalues": [[2.0, 1.0], [1.0, 0.0]],
    "patch_shape": (1, 2),
    "metadata": {"seed": 1},
}
BAD_FIELDS = [
    ("weights", [0.5, 0.6], ValueError, "sum to 1"),
    ("weights", [1.0, 0.0], ValueError, "positive"),
    ("weights", [1.5, -0.5], ValueError, "positive"),
    ("weights", [NAN, 1.0], ValueError, "finite"),
    ("weights", [[0.5, 0.5]], ValueError, r"\(k,\)"),
    ("weights", [], ValueError, r"\(k,\)"),
    ("weights", np.full(4096, 1 / 4096), ValueError, "2048"),
    ("weights", [0.5, 0.5j], TypeError, "complex"),
    ("weights", ["a", "b"], TypeError, "dtype"),
    ("weights", [[1.0], [0.5, 0.5]], ValueError, "rectangular array"),
    ("weights", None, TypeError, "dtype object"),
    ("weights", [True, False], TypeError, "dtype bool"),
    ("eigenvalues", [[1.0, 2.0], [1.0, 0.0]], ValueError, "descending"),
    ("eigenvalues", [[1.0, -1e-9], [1.0, 0.0]], ValueError, "negative"),
    ("eigenvalues", [[np.inf, 1.0], [1.0, 0.0]], ValueError, "finite"),
    ("eigenvalues", [[2.0, 1.0]], ValueError, r"\(2, d\)"),
    ("eigenvectors", [EYE], ValueError, r"\(2, 2, 2\)"),
    ("eigenvectors", [EYE, 1.001 * EYE], ValueError, r"orthonormal"),
    ("eigenvectors", [EYE, EYE * NAN], ValueError, "finite"),
    ("patch_shape", (2, 2), ValueError, "product 2"),
    ("patch_shape", (-1, -2), ValueError, "positive"),
    ("patch_shape", (), ValueError, "product 2"),
    ("patch_shape", (1.0, 2.0), TypeError, "integers"),
    ("patch_shape", 2, TypeError, "integers"),
    ("metadata", {"x": NAN}, ValueError, "finite JSON"),
    ("metadata", {"x": np.zeros(2)}, TypeError, "JSON values"),
    ("metadata", {1: "x"}, TypeError, "string keys"),
    ("metadata", [1], TypeError, "mapping"),
]
BAD_COVARIANCES = [
    ([[1.0, 0.5], [0.0, 1.0]], "symmetric"),
    ([[1.0, 2.0], [2.0, 1.0]], "positive semi-definite"),
    ([[-1.0, 0.0], [0.0, -1.0]], "positive semi-definite"),
    ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], r"\(1, d, d\)"),
    ([[NAN, 0.0], [0.0, 1.0]], "finite"),
]


@pytest.mark.parametrize(("field", "value", "kind", "words"), BAD_FIELDS)
def test_bad_fields_are_named(field, value, kind, words):
    with pytest.raises(kind, match=rf"^{field}.*{words}"):
        GaussianMixture(**{**GOOD, field: value})


@pytest.mark.parametrize(("covariance", "words"), BAD_COVARIANCES)
def test_bad_covariances_are_named(covariance, words):
    with pytest.raises(ValueError, match=rf"^covariances.*{words}"):
        GaussianMixture.from_covariances([1.0], [covariance], (1, 2))


@pytest.mark.parametrize("weights", [[[1.0]], [], [0.9], [np.inf]])
def test_bad_weights_are_named_by_from_covariances(weights):
    with pytest.raises(ValueError, match=r"^weights"):
        GaussianMixture.from_covariances(weights, [EYE], (1, 2))


@pytest.mark.parametrize(
    ("patches", "sigma", "kind", "words"),
    [
        (np.zeros(2), 0.1, ValueError, r"patches must have shape \(n, 2\)"),
        (np.zeros((3, 4)), 0.1, ValueError, "patches must have shape"),
        ([[NAN, 0.0]], 0.1, ValueError, "patches must be finite"),
        ([[1j, 0.0]], 0.1, TypeError, "patches must hold real numbers"),
        (np.zeros((1, 2)), -0.1, ValueError, "sigma must be finite and >= 0"),
        (np.zeros((1, 2)), NAN, ValueError, "sigma must be finite"),
        (np.zeros((1, 2)), np.inf, ValueError, "sigma must be finite"),
        (np.zeros((1, 2)), "1", TypeError, "sigma must be a number"),
        (np.zeros((1, 2)), None, TypeError, "sigma must be a number"),
    ],
)
@pytest.mark.parametrize(
    "method", ["log_prob", "responsibilities", "map_estimate", "posterior_mean"]
)
def test_bad_patches_and_sigma_are_named(method, patches, sigma, kind, words):
    model = GaussianMixture.from_covariances([1.0], [EYE], (1, 2))
    with pytest.raises(kind, match=words):
        getattr(model, method)(patches, sigma)


@pytest.mark.parametrize(
    ("n", "rng", "kind", "words"),
    [
        (1.5, 0, TypeError, "n must be an integer"),
        (-1, 0, ValueError, "n must not be negative"),
        (1, "seed", TypeError, "rng must be"),
        (1, np.random.RandomState(0), TypeError, "rng must be"),
    ],
)
def test_bad_sample_arguments_are_named(n, rng, kind, words):
    with pytest.raises(kind, match=words):
        GaussianMixture(**GOOD).sample(n, rng)


def test_fields_are_frozen_copies():
    source = {key: np.array(GOOD[key]) for key in ("weights", "eigenvectors", "eigenvalues")}
    metadata = {"list": [1]}
    model = GaussianMixture(**source, patch_shape=[1, 2], metadata=metadata)
    for name, array in source.items():
        array[...] = 0
        assert getattr(model, name).any()
        with pytest.raises(ValueError, match="read-only"):
            getattr(model, name)[...] = 0
    metadata["list"].append(2)
    assert model.metadata == {"list": [1]}
    with pytest.raises(TypeError):
        model.metadata["new"] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.weights = source["weights"]
    assert (model.k, model.n_components, model.d, model.patch_shape) == (2, 2, 2, (1, 2))


def test_covariances_come_back_and_are_computed_once(make_mixture):
    model = make_mixture(3, 4)
    again = GaussianMixture.from_covariances(model.weights, model.covariances, (2, 2))
    np.testing.assert_allclose(again.covariances, model.covariances, rtol=1e-12, atol=1e-14)
    assert model.covariances is model.covariances
    assert not model.covariances.flags.writeable


def test_rounding_in_float32_covariances_is_forgiven(make_mixture):
    model = make_mixture(6, 16, patch_shape=(4, 4))
    covs = model.covariances.astype(np.float32)
    covs[0] = np.outer(np.arange(16), np.arange(16)) / 100  # rank one: eigenvalues of both signs
    rounded = GaussianMixture.from_covariances(model.weights.astype(np.float32), covs, (4, 4))
    assert rounded.weights.sum() == pytest.approx(1, abs=1e-15)
    assert rounded.eigenvalues.min() >= 0
    np.testing.assert_allclose(rounded.covariances, covs, atol=1e-5)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_are_equal_and_read_only(clone):
    model = GaussianMixture(**GOOD)
    other = clone(model)
    np.testing.assert_array_equal(other.eigenvectors, model.eigenvectors)
    assert other.metadata == model.metadata
    assert not other.weights.flags.writeable
