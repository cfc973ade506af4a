"""Mixtures of scikit-learn and deepinv, and plain arrays in a file."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fastepll.models import GaussianMixture, from_deepinv, from_sklearn, load_covariances
from fastepll.models.foreign import square_patch_shape


def deepinv_state(model, mu=0.0, prefix=""):
    state = {
        "_weights": np.asarray(model.weights),
        "mu": np.full((model.k, model.d), mu),
        "_cov": model.covariances,
        "_cov_inv": np.zeros(1),
        "_logdet_cov": np.zeros(model.k),
    }
    return {prefix + key: value for key, value in state.items()}


def second_moment(model):
    return np.einsum("k,kde->de", model.weights, model.covariances)


def test_sklearn_mixture_keeps_its_density(make_mixture):
    mixture = pytest.importorskip("sklearn.mixture").GaussianMixture(2, random_state=0, tol=1.0)
    z = make_mixture(2, 4).sample(400, 0)
    mixture.fit(z)
    with pytest.raises(ValueError, match=r"means must be 0: .*means='fold'"):
        from_sklearn(mixture, (2, 2))
    folded = from_sklearn(mixture, (2, 2), means="fold", metadata={"source": "sklearn"})
    outer = mixture.means_[:, :, None] * mixture.means_[:, None, :]
    np.testing.assert_allclose(folded.covariances, mixture.covariances_ + outer, rtol=1e-10)
    np.testing.assert_allclose(second_moment(folded), z.T @ z / 400, rtol=1e-3, atol=1e-6)
    mixture.means_[...] = 0
    model = from_sklearn(mixture, (2, 2))
    np.testing.assert_allclose(model.log_prob(z), mixture.score_samples(z), rtol=1e-10)
    assert (folded.metadata, model.patch_shape) == ({"source": "sklearn"}, (2, 2))


def test_sklearn_mixtures_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match=r"sklearn\.mixture\.GaussianMixture, got list"):
        from_sklearn([], (2, 2))
    with pytest.raises(ValueError, match="covariance_type 'full', got 'diag'"):
        from_sklearn(SimpleNamespace(covariance_type="diag"), (2, 2))
    with pytest.raises(ValueError, match="fitted first"):
        from_sklearn(SimpleNamespace(covariance_type="full"), (2, 2))


@pytest.mark.parametrize("prefix", ["", "GMM.", "prior.GMM."])
def test_deepinv_state_of_gray_patches(make_mixture, prefix):
    model = make_mixture(3, 4)
    other = from_deepinv(deepinv_state(model, prefix=prefix))
    np.testing.assert_allclose(other.covariances, model.covariances, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(other.weights, model.weights, rtol=1e-15)
    assert other.patch_shape == (2, 2)


def test_deepinv_channels_go_last(make_mixture):
    model = make_mixture(2, 12, patch_shape=(2, 2, 3))
    first = np.arange(12).reshape(2, 2, 3).transpose(2, 0, 1).ravel()  # channels-last → first
    state = deepinv_state(model)
    state["_cov"] = state["_cov"][:, first][:, :, first]
    other = from_deepinv(state)
    assert other.patch_shape == (2, 2, 3)
    np.testing.assert_allclose(other.covariances, model.covariances, rtol=1e-10, atol=1e-14)
    z = model.sample(5, 0)
    np.testing.assert_allclose(other.log_prob(z), model.log_prob(z), rtol=1e-10)


def test_deepinv_state_of_tensors(make_mixture):
    torch = pytest.importorskip("torch")
    state = {
        key: torch.nn.Parameter(torch.tensor(value, dtype=torch.float32), requires_grad=False)
        for key, value in deepinv_state(make_mixture(3, 4)).items()
    }
    model = from_deepinv(state)
    np.testing.assert_allclose(model.covariances, state["_cov"].numpy(), rtol=1e-5, atol=1e-6)


def test_removing_the_patch_mean_gives_the_density_of_centred_patches(make_mixture):
    state = deepinv_state(make_mixture(2, 4), mu=0.5)
    model = from_deepinv(state, means="fold", remove_patch_mean=True)
    centre = np.eye(4) - 0.25
    expected = centre @ state["_cov"] @ centre  # the constant mean vanishes with the patch mean
    np.testing.assert_allclose(model.covariances, expected, atol=1e-13)
    np.testing.assert_allclose(model.sample(20, 0).mean(axis=1), 0, atol=1e-13)


def test_components_of_weight_zero_are_dropped(make_mixture):
    state = deepinv_state(make_mixture(3, 4))
    state["_weights"] = np.array([0.5, 0.0, 0.5])
    model = from_deepinv(state)
    assert model.k == 2
    np.testing.assert_allclose(model.covariances, state["_cov"][[0, 2]], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "options", "kind", "words"),
    [
        ({"mu": None}, {}, TypeError, r"state\['mu'\] must hold real numbers"),
        ({"mu": np.zeros((3, 5))}, {"patch_shape": (2, 2)}, ValueError, "covariances must have sh"),
        ({"_cov": np.zeros((3, 4))}, {}, ValueError, "covariances must have shapes"),
        ({"_cov": np.full((3, 4, 4), np.nan)}, {}, ValueError, r"state\['_cov'\] must be finite"),
        ({"_weights": np.ones(3)}, {}, ValueError, "weights must sum to 1"),
        ({"_weights": np.zeros(3)}, {}, ValueError, r"weights must have shape \(k,\)"),
        ({"other._cov": np.zeros(1)}, {}, ValueError, "one key '_cov', got 2"),
        ({}, {"means": "drop"}, ValueError, "means must be 'error' or 'fold'"),
        ({}, {"patch_shape": (4, 4)}, ValueError, "patch_shape must be positive with product 4"),
        ({"mu": np.ones((3, 4))}, {}, ValueError, "means must be 0"),
    ],
)
def test_bad_deepinv_states_are_named(make_mixture, change, options, kind, words):
    with pytest.raises(kind, match=words):
        from_deepinv(deepinv_state(make_mixture(3, 4)) | change, **options)


def test_deepinv_needs_its_keys(make_mixture):
    with pytest.raises(TypeError, match="state must be a mapping"):
        from_deepinv([1])
    with pytest.raises(ValueError, match="one key '_weights', got 0"):
        from_deepinv({"mu": 0})


def test_plain_arrays_in_a_file(make_mixture, tmp_path):
    model = make_mixture(3, 9, patch_shape=(3, 3))
    path = tmp_path / "plain.npz"
    np.savez(path, weights=model.weights, covs=model.covariances)
    other = load_covariances(path, metadata={"source": "trial"})
    assert isinstance(other, GaussianMixture)
    assert (other.patch_shape, other.metadata) == ((3, 3), {"source": "trial"})
    np.testing.assert_allclose(other.covariances, model.covariances, rtol=1e-10, atol=1e-14)
    np.savez(path, weights=model.weights)
    with pytest.raises(ValueError, match=r"plain\.npz is not a usable model file: .*'covs'"):
        load_covariances(path)


@pytest.mark.parametrize("d", [0, 5, 12 * 7])
def test_shapes_that_cannot_be_guessed(d):
    with pytest.raises(ValueError, match="patch_shape must be given"):
        square_patch_shape(d)
