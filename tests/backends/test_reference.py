"""The reference against a still more naive definition: SciPy densities, inverses, loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fastepll.backends import reference
from fastepll.models import GaussianMixture


def mixture(patch_shape: tuple[int, int], k: int) -> GaussianMixture:
    """Full covariances, so a patch's mean is correlated with the rest."""
    rng = np.random.default_rng(7)
    d = patch_shape[0] * patch_shape[1]
    roots = rng.standard_normal((k, d, d)) * rng.uniform(0.02, 0.3, (k, 1, d))
    covariances = roots @ roots.transpose(0, 2, 1)
    return GaussianMixture.from_covariances(
        rng.dirichlet(np.full(k, 3.0)), covariances, patch_shape
    )


def naive_pass(image, model, noise_var):
    """Patch by patch: average of the estimates, and chosen components."""
    p, q = model.patch_shape
    noisy = [cov + noise_var * np.eye(model.d) for cov in model.covariances]
    inverses = [np.linalg.inv(cov) for cov in noisy]
    densities = [multivariate_normal(np.zeros(model.d), cov).logpdf for cov in noisy]
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    positions = (image.shape[0] - p + 1, image.shape[1] - q + 1)
    chosen = np.empty(positions, int)
    for i, j in np.ndindex(positions):
        patch = image[i : i + p, j : j + q].ravel()
        z = patch - patch.mean()
        scores = [np.log(w) + f(z) for w, f in zip(model.weights, densities, strict=True)]
        best = chosen[i, j] = int(np.argmax(scores))
        estimate = model.covariances[best] @ inverses[best] @ z + patch.mean()
        total[i : i + p, j : j + q] += estimate.reshape(p, q)
        count[i : i + p, j : j + q] += 1
    return total / count, chosen


@pytest.mark.parametrize("noise_var", [1e-4, 1e-2])
@pytest.mark.parametrize(
    ("patch_shape", "k", "shape"),
    [
        ((3, 3), 4, (11, 8)),
        ((3, 16), 3, (5, 17)),
        ((5, 4), 1, (7, 9)),
        ((8, 8), 5, (13, 10)),
        ((8, 8), 5, (8, 8)),
        ((16, 16), 2, (17, 18)),
    ],
)
def test_pass_equals_naive_loop(patch_shape, k, shape, noise_var):
    model = mixture(patch_shape, k)
    image = np.random.default_rng(1).random(shape)
    expected, chosen = naive_pass(image, model, noise_var)
    average = reference.backend.prior_pass(image, model, noise_var, n_threads=1)
    np.testing.assert_allclose(average, expected, rtol=0, atol=1e-11)
    selected = reference.backend.select(image, model, noise_var, n_threads=1)
    assert selected.dtype == np.int32
    np.testing.assert_array_equal(selected, chosen)


def test_naive_loop_sees_more_than_one_component():
    chosen = naive_pass(np.random.default_rng(1).random((13, 10)), mixture((8, 8), 5), 1e-2)[1]
    assert len(np.unique(chosen)) > 1


def test_scores_equal_scipy():
    model = mixture((4, 3), 6)
    z = np.random.default_rng(2).standard_normal((20, 12))
    expected = np.stack(
        [
            np.log(w) + multivariate_normal(np.zeros(12), cov + 0.01 * np.eye(12)).logpdf(z)
            for w, cov in zip(model.weights, model.covariances, strict=True)
        ],
        axis=1,
    )
    scores = reference.scores(z, model, 0.01) - 6 * np.log(2 * np.pi)
    np.testing.assert_allclose(scores, expected, rtol=1e-10)


def test_strips_join_without_a_seam():
    model = mixture((3, 3), 2)
    image = np.random.default_rng(3).random((260, 131))
    assert len(list(reference.strips(image, model))) == 3
    patches, mean = reference.extract(image, (3, 3))
    chosen = reference.scores(patches, model, 1e-3).argmax(axis=1)
    estimate = reference.wiener(patches, chosen, model, 1e-3) + mean
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    reference.average(estimate.reshape(258, 129, 9), (3, 3), total, count)
    seen: list[float] = []
    average = reference.backend.prior_pass(image, model, 1e-3, n_threads=1, poll=seen.append)
    np.testing.assert_allclose(average, total / count, rtol=0, atol=1e-14)
    assert (count.min(), count.max(), count.sum()) == (1, 9, 258 * 129 * 9)
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert seen[-1] == 1
    selected = reference.backend.select(image, model, 1e-3, n_threads=1)
    np.testing.assert_array_equal(selected, chosen.reshape(258, 129))


def test_exception_of_poll_ends_the_pass():
    def refuse(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reference.backend.prior_pass(
            np.zeros((9, 9)), mixture((3, 3), 2), 0.1, n_threads=1, poll=refuse
        )


def test_limits_of_the_noise():
    model = mixture((3, 3), 1)
    image = np.random.default_rng(4).random((9, 9))
    quiet = reference.backend.prior_pass(image, model, 1e-14, n_threads=1)
    np.testing.assert_allclose(quiet, image, rtol=0, atol=1e-8)
    patches, mean = reference.extract(image, (3, 3))
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    reference.average(np.broadcast_to(mean, patches.shape).reshape(7, 7, 9), (3, 3), total, count)
    loud = reference.backend.prior_pass(image, model, 1e9, n_threads=1)
    np.testing.assert_allclose(loud, total / count, rtol=0, atol=1e-8)
