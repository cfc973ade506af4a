"""Any pass on any grid: the definition, and the same bits whatever the number of threads."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastepll.backends import get_backend
from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture

from ..conftest import BACKENDS
from ..near_ties import assert_pass_agrees
from ..scenes import noisy, scene

native = pytest.mark.skipif("native" not in BACKENDS, reason="needs the native core")


@lru_cache(maxsize=64)
def mixture(patch_shape: tuple[int, ...], k: int) -> GaussianMixture:
    """Falling spectra along random axes, contrasts 1 to 300."""
    rng = np.random.default_rng(k)
    d = int(np.prod(patch_shape))
    vectors = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    values = 10 ** rng.uniform(-3.5, -1, (k, 1)) * np.arange(1.0, d + 1) ** -1.5
    return GaussianMixture(rng.dirichlet(np.ones(k)), vectors, values, patch_shape)


@st.composite
def cases(draw, sides=(2, 9), components=40):
    """Keyword arguments of a pass: an image, a model, a step, and a number of threads."""
    p, q = draw(st.tuples(*[st.integers(*sides)] * 2))
    channels = draw(st.sampled_from([0, 0, 0, 1, 2, 3]))
    shape = (p, q, channels) if channels else (p, q)
    stride = draw(st.integers(1, min(p, q)))
    shift = draw(st.tuples(*[st.integers(0, stride - 1)] * 2))
    head = draw(st.integers(1, 20))
    step = Pass(
        noise_var=10.0 ** draw(st.integers(-5, -1)),
        stride=stride,
        shift=shift,
        selection=draw(st.sampled_from(["exact", "cascade"])),
        n_screen=head,
        n_refine=draw(st.integers(head, 70)),
        margin=draw(st.sampled_from([0.0, 1.0, 4.0, 1e6])),
        middle_margin=draw(st.sampled_from([0.0, 1.0, 1e6])),
        estimator=draw(st.sampled_from(["map", "top_mean"])),
        weighting=draw(st.sampled_from(["uniform", "confidence"])),
        rank_tolerance=draw(st.sampled_from([0.0, 0.1, 10.0])),
        window_decay=draw(st.sampled_from([0.0, 0.7])),
    )
    height, width = p + draw(st.integers(0, 30)), q + draw(st.integers(0, 40))
    planes = [noisy(scene(height, width), 0.05, seed=c) for c in range(max(channels, 1))]
    image = np.ascontiguousarray(planes if channels else planes[0])
    model = mixture(shape, draw(st.integers(1, components)))
    return {"image": image, "model": model, "step": step}, draw(st.sampled_from([2, 3, 5, 16, 64]))


@native
@given(cases())
@settings(max_examples=100)
def test_native_is_the_definition(case):
    arguments, n_threads = case
    assert_pass_agrees(get_backend("native"), **arguments, atol=4e-6)
    single = {**arguments, "image": arguments["image"].astype(np.float32)}
    alone = get_backend("native").prior_pass(**single, n_threads=1)
    together = get_backend("native").prior_pass(**single, n_threads=n_threads)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.skipif("numba" not in BACKENDS, reason="needs numba")
@given(cases(sides=(3, 6), components=8))
@settings(max_examples=25)
def test_numba_is_the_definition(case):
    arguments, _ = case
    assert_pass_agrees(get_backend("numba"), **arguments, atol=4e-6)


@pytest.mark.skipif("torch" not in BACKENDS, reason="needs torch")
@given(cases())
@settings(max_examples=50)
def test_torch_is_the_definition(case):
    arguments, _ = case
    assert_pass_agrees(get_backend("torch"), **arguments, atol=4e-6)


@native
@given(st.integers(2, 8), st.integers(0, 70), st.integers(0, 90), st.integers(1, 64))
@example(8, 0, 0, 64)
@settings(max_examples=40)
def test_log_probs_and_scales_have_the_same_bits(side, more_rows, more_cols, n_threads):
    backend, model = get_backend("native"), mixture((side, side), 7)
    image = scene(side + more_rows, side + more_cols).astype(np.float32)
    alone, together = (backend.log_probs(image, model, 0.01, n_threads=n) for n in (1, n_threads))
    np.testing.assert_array_equal(together, alone)
    half = [np.empty((image.shape[0] // 2, image.shape[1] // 2), np.float32) for _ in range(2)]
    for n, out in zip((1, n_threads), half, strict=True):
        backend.halve(image, out, n_threads=n)
    np.testing.assert_array_equal(*half)
