"""What the native backend keeps of models: made once, within a bound, and gone with the model."""

from __future__ import annotations

import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture

pytest.importorskip("fastepll._core")
native = pytest.importorskip("fastepll.backends.native")


def mixture(patch_shape: tuple[int, int], k: int) -> GaussianMixture:
    """Components with random axes."""
    d = patch_shape[0] * patch_shape[1]
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((k, d, d)))[0]
    values = np.tile(np.geomspace(1, 1e-4, d), (k, 1))
    return GaussianMixture(np.full(k, 1 / k), vectors, values, patch_shape)


def test_models_are_prepared_once_and_forgotten(monkeypatch):
    backend = native.NativeBackend()
    model = mixture((8, 8), 2)
    core = native.native_mixture(model, backend.isa(), 1)
    size = backend.prepare(model, Pass(noise_var=1e-2), 1).nbytes
    monkeypatch.setattr(native, "KEPT_BYTES", core.nbytes + 2 * size)
    first = [backend.prepare(model, Pass(noise_var=v), 1) for v in (1e-2, 1e-3, 1e-4, 1e-3, 1e-2)]
    assert first[3] is first[1]
    assert first[4] is not first[0]
    assert backend.nbytes() == core.nbytes + 2 * size
    left = [weakref.ref(tables) for tables in first]
    del first
    assert [tables() is None for tables in left] == [True, False, True, False, False]
    other = mixture((8, 8), 2)
    kept = backend.prepare(other, Pass(noise_var=1e-3), 1)
    assert backend.nbytes() == core.nbytes + size  # no room for two mixtures
    assert backend.prepare(other, Pass(noise_var=1e-3), 1) is kept
    backend.prepare(model, Pass(noise_var=1e-3), 1)
    del kept, other, model
    assert backend.nbytes() == 0
    assert all(tables() is None for tables in left)


def test_the_bytes_of_a_mixture_are_those_of_its_arrays():
    model, isa = mixture((4, 4), 3), native.backend.isa()
    lanes = {"avx512": 8, "avx2": 4}.get(isa, 2)
    triangles = -(-3 // lanes) * lanes * 16 * 17 // 2 * 8  # float64
    vectors = 3 * 16 * 32 * 4  # float32, padded
    rest = (3 + 3 * 16 + 15 + 15 * 16) * 8
    assert native.native_mixture(model, isa, 1).nbytes == triangles + vectors + rest


class Slow:
    """A mixture that is done with its first tables when it may be."""

    nbytes = 0

    def __init__(self) -> None:
        self.begun, self.may_end, self.calls = threading.Event(), threading.Event(), 0

    def prepare(self, *wanted: object) -> SimpleNamespace:
        self.calls += 1
        self.begun.set()
        assert self.calls > 1 or self.may_end.wait(60)
        return SimpleNamespace(nbytes=1)


def test_threads_wait_for_the_tables_they_share_and_for_no_others(monkeypatch):
    backend, slow, real = native.NativeBackend(), Slow(), native.native_mixture
    model, other, step = mixture((4, 4), 2), mixture((4, 4), 2), Pass(noise_var=1e-2)
    monkeypatch.setattr(
        native, "native_mixture", lambda m, *rest: slow if m is model else real(m, *rest)
    )
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(backend.prepare, model, step, 1)
        assert slow.begun.wait(60)
        waiting = [pool.submit(backend.prepare, model, step, 1) for _ in range(2)]
        tables = pool.submit(backend.prepare, other, step, 1).result(60)
        assert tables.nbytes > 1
        assert not first.done()
        slow.may_end.set()
        assert all(each.result(60) is first.result(60) for each in waiting)
    assert slow.calls == 1
    backend.prepare(model, Pass(noise_var=1e-3), 1)
    assert slow.calls == 2


def test_tables_that_could_not_be_made_are_tried_again(monkeypatch):
    backend, model, step = native.NativeBackend(), mixture((4, 4), 2), Pass(noise_var=1e-2)
    with monkeypatch.context() as patch:
        patch.setattr(native, "native_mixture", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            backend.prepare(model, step, 1)
    assert backend.nbytes() == 0
    assert backend.prepare(model, step, 1) is backend.prepare(model, step, 1)


def test_a_child_does_not_wait_for_threads_that_it_does_not_have(monkeypatch):
    backend, slow, step = native.NativeBackend(), Slow(), Pass(noise_var=1e-2)
    model, other = mixture((4, 4), 2), mixture((4, 4), 2)
    kept = backend.prepare(other, step, 1)
    monkeypatch.setattr(native, "native_mixture", lambda *_: slow)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backend.prepare, model, step, 1)
        assert slow.begun.wait(60)
        backend.forget_unmade()
        backend.prepare(model, step, 1)
        slow.may_end.set()
    assert slow.calls == 2
    assert backend.prepare(other, step, 1) is kept


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_models_that_were_let_go_of_leave_no_memory(python):
    code = """
        import ctypes, os
        import numpy as np, fastepll
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)
        def resident():
            give_back(0)  # else glibc may keep free pages, as many as a model or two had
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        like, image = fastepll.load_model("gray-8x8-200"), np.full((48, 48), 0.5, np.float32)
        arrays = like.weights, like.eigenvectors
        for i in range(25):
            model = fastepll.GaussianMixture(*arrays, like.eigenvalues * (1 + i), (8, 8))
            fastepll.denoise(image, 0.1, model=model, backend="native", n_threads=1)
            if i == 4:
                before = resident()
        print(resident() - before)
    """
    out = python(dedent(code), OPENBLAS_NUM_THREADS="1").communicate(timeout=120)[0]
    assert int(out) < 15e6  # one model had 9 MB
