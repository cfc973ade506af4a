"""The torch backend on the processor: what surrounds the passes that `properties` tests."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import fastepll
from fastepll.backends import reference
from fastepll.backends.passes import Pass

from ..near_ties import assert_pass_agrees
from ..scenes import noisy, scene, smooth_mixture

torch = pytest.importorskip("torch")
tensors = pytest.importorskip("fastepll.backends.torch")
backend = tensors.backend
STEP = Pass(noise_var=1e-3)


def test_strips_give_what_one_product_gives(monkeypatch):
    image, model = noisy(scene(40, 51), 0.03).astype(np.float32), smooth_mixture(5)
    seen = []
    whole = backend.prior_pass(image, model, STEP, n_threads=1, poll=seen.append)
    assert seen == [1.0]
    monkeypatch.setitem(tensors.COST_BYTES, "cpu", 5 * 47 * 4 * model.d)
    seen.clear()
    parts = backend.prior_pass(image, model, STEP, n_threads=1, poll=seen.append)
    np.testing.assert_allclose(seen, [(5 * i + 4) / 40 for i in range(1, 8)] + [1.0])
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-6)
    assert_pass_agrees(backend, image, model, STEP, atol=2e-6)


def test_blends_and_writes_to_out():
    image, model = scene(20, 31).astype(np.float32), smooth_mixture(4)
    other, out = noisy(image, 0.1).astype(np.float32), np.empty_like(image)
    options = {"blend": 0.3, "noisy": other, "n_threads": 1}
    assert backend.prior_pass(image, model, STEP, out=out, **options) is out
    right = reference.backend.prior_pass(image.astype(np.float64), model, STEP, **options)
    np.testing.assert_allclose(out, right, rtol=0, atol=2e-6)


def test_equals_are_told_apart_by_their_number():
    cost = torch.tensor([[2.0, 1.0, 1.0, 1.0, 5.0, 1.0], [3.0] * 6])
    chosen, probabilities = tensors.choose(cost, Pass(noise_var=1.0, estimator="top_mean"))
    assert chosen.tolist() == [[1, 2, 3, 5], [0, 1, 2, 3]]
    assert probabilities.tolist() == [[0.25] * 4] * 2


def test_gradients_are_neither_recorded_nor_turned_off():
    model, image = smooth_mixture(4), scene(9, 9).astype(np.float32)
    assert isinstance(backend.prior_pass(image, model, STEP, n_threads=1), np.ndarray)
    x = torch.ones(1, requires_grad=True)
    (2 * x).backward()
    assert x.grad == 2


def test_tables_are_few_and_go_with_the_model():
    own, model, image = tensors.TorchBackend(), smooth_mixture(4), scene(8, 8).astype(np.float32)
    for i in range(tensors.N_KEPT + 3):
        own.select(image, model, Pass(noise_var=1e-3 + 1e-4 * i), n_threads=1)
        own.select(image, model, Pass(noise_var=1e-3 + 1e-4 * i, shift=(1, 2)), n_threads=1)
    assert len(own.recent.steps(model)) == tensors.N_KEPT
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert len(own.recent) == 0


def test_device_by_name(monkeypatch):
    monkeypatch.setenv("FASTEPLL_TORCH_DEVICE", "cpu")
    assert tensors.device() == torch.device("cpu")
    for name in ("gpu", "meta", "cuda:99"):
        monkeypatch.setenv("FASTEPLL_TORCH_DEVICE", name)
        with pytest.raises(ValueError, match=f"FASTEPLL_TORCH_DEVICE is '{name}': "):
            fastepll.denoise(scene(20, 20), 0.1, model=smooth_mixture(), backend="torch")
