"""The native core against the reference, per instruction set and thread count."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fastepll.backends import get_backend, reference, scales
from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import EXACT

from ..near_ties import assert_alike, assert_pass_agrees

core = pytest.importorskip("fastepll._core")
native = pytest.importorskip("fastepll.backends.native")

FAST = Pass(
    noise_var=1e-3,
    stride=3,
    shift=(1, 2),
    selection="cascade",
    n_screen=3,
    n_refine=11,
    margin=4.0,
    estimator="top_mean",
    weighting="confidence",
    rank_tolerance=0.1,
    window_decay=0.7,
)


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
def test_exact_selection_agrees_with_reference(isa, noise_var, patch_shape, k, shape):
    model = mixture(patch_shape, k)
    image = scene(shape, noise_var)
    step = Pass(noise_var=noise_var)
    patches, _ = reference.extract(image.astype(np.float64), patch_shape)
    scores = reference.scores(patches, model, noise_var)
    for exhaustive in (False, True):
        chosen = native.backend.select(image, model, step, n_threads=2, exhaustive=exhaustive)
        lost = scores.max(axis=1) - scores[np.arange(len(scores)), chosen.ravel()]
        assert lost.max() < 1e-3
    assert_pass_agrees(native.backend, image, model, step, atol=2e-6)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"estimator": "map", "weighting": "uniform"},
        {"estimator": "map", "n_screen": 1, "n_refine": 1, "stride": 1, "shift": (0, 0)},
        {"n_screen": 5, "n_refine": 1000, "stride": 4, "shift": (3, 0)},
        {"n_screen": 1, "n_refine": 1000, "margin": 1e6, "middle_margin": 1.0},
        {"n_screen": 6, "n_refine": 32, "margin": 1e6, "middle_margin": 1e6},
        {"selection": "exact", "rank_tolerance": 0.0},
        {"selection": "exact", "estimator": "map", "stride": 2, "shift": (1, 1)},
        {"weighting": "uniform", "rank_tolerance": 100.0, "margin": 0.0, "stride": 5},
    ],
)
@pytest.mark.parametrize(
    ("patch_shape", "k", "shape"),
    [((8, 8), 33, (45, 83)), ((5, 7), 6, (17, 31)), ((14, 13), 3, (29, 40)), ((2, 2), 9, (4, 5))],
)
def test_every_kind_of_pass_agrees_with_reference(isa, change, patch_shape, k, shape):
    model = mixture(patch_shape, k)
    step = replace(FAST, **change)
    if step.stride > min(patch_shape):
        step = replace(step, stride=2, shift=(0, 1))
    image, noisy = scene(shape, 1e-3), scene(shape, 1e-2, seed=1)
    assert_pass_agrees(native.backend, image, model, step, atol=4e-6, blend=0.7, noisy=noisy)


@pytest.mark.parametrize(
    ("head", "refine"),
    [dims for dims in product([4, 6, 8, 20], [16, 24, 32, 48]) if dims[0] <= dims[1]],
)
def test_stages_of_the_cascade_agree_with_reference(isa, head, refine):
    model, image = mixture((8, 8), 33), scene((45, 83), 1e-2)
    choices = []
    for middle_margin in (0.0, 1.0, 3.0):
        step = replace(
            FAST,
            noise_var=1e-2,
            n_screen=head,
            n_refine=refine,
            middle_margin=middle_margin,
        )
        choices.append(assert_pass_agrees(native.backend, image, model, step, atol=4e-6))
    changed = np.mean(choices[0] != choices[-1])
    assert changed > 0.05 if head < 16 < refine else changed == 0


@pytest.mark.parametrize("n_wrong", [0, 1, 5])
def test_hints_change_nothing(isa, n_wrong):
    model = mixture((8, 8), 40)
    image, step = scene((45, 83), 1e-3), Pass(noise_var=1e-3)
    right = native.backend.select(image, model, step, n_threads=1)
    hints = right + n_wrong  # some of them beyond the last component
    plain = native.backend.prior_pass(image, model, step, n_threads=2)
    hinted = native.backend.prior_pass(image, model, step, n_threads=2, hints=hints)
    assert np.array_equal(hints, right)
    assert np.array_equal(plain, hinted)


def test_axes_that_all_components_share(isa):
    """Precisions that are diagonal in the common axes leave nothing but the diagonal."""
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(np.c_[np.ones(16), rng.standard_normal((16, 15))])[0]
    spectra = 10.0 ** rng.uniform(-5, -1, (6, 16))
    spectra[0] = 0.0
    covariances = [(vectors * spectrum) @ vectors.T for spectrum in spectra]
    model = GaussianMixture.from_covariances(np.full(6, 1 / 6), covariances, (4, 4))
    image, step = scene((30, 31), 1e-3), Pass(noise_var=1e-3)
    assert_pass_agrees(native.backend, image, model, step, atol=2e-6)


def test_many_components(isa):
    model = mixture((3, 3), 2048)
    image, step = scene((20, 30), 1e-3), Pass(noise_var=1e-3)
    chosen = assert_pass_agrees(native.backend, image, model, step, atol=2e-6)
    assert len(np.unique(chosen)) > 20
    assert native.backend.isa() == isa


@pytest.mark.parametrize("step", [Pass(noise_var=1e-3), FAST, replace(FAST, weighting="uniform")])
@pytest.mark.parametrize(
    ("patch_shape", "shape"),
    [((8, 8), (301, 350)), ((16, 16), (131, 150)), ((5, 4), (21, 17000)), ((5, 4), (3000, 13))],
)
def test_bit_identical_over_threads(isa, n_threads, step, patch_shape, shape):
    model = mixture(patch_shape, 12)
    image = scene(shape, 1e-3)
    alone = native.backend.prior_pass(image, model, step, n_threads=1)
    together = native.backend.prior_pass(image, model, step, n_threads=n_threads)
    assert np.array_equal(alone, together)


@pytest.mark.parametrize("quality", ["exact", "learned", "high", "balanced", "fast", "preview"])
def test_denoising_agrees_with_reference(isa, quality):
    model = mixture((8, 8), 30)
    image = scene((50, 61), 1e-2)
    settings = EXACT if quality == "exact" else settings_for(quality, 0.1)
    plane, exact = image.astype(np.float64), reference.backend
    assert_alike(
        lambda: denoise_plane(image, model, 0.1, settings, backend=native.backend, n_threads=2),
        lambda: denoise_plane(plane, model, 0.1, settings, backend=exact, n_threads=1),
        atol=1e-4,
    )


def test_poll_sees_progress_and_can_stop():
    model = mixture((8, 8), 300)
    image, step = scene((400, 420), 1e-3), Pass(noise_var=1e-3)
    seen: list[float] = []
    native.backend.prior_pass(image, model, step, n_threads=1, poll=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] == 1

    def refuse(fraction: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        native.backend.prior_pass(image, model, step, n_threads=2, poll=refuse)


def test_the_core_refuses_what_python_should_have_checked():
    model, step = mixture((4, 4), 2), Pass(noise_var=1e-2)
    good = np.zeros((9, 9), np.float32)

    def run(image, step=step, model=model, **rest):
        native.backend.prior_pass(image, model, step, n_threads=1, **rest)

    for image in (np.zeros((9, 9)), np.zeros((9, 18), np.float32)[:, ::2]):
        with pytest.raises(TypeError):
            run(image, out=good.copy())
    for shape in [(9,), (3, 9), (9, 9, 3)]:
        with pytest.raises(ValueError, match="image must"):
            run(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="one shape"):
        run(good, out=np.zeros((9, 8), np.float32))
    with pytest.raises(ValueError, match="another array"):
        run(good, out=good)
    with pytest.raises(ValueError, match="shape of the grid"):
        run(good, hints=np.zeros((9, 9), np.int32))
    for noise_var in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="must be positive"):
            run(good, Pass(noise_var=noise_var))
    with pytest.raises(ValueError, match="below the stride"):
        run(good, Pass(noise_var=1e-2, shift=(1, 0)))
    with pytest.raises(ValueError, match="at most the patch side"):
        run(good, Pass(noise_var=1e-2, stride=5))
    with pytest.raises(ValueError, match="n_screen"):
        run(good, replace(FAST, n_screen=12))
    for name in ("margin", "middle_margin"):
        with pytest.raises(ValueError, match="margins"):
            run(good, replace(FAST, **{name: -1.0}))
    with pytest.raises(ValueError, match="patch sides"):
        run(good, model=mixture((1, 4), 2))
    with pytest.raises(ValueError, match="at most 256 values"):
        run(np.zeros((20, 20), np.float32), model=mixture((17, 16), 1))
    with pytest.raises(ValueError, match="only exact"):
        native.backend.select(good, model, FAST, n_threads=1, exhaustive=True)


def test_unsupported_isa_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("FASTEPLL_SIMD", "avx1024")
    with pytest.raises(ValueError, match=r"FASTEPLL_SIMD.*'avx1024'.*supported: baseline"):
        get_backend("native").select(
            np.zeros((9, 9), np.float32), mixture((4, 4), 2), Pass(noise_var=1e-2), n_threads=1
        )


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (16, 18), (41, 67), (131, 90)])
def test_scales_agree_with_numpy(shape):
    rng = np.random.default_rng(1)
    image = rng.random(shape, np.float32)
    half = (shape[0] // 2, shape[1] // 2)
    coarse, scratch = rng.random(half, np.float32), np.empty(half, np.float32)
    expected = image.astype(np.float64)
    halved = scales.halve(expected, np.empty(half))
    scales.add_coarse(expected, coarse, 0.7, np.empty(half))
    results = []
    for n_threads in (1, 2, 3, 7):
        result = image.copy()
        np.testing.assert_allclose(
            native.backend.halve(image, scratch, n_threads=n_threads), halved, rtol=0, atol=2e-7
        )
        native.backend.add_coarse(result, coarse, 0.7, scratch, n_threads=n_threads)
        results.append(result)
        np.testing.assert_array_equal(result, results[0])
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=5e-7)


def test_scales_refuse_what_does_not_fit():
    image = np.zeros((8, 10), np.float32)
    good, bad = np.zeros((4, 5), np.float32), np.zeros((4, 4), np.float32)
    for coarse, scratch in ((bad, good), (good, bad)):
        with pytest.raises(ValueError, match="half its size"):
            native.backend.add_coarse(image, coarse, 0.5, scratch, n_threads=1)
    with pytest.raises(ValueError, match="half its size"):
        native.backend.halve(image[:1], good[:0], n_threads=1)
    with pytest.raises(TypeError):
        native.backend.halve(image.astype(np.float64), good, n_threads=1)


@pytest.mark.parametrize("step", [Pass(noise_var=1e-2), replace(FAST, stride=1, shift=(0, 0))])
def test_nan_spreads_no_further_than_its_patches(isa, step):
    model = mixture((8, 8), 40)
    image = np.random.default_rng(3).random((40, 50), np.float32)
    expected = native.backend.prior_pass(image, model, step, n_threads=1)
    image[20, 30] = np.nan
    result = native.backend.prior_pass(image, model, step, n_threads=1)
    p, q = model.patch_shape
    reach = np.zeros(image.shape, bool)
    reach[20 - p + 1 : 20 + p, 30 - q + 1 : 30 + q] = True
    assert np.isnan(result[20, 30])
    np.testing.assert_array_equal(result[~reach], expected[~reach])
