"""The numba backend: against the reference, over threads, and what surrounds the kernels."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fastepll.backends import _triangular, reference
from fastepll.backends._basis import principal_axes
from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import EXACT

from ..near_ties import assert_alike, assert_pass_agrees

kernels = pytest.importorskip("fastepll.backends._compiled")
compiled = pytest.importorskip("fastepll.backends.numba")
backend = compiled.backend
STEP = Pass(noise_var=1e-3)
CASCADE = replace(
    STEP, selection="cascade", margin=2.0, stride=3, estimator="top_mean", weighting="confidence"
)


def mixture(patch_shape: tuple[int, int], k: int, rank: int | None = None) -> GaussianMixture:
    """Falling spectra along random axes (a patch's mean goes with the rest), contrasts 1:1000."""
    rng = np.random.default_rng(k)
    d = patch_shape[0] * patch_shape[1]
    vectors = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    contrast = 10 ** rng.uniform(-4, -1, (k, 1))
    values = contrast * np.arange(1.0, d + 1) ** -rng.uniform(1, 3, (k, 1))
    values[:, rank:] = 0 if rank is not None else values[:, rank:]
    return GaussianMixture(rng.dirichlet(np.ones(k)), vectors, values, patch_shape)


def scene(shape: tuple[int, int], noise_var: float = 1e-3) -> np.ndarray:
    """Steps, a ramp and noise: flat, edge and textured patches in about [0, 1]."""
    y, x = np.indices(shape)
    clean = 0.2 + 0.4 * (x // 9 % 2) + 0.3 * y / shape[0]
    noise = np.random.default_rng(0).standard_normal(shape)
    return (clean + np.sqrt(noise_var) * noise).astype(np.float32)


def assert_equals_reference(image, model, step):
    """Same choices but for near ties, and without such ties the same average."""
    return assert_pass_agrees(backend, image, model, step, atol=2e-6)


@pytest.mark.parametrize("noise_var", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize(
    ("patch_shape", "k", "shape"),
    [
        ((8, 8), 40, (45, 83)),
        ((8, 8), 3, (8, 8)),
        ((3, 3), 7, (3, 300)),
        ((3, 16), 5, (20, 30)),
        ((5, 4), 1, (64, 20)),
        ((7, 11), 9, (18, 31)),
        ((16, 16), 5, (19, 33)),
    ],
)
def test_agrees_with_reference(patch_shape, k, shape, noise_var):
    step = Pass(noise_var=noise_var)
    assert_equals_reference(scene(shape, noise_var), mixture(patch_shape, k), step)


@pytest.mark.parametrize(
    ("patch_shape", "k", "shape", "dims"),
    [((8, 8), 40, (45, 83), (8, 32)), ((5, 4), 7, (21, 30), (3, 40)), ((3, 3), 5, (3, 40), (1, 5))],
)
@pytest.mark.parametrize("selection", ["exact", "cascade"])
@pytest.mark.parametrize("estimator", ["map", "top_mean"])
def test_every_kind_of_pass_agrees_with_reference(
    patch_shape, k, shape, dims, selection, estimator
):
    model, image = mixture(patch_shape, k), scene(shape)
    for (stride, shift), (weighting, rank_tolerance) in product(
        [(1, (0, 0)), (2, (1, 0)), (3, (1, 2))], [("uniform", 0.3), ("confidence", 0.0)]
    ):
        step = Pass(
            noise_var=1e-3,
            stride=stride,
            shift=shift,
            selection=selection,
            n_screen=dims[0],
            n_refine=dims[1],
            margin=2,
            middle_margin=1,
            estimator=estimator,
            weighting=weighting,
            rank_tolerance=rank_tolerance,
            window_decay=0.5 * (stride - 1),
        )
        assert_equals_reference(image, model, step)


@pytest.mark.parametrize(
    ("head", "refine"),
    [dims for dims in product([4, 6, 8, 20], [16, 24, 32, 48]) if dims[0] <= dims[1]],
)
def test_stages_of_the_cascade_agree_with_reference(head, refine):
    model, image = mixture((8, 8), 40), scene((45, 83), 1e-2)
    step = replace(CASCADE, noise_var=1e-2, n_screen=head, n_refine=refine, margin=4.0)
    choices = [
        assert_equals_reference(image, model, replace(step, middle_margin=middle_margin))
        for middle_margin in (0.0, 1.0, 3.0)
    ]
    changed = np.mean(choices[0] != choices[-1])
    assert changed > 0.05 if head < 16 < refine else changed == 0


def test_blends_with_the_noisy_image_and_writes_to_out():
    model, image = mixture((4, 4), 3), scene((20, 31))
    noisy, out = scene((20, 31), 1e-2), np.empty_like(image)
    average = backend.prior_pass(image, model, CASCADE, n_threads=1)
    result = backend.prior_pass(
        image, model, CASCADE, n_threads=1, blend=0.75, noisy=noisy, out=out
    )
    assert result is out
    np.testing.assert_allclose(out, 0.25 * noisy + 0.75 * average, rtol=0, atol=2e-7)


@pytest.mark.parametrize("side", range(3, 17))
def test_every_patch_side(side):
    image = scene((side + 9, side + 8))
    chosen = assert_equals_reference(image, mixture((side, side), 6), STEP)
    assert chosen.shape == (10, 9)


def test_sizes_across_the_edges_of_blocks_and_tiles():
    model = mixture((3, 3), 4)
    width = kernels.SIDE * compiled.TILE_BLOCKS
    for rows, cols in product([1, 7, 8, 9, 17], [1, 2, 8, 9, width - 1, width, width + 1]):
        assert_equals_reference(scene((rows + 2, cols + 2)), model, STEP)


def test_many_components_and_narrow_tiles(monkeypatch):
    monkeypatch.setattr(compiled, "TILE_WORK", 1)  # a block each
    model = mixture((3, 3), 2048)
    chosen = assert_equals_reference(scene((20, 30)), model, STEP)
    assert len(np.unique(chosen)) > 20


def test_equal_components_give_the_first():
    model = mixture((4, 4), 3)
    image = scene((20, 30))
    twice = GaussianMixture(
        np.tile(model.weights / 2, 2),
        np.tile(model.eigenvectors, (2, 1, 1)),
        np.tile(model.eigenvalues, (2, 1)),
        (4, 4),
    )
    once = backend.select(image, model, STEP, n_threads=1)
    assert len(np.unique(once)) > 1
    np.testing.assert_array_equal(backend.select(image, twice, STEP, n_threads=1), once)


@pytest.mark.parametrize("rank", [0, 3])
def test_singular_components(rank):
    assert_equals_reference(scene((20, 30)), mixture((4, 4), 3, rank), Pass(noise_var=1e-4))
    flat = np.full((20, 30), 0.7, np.float32)
    result = backend.prior_pass(flat, mixture((4, 4), 3, rank), Pass(noise_var=1e-12), n_threads=1)
    np.testing.assert_allclose(result, flat, rtol=2e-7)


@pytest.mark.parametrize("step", [STEP, CASCADE])
def test_bit_identical_over_threads(n_threads, step):
    model = mixture((8, 8), 12)
    image = scene((90, 300))
    alone = backend.prior_pass(image, model, step, n_threads=1)
    together = backend.prior_pass(image, model, step, n_threads=n_threads)
    assert np.array_equal(alone, together)


def test_denoising_agrees_with_reference():
    model = mixture((8, 8), 30)
    image = scene((50, 61), 1e-2)
    plane, exact = image.astype(np.float64), reference.backend
    assert_alike(
        lambda: denoise_plane(image, model, 0.1, EXACT, backend=backend, n_threads=2),
        lambda: denoise_plane(plane, model, 0.1, EXACT, backend=exact, n_threads=1),
        atol=1e-4,
    )


@pytest.mark.parametrize(("noise_var", "at_best"), [(1e-4, 0.5), (0.1, 0.99)])
def test_bounds_never_exceed_the_distance(noise_var, at_best):
    """What follows the rows done so far is at least the bound, and the rows give the distance."""
    model = mixture((5, 5), 20)
    prepared = compiled.prepare(model, principal_axes(model), Pass(noise_var=noise_var), 2)
    tables = prepared.triangular
    rng = np.random.default_rng(3)
    z = rng.standard_normal((400, 25)) * 10 ** rng.uniform(-3, 1, (400, 1))
    z -= z.mean(axis=1, keepdims=True)
    c = z @ prepared.basis[:, :25].T.astype(np.float64)
    q, step = len(prepared.basis), _triangular.STEP
    tight = 0.0
    for k in range(model.k):
        y, start = np.empty_like(c), 0
        for g in range(0, q, step):
            stop = start + step * (g + step)
            w = tables.whiten[k, start:stop].reshape(step, -1)
            y[:, g : g + step], start = c[:, : g + step] @ w.T.astype(np.float64), stop
        assert start == tables.whiten.shape[1]
        noisy = model.covariances[k] + noise_var * np.eye(25)
        distance = np.einsum("ni,ni->n", z, np.linalg.solve(noisy, z.T).T)
        np.testing.assert_allclose((y * y).sum(axis=1), distance, rtol=2e-5)
        for g in range(0, q, step):
            done, rest = (y[:, :g] ** 2).sum(axis=1), (y[:, g:] ** 2).sum(axis=1)
            norm = np.linalg.norm(c[:, g:], axis=1)
            tail, leak = tables.tail[k, g // step], tables.leak[k, g // step]
            bound = np.maximum(tail * norm - leak * np.sqrt(done), 0) ** 2
            assert (bound <= rest + 1e-9 * done).all()
            tight = max(tight, (bound / rest).max())
    assert tight > at_best


def test_any_layout_of_the_image_compiles_once():
    model = mixture((4, 4), 3)
    image = scene((20, 31))
    expected = backend.prior_pass(image, model, STEP, n_threads=1)
    frozen = image.copy()
    frozen.flags.writeable = False
    wide = np.zeros((20, 62), np.float32)
    wide[:, ::2] = image
    for same in (frozen, wide[:, ::2], np.asfortranarray(image), image.astype(np.float64)):
        assert np.array_equal(backend.prior_pass(same, model, STEP, n_threads=1), expected)
    assert len(kernels.tile.signatures) == 1


def test_poll_sees_progress_and_can_stop():
    model, image = mixture((8, 8), 12), scene((90, 300))
    seen: list[float] = []
    backend.prior_pass(image, model, STEP, n_threads=2, poll=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.2
    assert seen[-1] == 1
    before = threading.active_count()

    def refuse(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.prior_pass(image, model, STEP, n_threads=3, poll=refuse)
    assert threading.active_count() == before


def test_few_tiles_are_in_flight(monkeypatch):
    calls = []

    def count(image, shape, tables, grid, kept):
        calls.append(grid[0][0])
        return np.zeros((1, 1), np.int32), np.zeros((1, 1)), np.zeros((1, 1))

    monkeypatch.setattr(compiled, "tile", count)
    tiles = backend._tiles(scene((400, 10)), mixture((3, 3), 2), STEP, 3)
    next(tiles)
    assert len(calls) <= 7
    assert len([1 for _ in tiles]) == 49
    assert calls == sorted(calls)


def test_calls_from_several_threads():
    models = [mixture((8, 8), k) for k in (5, 6, 7, 8)]
    image = scene((40, 50))

    def run(model):
        return backend.prior_pass(image, model, STEP, n_threads=2)

    expected = [run(model) for model in models]
    with ThreadPoolExecutor(4) as pool:
        for result, wanted in zip(pool.map(run, models * 3), expected * 3, strict=True):
            assert np.array_equal(result, wanted)


def test_tables_are_kept_for_some_noise_levels_and_go_with_the_model(monkeypatch):
    ours = compiled.NumbaBackend()
    model = mixture((3, 3), 2)
    for noise_var in range(1, compiled.N_KEPT + 3):
        step = Pass(noise_var=noise_var)
        tables = ours._tables(model, step, 1)
        margins = {"margin": 2.0, "middle_margin": 1.0}
        moved = replace(step, stride=2, shift=(1, 0), estimator="top_mean", **margins)
        assert ours._tables(model, moved, 1) is tables
        assert ours._tables(model, replace(step, selection="cascade"), 1) is not tables
    assert len(ours.recent.steps(model)) == compiled.N_KEPT
    monkeypatch.setattr(ours.recent, "most_bytes", 1)
    ours._tables(model, Pass(noise_var=0.5), 1)
    assert 0.5 not in [step.noise_var for step in ours.recent.steps(model)]
    del model
    assert len(ours.recent) == 0


def test_functions_that_have_no_folder_for_a_cache_are_compiled_all_the_same():
    scope = {"jit": kernels.jit}
    exec("@jit\ndef double(x):\n    return 2 * x", scope)
    assert scope["double"](21) == 42
