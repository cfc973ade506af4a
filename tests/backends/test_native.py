"""The native core against the reference, per instruction-set level and thread count."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.backends import get_backend, reference
from fastepll.epll import denoise_plane
from fastepll.models import GaussianMixture

core = pytest.importorskip("fastepll._core")
native = pytest.importorskip("fastepll.backends.native")


def mixture(patch_shape: tuple[int, int], k: int, seed: int = 0) -> GaussianMixture:
    """Components with falling spectra in random directions, of contrasts 1 to 1000."""
    rng = np.random.default_rng(seed)
    d = patch_shape[0] * patch_shape[1]
    vectors = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    contrast = 10 ** rng.uniform(-4, -1, (k, 1))
    spectrum = contrast * np.arange(1, d + 1) ** -rng.uniform(1, 3, (k, 1))
    covariances = (vectors * spectrum[:, None, :]) @ vectors.transpose(0, 2, 1)
    return GaussianMixture.from_covariances(rng.dirichlet(np.ones(k)), covariances, patch_shape)


def scene(shape: tuple[int, int], noise_var: float, seed: int = 0) -> np.ndarray:
    """Steps, a ramp and noise: flat, edge and textured patches, float32 in about [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    clean = 0.2 + 0.4 * (x // 9 % 2) + 0.3 * y / shape[0]
    return (clean + np.sqrt(noise_var) * rng.standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("noise_var", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize(
    ("patch_shape", "k", "shape"),
    [((8, 8), 40, (45, 83)), ((3, 3), 7, (3, 3)), ((5, 4), 1, (64, 20)), ((16, 16), 5, (19, 80))],
)
def test_agrees_with_reference(level, noise_var, patch_shape, k, shape):
    model = mixture(patch_shape, k)
    image = scene(shape, noise_var)
    patches, _ = reference.extract(image.astype(np.float64), patch_shape)
    scores = reference.scores(patches, model, noise_var)
    for strategy in ("exhaustive", "bounded"):
        chosen = native.backend.select_by(strategy, image, model, noise_var, n_threads=2)
        lost = scores.max(axis=1) - scores[np.arange(len(scores)), chosen.ravel()]
        assert lost.max() < 1e-3
    ours = native.backend.prior_pass(image, model, noise_var, n_threads=2)
    theirs = reference.backend.prior_pass(image.astype(np.float64), model, noise_var, n_threads=1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)


def test_many_components(level):
    model = mixture((3, 3), 2048)
    image = scene((20, 30), 1e-3)
    ours = native.backend.prior_pass(image, model, 1e-3, n_threads=2)
    theirs = reference.backend.prior_pass(image.astype(np.float64), model, 1e-3, n_threads=1)
    assert np.median(np.abs(ours - theirs)) < 1e-6  # near ties among so many may fall otherwise
    assert native.backend.level() == level


@pytest.mark.parametrize("patch_shape", [(8, 8), (16, 16)])
def test_bit_identical_over_threads(level, n_threads, patch_shape):
    model = mixture(patch_shape, 12)
    image = scene((131, 150), 1e-3)
    alone = native.backend.prior_pass(image, model, 1e-3, n_threads=1)
    together = native.backend.prior_pass(image, model, 1e-3, n_threads=n_threads)
    assert np.array_equal(alone, together)


def test_denoising_agrees_with_reference(level):
    model = mixture((8, 8), 30)
    image = scene((50, 61), 1e-2)
    ours = denoise_plane(image, model, 0.1, backend=native.backend, n_threads=2)
    theirs = denoise_plane(
        image.astype(np.float64), model, 0.1, backend=reference.backend, n_threads=1
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_poll_sees_progress_and_can_stop():
    model = mixture((8, 8), 300)
    image = scene((200, 220), 1e-3)
    seen: list[float] = []
    native.backend.prior_pass(image, model, 1e-3, n_threads=2, poll=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= 1

    def refuse(fraction: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        native.backend.prior_pass(image, model, 1e-3, n_threads=2, poll=refuse)


def test_models_are_prepared_once_and_forgotten(monkeypatch):
    monkeypatch.setattr(native, "N_PREPARED", 2)
    backend = native.NativeBackend()
    image = scene((8, 8), 1e-2)
    model = mixture((8, 8), 2)
    for noise_var in (1e-2, 1e-3, 1e-4):
        backend.prior_pass(image, model, noise_var, n_threads=1)
    assert len(backend._prepared) == 2
    assert len(backend._mixtures) == 1
    del model
    assert len(backend._mixtures) == 0


def test_the_core_refuses_what_python_should_have_checked():
    model = mixture((4, 4), 2)
    with pytest.raises(TypeError):
        native.backend.prior_pass(np.zeros((9, 9)), model, 1e-2, n_threads=1)
    with pytest.raises(TypeError):
        native.backend.prior_pass(np.zeros((9, 9), np.float32).T[::2], model, 1e-2, n_threads=1)
    for shape in [(9,), (3, 9), (9, 9, 3)]:
        with pytest.raises(ValueError, match="image must"):
            native.backend.prior_pass(np.zeros(shape, np.float32), model, 1e-2, n_threads=1)
    with pytest.raises(ValueError, match="must be positive"):
        native.backend.prior_pass(np.zeros((9, 9), np.float32), model, 0.0, n_threads=1)
    with pytest.raises(ValueError, match="patch sides"):
        native.backend.prior_pass(np.zeros((9, 9), np.float32), mixture((2, 4), 2), 1, n_threads=1)


def test_unsupported_level_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("FASTEPLL_SIMD", "avx1024")
    with pytest.raises(ValueError, match=r"FASTEPLL_SIMD.*'avx1024'.*supported: baseline"):
        get_backend("native").select(
            np.zeros((9, 9), np.float32), mixture((4, 4), 2), 1e-2, n_threads=1
        )
