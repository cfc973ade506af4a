"""The reference against a still more naive definition: SciPy densities, inverses, loops."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import multivariate_normal

from fastepll.backends import reference
from fastepll.backends.passes import Pass

from .naive import mixture, naive_candidates, naive_costs, naive_pass


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
    step = Pass(noise_var=noise_var)
    expected, chosen = naive_pass(image, model, step)
    average = reference.backend.prior_pass(image, model, step, n_threads=1)
    np.testing.assert_allclose(average, expected, rtol=0, atol=1e-11)
    selected = reference.backend.select(image, model, step, n_threads=1)
    assert selected.dtype == np.int32
    np.testing.assert_array_equal(selected, chosen)


def test_naive_loop_sees_more_than_one_component():
    chosen = naive_pass(
        np.random.default_rng(1).random((13, 10)), mixture((8, 8), 5), Pass(noise_var=1e-2)
    )[1]
    assert len(np.unique(chosen)) > 1


GRIDS = [(1, (0, 0)), (2, (1, 0)), (3, (1, 2)), (3, (0, 0))]


@pytest.mark.parametrize(
    ("patch_shape", "k", "shape", "dims"),
    [
        ((3, 3), 7, (11, 8), (2, 5)),
        ((5, 4), 6, (13, 9), (3, 40)),
        ((3, 3), 5, (3, 12), (5, 5)),
        ((4, 5), 7, (9, 10), (1, 8)),
        ((5, 5), 6, (9, 8), (6, 20)),
    ],
)
@pytest.mark.parametrize("selection", ["exact", "cascade"])
@pytest.mark.parametrize("estimator", ["map", "top_mean"])
def test_every_kind_of_pass_equals_naive_loop(patch_shape, k, shape, dims, selection, estimator):
    model = mixture(patch_shape, k)
    image = 0.7 * np.random.default_rng(1).random(shape)
    for (stride, shift), weighting, rank_tolerance in product(
        GRIDS, ["uniform", "confidence"], [0.0, 0.3, 1e5]
    ):
        step = Pass(
            noise_var=1e-2,
            stride=stride,
            shift=shift,
            selection=selection,
            n_screen=dims[0],
            n_refine=dims[1],
            margin=2.0,
            middle_margin=0.5,
            estimator=estimator,
            weighting=weighting,
            rank_tolerance=rank_tolerance,
            window_decay=0.8 * (stride - 1),
        )
        expected, chosen = naive_pass(image, model, step)
        average = reference.backend.prior_pass(image, model, step, n_threads=1)
        np.testing.assert_allclose(average, expected, rtol=0, atol=1e-11)
        selected = reference.backend.select(image, model, step, n_threads=1)
        np.testing.assert_array_equal(selected, chosen)


def test_kinds_of_pass_differ():
    """Otherwise the test above would not see what it compares."""
    model, image = mixture((5, 5), 7), 2 * np.random.default_rng(1).random((21, 18))
    cascade = {"selection": "cascade", "n_screen": 3, "n_refine": 20}
    base = Pass(noise_var=0.1, stride=2, margin=2.0, middle_margin=0.5, **cascade)
    changes = [
        {"stride": 1},
        {"shift": (1, 0)},
        {"selection": "exact"},
        {"n_screen": 1},
        {"n_refine": 3},
        {"margin": 0.0},
        {"middle_margin": 0.0},
        {"middle_margin": 1.0},
        {"estimator": "top_mean"},
        {"weighting": "confidence"},
        {"rank_tolerance": 0.3},
        {"window_decay": 0.8},
    ]
    expected = reference.backend.prior_pass(image, model, base, n_threads=1)
    for change in changes:
        other = reference.backend.prior_pass(image, model, replace(base, **change), n_threads=1)
        assert np.abs(other - expected).max() > 1e-5, change


@pytest.mark.parametrize(
    ("n", "p", "stride", "shift", "expected"),
    [
        (12, 3, 4, 1, [0, 1, 5, 9]),
        (12, 3, 4, 3, [0, 3, 7, 9]),
        (9, 8, 6, 5, [0, 1]),
        (8, 8, 3, 2, [0]),
        (6, 3, 1, 0, [0, 1, 2, 3]),
    ],
)
def test_positions(n, p, stride, shift, expected):
    assert reference.positions(n, p, stride, shift).tolist() == expected


@pytest.mark.parametrize(
    ("screen", "refine", "q", "expected"),
    [
        (8, 32, 63, ([8, 16, 32, 63], [16, 32, 63], [32, 63])),
        (6, 32, 63, ([6, 8, 16, 32, 63], [16, 32, 63], [32, 63])),
        (1, 17, 63, ([1, 2, 4, 8, 16, 17, 63], [16, 17, 63], [17, 63])),
        (15, 40, 63, ([15, 16, 32, 40, 63], [16, 40, 63], [40, 63])),
        (1, 999, 255, ([1, 2, 4, 8, 16, 32, 64, 128, 255], [16, 255], [255])),
        (8, 32, 24, ([8, 16, 24], [16, 24], [24])),
        (6, 16, 63, ([6, 8, 16, 63], [], [16, 63])),
        (16, 32, 63, ([16, 32, 63], [], [32, 63])),
        (20, 48, 63, ([20, 32, 48, 63], [], [48, 63])),
        (6, 32, 16, ([6, 8, 16], [], [16])),
        (4, 4, 63, ([4, 63], [], [4, 63])),
        (9, 32, 8, ([8], [], [8])),
    ],
)
def test_bands(screen, refine, q, expected):
    assert reference.bands(screen, refine, q) == expected


def patches_of_rising_contrast() -> np.ndarray:
    """Some of less power than twice the noise of variance 0.1, for which margins are smaller."""
    image = np.random.default_rng(1).random((16, 16)) * np.linspace(0.1, 3, 16)
    return reference.extract(image, (6, 6))[0]


@pytest.mark.parametrize(
    ("dims", "n_stages"),
    [((4, 24), 3), ((6, 17), 3), ((15, 99), 3), ((6, 16), 2), ((16, 24), 2), ((20, 30), 2)],
)
@pytest.mark.parametrize("margins", [(2.0, 0.0), (2.0, 0.5), (0.5, 0.2), (4.0, 1.0)])
def test_costs_are_infinite_beyond_either_margin(dims, n_stages, margins):
    model, patches = mixture((6, 6), 12), patches_of_rising_contrast()
    step = Pass(
        noise_var=0.1,
        selection="cascade",
        n_screen=dims[0],
        n_refine=dims[1],
        margin=margins[0],
        middle_margin=margins[1],
    )
    stages = list(naive_costs(model, step))
    expected = np.full((len(patches), model.k), np.inf)
    counts = np.zeros(n_stages)
    for z, row in zip(patches, expected, strict=True):
        cost, left = naive_candidates(stages, z, step)
        row[left[-1]] = np.array(cost)[left[-1]]
        counts += [len(candidates) for candidates in left]
    np.testing.assert_allclose(reference.costs(patches, model, step), expected, rtol=1e-10)
    assert all(after < before for before, after in pairwise(counts))


def test_an_endless_middle_margin_is_no_middle_stage(monkeypatch):
    model, patches = mixture((6, 6), 12), patches_of_rising_contrast()
    step = Pass(noise_var=0.1, selection="cascade", n_screen=6, margin=2.0, middle_margin=0.5)
    narrow = reference.costs(patches, model, step)
    endless = reference.costs(patches, model, replace(step, middle_margin=1e6))
    assert np.isfinite(narrow).sum() < 0.5 * np.isfinite(endless).sum()
    monkeypatch.setattr(reference, "MIDDLE_COEFS", 32)
    np.testing.assert_array_equal(reference.costs(patches, model, step), endless)


def test_blends_with_the_noisy_image_and_writes_to_out():
    model, rng = mixture((3, 3), 2), np.random.default_rng(3)
    image, noisy = rng.random((2, 9, 8))
    step = Pass(noise_var=1e-2, stride=2)
    average = reference.backend.prior_pass(image, model, step, n_threads=1)
    out = np.empty_like(image)
    result = reference.backend.prior_pass(
        image, model, step, n_threads=1, blend=0.75, noisy=noisy, out=out
    )
    assert result is out
    np.testing.assert_allclose(out, 0.25 * noisy + 0.75 * average, rtol=0, atol=1e-15)


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


@pytest.mark.parametrize("stride", [1, 2])
def test_strips_join_without_a_seam(stride, monkeypatch):
    model, step = mixture((3, 3), 2), Pass(noise_var=1e-3, stride=stride, weighting="confidence")
    image = np.random.default_rng(3).random((260, 131))
    seen: list[float] = []
    average = reference.backend.prior_pass(image, model, step, n_threads=1, poll=seen.append)
    selected = reference.backend.select(image, model, step, n_threads=1)
    assert len(seen) == {1: 3, 2: 1}[stride]
    assert seen == sorted(seen)
    assert seen[-1] == 1
    whole = [slice(None)]
    monkeypatch.setattr(reference, "strips", lambda rows, n_cols: whole)
    together = reference.backend.prior_pass(image, model, step, n_threads=1)
    np.testing.assert_allclose(average, together, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(
        selected, reference.backend.select(image, model, step, n_threads=1)
    )


def test_exception_of_poll_ends_the_pass():
    def refuse(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reference.backend.prior_pass(
            np.zeros((9, 9)), mixture((3, 3), 2), Pass(noise_var=0.1), n_threads=1, poll=refuse
        )


def test_limits_of_the_noise():
    model = mixture((3, 3), 1)
    image = np.random.default_rng(4).random((9, 9))
    quiet = reference.backend.prior_pass(image, model, Pass(noise_var=1e-14), n_threads=1)
    np.testing.assert_allclose(quiet, image, rtol=0, atol=1e-8)
    mean = sliding_window_view(image, (3, 3)).mean(axis=(2, 3))
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    for i, j in np.ndindex(mean.shape):
        total[i : i + 3, j : j + 3] += mean[i, j]
        count[i : i + 3, j : j + 3] += 1
    loud = reference.backend.prior_pass(image, model, Pass(noise_var=1e9), n_threads=1)
    np.testing.assert_allclose(loud, total / count, rtol=0, atol=1e-8)
