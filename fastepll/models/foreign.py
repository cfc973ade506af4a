"""Mixtures trained elsewhere: scikit-learn, deepinv, Zoran and Weiss, plain arrays in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastepll._validation.model_arrays import JSON, real_array
from fastepll.models._matlab import read_zoran_weiss
from fastepll.models._moments import Means, square_patch_shape, zero_mean
from fastepll.models._npz import naming, read_arrays
from fastepll.models.mixture import GaussianMixture, StrPath


def from_sklearn(
    mixture: Any,
    patch_shape: Sequence[int],
    *,
    means: Means = "error",
    remove_patch_mean: bool = False,
    metadata: Mapping[str, JSON] | None = None,
) -> GaussianMixture:
    """Convert a fitted ``sklearn.mixture.GaussianMixture`` with full covariances.

    Parameters
    ----------
    mixture : sklearn.mixture.GaussianMixture
        Fitted to row-major patches of shape `patch_shape`.
    patch_shape : tuple of int
        ``(p, q)`` or ``(p, q, channels)``.
    means : {"error", "fold"}
        What to do with a component whose mean exceeds 1 % of its root total variance, since
        components here have mean zero: raise, or replace N(m, S) by N(0, S + m mᵀ), which has the
        same second moments. Smaller means are always folded.
    remove_patch_mean : bool
        Give the density of patches whose mean has been removed, as EPLL does, if the mixture was
        fitted to patches with theirs: S becomes C S C, C = I - 11ᵀ/d.
    metadata : mapping, optional
        Kept with the model.

    Raises
    ------
    TypeError, ValueError
        Not such a mixture, not fitted, covariances not full, or means far from zero.

    Notes
    -----
    Components of weight 0 are dropped.
    """
    if not hasattr(mixture, "covariance_type"):
        raise TypeError(
            f"mixture must be a sklearn.mixture.GaussianMixture, got {type(mixture).__name__}"
        )
    if mixture.covariance_type != "full":
        raise ValueError(
            f"mixture must have covariance_type 'full', got {mixture.covariance_type!r}"
        )
    if not hasattr(mixture, "covariances_"):
        raise ValueError("mixture must be fitted first")
    weights, covariances = zero_mean(
        mixture.weights_,
        mixture.means_,
        mixture.covariances_,
        means=means,
        remove_patch_mean=remove_patch_mean,
    )
    return GaussianMixture.from_covariances(weights, covariances, patch_shape, metadata)


def from_deepinv(
    state: Mapping[str, Any],
    patch_shape: Sequence[int] | None = None,
    *,
    means: Means = "error",
    remove_patch_mean: bool = False,
    metadata: Mapping[str, JSON] | None = None,
) -> GaussianMixture:
    """Convert the state dict of a deepinv ``GaussianMixtureModel`` or ``EPLL``.

    Parameters
    ----------
    state : mapping of str to array or CPU tensor
        Holds ``_weights``, ``mu`` and ``_cov``, bare or with a prefix such as ``GMM.``. Torch is
        not needed; to read a ``.pt`` file use ``torch.load(path, weights_only=True)``.
    patch_shape : tuple of int, optional
        ``(p, q)`` or ``(p, q, channels)``; inferred for square patches with 1 or 3 channels.
        deepinv's channels-first vectors are reordered to channels-last.
    means, remove_patch_mean, metadata
        As for `from_sklearn`. deepinv's EPLL keeps the mean of a patch, so its pretrained weights
        want ``means="fold", remove_patch_mean=True`` here.

    Raises
    ------
    TypeError, ValueError
        Missing keys, arrays of wrong kind or shape, or means far from zero.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.models import from_deepinv
    >>> from_deepinv({"_weights": [1.0], "mu": np.zeros((1, 4)), "_cov": [np.eye(4)]})
    GaussianMixture(n_components=1, n_features=4, patch_shape=(2, 2))
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a mapping of arrays, got {type(state).__name__}")
    found: dict[str, Any] = {}
    for key in ("_weights", "mu", "_cov"):
        matches = [name for name in state if str(name).rpartition(".")[2] == key]
        if len(matches) != 1:
            raise ValueError(f"state must have one key {key!r}, got {len(matches)} of them")
        found[key] = real_array(f"state[{key!r}]", state[matches[0]])
    d = found["mu"].shape[-1] if found["mu"].ndim else 0
    shape = tuple(patch_shape) if patch_shape is not None else square_patch_shape(d)
    order = np.arange(d)
    if len(shape) == 3 and math.prod(shape) == d:
        order = order.reshape(shape[2], shape[0], shape[1]).transpose(1, 2, 0).ravel()
    weights, covariances = zero_mean(
        found["_weights"],
        found["mu"],
        found["_cov"],
        order=order,
        means=means,
        remove_patch_mean=remove_patch_mean,
    )
    return GaussianMixture.from_covariances(weights, covariances, shape, metadata)


def load_zoran_weiss(
    path: StrPath,
    patch_shape: Sequence[int] | None = None,
    *,
    means: Means = "error",
    metadata: Mapping[str, JSON] | None = None,
) -> GaussianMixture:
    """Read Zoran and Weiss's MATLAB struct ``GS`` from a version 5 or 7.3 ``.mat`` file.

    Parameters
    ----------
    path : str or path
        File with a struct ``GS``: ``covs`` (d, d, k) and ``mixweights``, optionally ``dim``,
        ``nmodels`` and ``means`` (d, k).
    patch_shape : tuple of int, optional
        ``(p, q)`` of the gray patches; square by default. MATLAB's column-major patches are
        reordered to row-major.
    means, metadata
        As for `from_sklearn`.

    Raises
    ------
    ImportError
        h5py is not installed and the file is of version 7.3.
    ValueError
        Not such a file; the message names it.
    """
    with open(path, "rb") as file, naming(path):
        parts = read_zoran_weiss(file, patch_shape, means)
        return GaussianMixture.from_covariances(*parts, metadata)


def load_covariances(
    path: StrPath,
    patch_shape: Sequence[int] | None = None,
    *,
    metadata: Mapping[str, JSON] | None = None,
) -> GaussianMixture:
    """Read a zero-mean mixture from an ``.npz`` of plain ``weights`` (k,) and ``covs`` (k, d, d).

    `patch_shape` is that of the row-major patches, square by default.
    """
    with open(path, "rb") as file, naming(path):
        arrays = read_arrays(file, ("weights", "covs"))
        d = arrays["covs"].shape[-1] if arrays["covs"].ndim else 0
        shape = tuple(patch_shape) if patch_shape is not None else square_patch_shape(d)
        return GaussianMixture.from_covariances(arrays["weights"], arrays["covs"], shape, metadata)
