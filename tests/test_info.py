"""`show_config` says what a call would use, or why it would raise."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import fastepll
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.backends.passes import Pass


def test_sections():
    config = fastepll.show_config("dict")
    assert list(config) == ["backend", "simd", "threads", "versions", "platform"]
    assert config["backend"]["in use"] == get_backend().name
    assert config["threads"]["in use"] == resolve_threads(None)
    assert config["versions"]["fastepll"] == fastepll.__version__
    assert config["versions"]["numpy"] == np.__version__
    assert "error" not in config["simd"] | config["threads"]


def test_printed(capsys):
    assert fastepll.show_config() is None
    lines = capsys.readouterr().out.splitlines()
    assert "backend:" in lines
    assert f"  in use: {get_backend().name}" in lines
    assert f"  numpy: {np.__version__}" in lines


def test_mode_is_checked():
    with pytest.raises(ValueError, match="mode must be 'stdout' or 'dict', got 'dicts'"):
        fastepll.show_config("dicts")


def test_isa(isa):
    assert fastepll.show_config("dict")["simd"]["in use"] == isa


@pytest.mark.skipif(get_backend().name != "native", reason="needs the native core")
@pytest.mark.parametrize("wanted", ["sse9", "AVX2", "neon "])
def test_bad_isa(monkeypatch, wanted):
    monkeypatch.setenv("FASTEPLL_SIMD", wanted)
    simd = fastepll.show_config("dict")["simd"]
    assert simd["in use"] is None
    assert f"FASTEPLL_SIMD: instruction set '{wanted}' is unknown" in simd["error"]
    model = fastepll.GaussianMixture.from_covariances([1.0], [np.eye(9)], (3, 3))
    image = np.zeros((5, 5), np.float32)
    with pytest.raises(ValueError, match=r"FASTEPLL_SIMD.*supported: baseline"):
        get_backend("native").prior_pass(image, model, Pass(noise_var=1.0), n_threads=1)


def test_bad_thread_count(monkeypatch, capsys):
    monkeypatch.setenv("FASTEPLL_NUM_THREADS", "many")
    threads = fastepll.show_config("dict")["threads"]
    assert threads["in use"] is None
    assert "FASTEPLL_NUM_THREADS must be an integer from 1 to 1024" in threads["error"]
    fastepll.show_config()
    assert "  FASTEPLL_NUM_THREADS: many\n" in capsys.readouterr().out


@pytest.fixture
def absent(monkeypatch):
    """Make modules impossible to import, as if this were a first call."""
    get_backend.cache_clear()
    yield lambda *names: [monkeypatch.setitem(sys.modules, name, None) for name in names]
    get_backend.cache_clear()


def test_without_core(absent):
    absent("fastepll._core", "fastepll.backends.numba")  # numba is there but does not load
    config = fastepll.show_config("dict")
    assert config["backend"]["in use"] == "reference"
    assert "extension is absent" in config["backend"]["native"]
    assert config["simd"]["in use"] is None
