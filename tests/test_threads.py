"""Thread counts, concurrent calls, forks, Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from fastepll import _threads
from fastepll._threads import affinity, default_threads, resolve_threads
from fastepll.backends import get_backend, why_not

native = pytest.mark.skipif(why_not("native") is not None, reason="needs the native core")

# A mixture, an image, and what 1 thread makes of it; the same in every process.
SETUP = """
import numpy as np
import fastepll
from fastepll.backends import get_backend
from fastepll.backends.passes import Pass
rng = np.random.default_rng(0)
model = fastepll.GaussianMixture(
    weights=np.full(100, 0.01),
    eigenvectors=np.tile(np.linalg.qr(rng.standard_normal((64, 64)))[0], (100, 1, 1)),
    eigenvalues=-np.sort(-rng.exponential(0.01, (100, 64))),
    patch_shape=(8, 8),
)
image = rng.random((64, 200), np.float32)
def run(image=image, n_threads=2):
    return get_backend("native").prior_pass(
        image, model, Pass(noise_var=0.01), n_threads=n_threads
    )
"""


@pytest.fixture
def environment(monkeypatch):
    for name in ("FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS", "FASTEPLL_THREADING"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_order(environment):
    assert default_threads() == (affinity(), "processor affinity")
    environment.setenv("OMP_NUM_THREADS", "5,2")
    assert default_threads() == (5, "environment variable OMP_NUM_THREADS")
    environment.setenv("FASTEPLL_NUM_THREADS", " 3 ")
    assert default_threads() == (3, "environment variable FASTEPLL_NUM_THREADS")
    assert resolve_threads(None) == 3
    assert resolve_threads(4) == 4


@pytest.mark.parametrize("name", ["FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025"])
def test_bad_environment(environment, name, text):
    environment.setenv(name, text)
    with pytest.raises(ValueError, match=f"{name} must be an integer from 1 to 1024, got '{text}'"):
        resolve_threads(None)
    assert resolve_threads(2) == 2


def test_empty_environment_is_unset(environment):
    environment.setenv("FASTEPLL_NUM_THREADS", "")
    environment.setenv("OMP_NUM_THREADS", "2")
    assert resolve_threads(None) == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_affinity(python):
    code = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from fastepll._threads import default_threads
print(*default_threads())
"""
    process = python(code, FASTEPLL_NUM_THREADS=None, OMP_NUM_THREADS=None)
    assert process.communicate(timeout=60)[0] == "1 processor affinity\n"


@native
def test_threadpoolctl(python):
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.2")
    code = """
import threading
import threadpoolctl
from fastepll._threads import default_threads, resolve_threads
with threadpoolctl.threadpool_limits(1):
    print(*default_threads(), resolve_threads(2))
    other = threading.Thread(target=lambda: print(resolve_threads(None)))
    other.start(), other.join()
with threadpoolctl.threadpool_limits(5, user_api="openmp"):
    print(resolve_threads(None))
print(resolve_threads(None))
"""
    del threadpoolctl
    process = python(code, FASTEPLL_NUM_THREADS=None, OMP_NUM_THREADS="3")
    limited = "1 limit set by threadpoolctl in this thread 2"
    assert process.communicate(timeout=60)[0] == f"{limited}\n3\n3\n3\n"


@native
def test_layers(python):
    code = """
from fastepll._threads import resolve_threads
result = run(n_threads=resolve_threads(3))
import pathlib, zlib
maps = pathlib.Path("/proc/self/maps")
print(zlib.crc32(result.tobytes()), maps.exists() and "libgomp" in maps.read_text())
"""
    crc = f"{zlib.crc32(np.ascontiguousarray(expected_result()).tobytes())}"
    for layer, loaded in [("", False), ("team", False), ("openmp", True)]:
        if layer == "openmp" and not has_openmp():
            continue
        process = python(SETUP + code, FASTEPLL_THREADING=layer)
        seen = loaded and sys.platform == "linux"
        assert process.communicate(timeout=60)[0] == f"{crc} {seen}\n"


def has_openmp() -> bool:
    return importlib.util.find_spec("fastepll._openmp") is not None


def expected_result():
    scope: dict[str, Any] = {}
    exec(SETUP, scope)
    return scope["run"](n_threads=1)


@native
def test_unknown_layer(environment):
    environment.setenv("FASTEPLL_THREADING", "tbb")
    with pytest.raises(ValueError, match="FASTEPLL_THREADING must be one of team, openmp, got 't"):
        resolve_threads(2)


@native
def test_missing_layer(environment):
    environment.setenv("FASTEPLL_THREADING", "openmp")
    environment.setitem(sys.modules, "fastepll._openmp", None)
    environment.delattr("fastepll._openmp", raising=False)  # of an import before
    environment.setattr(_threads, "_in_use", "")
    with pytest.raises(ValueError, match="must be team here, got 'openmp': there is no OpenMP"):
        resolve_threads(None)


@native
def test_concurrent_calls():
    scope: dict[str, Any] = {}
    exec(SETUP, scope)
    run = scope["run"]
    images = [np.roll(scope["image"], 7 * i, axis=1) for i in range(4)]
    expected = [run(image, n_threads=1) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, images * 3))
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result, expected[i % 4])


# Runs in the child of a fork; exits with 0 if it finds what the parent found.
FORK = """
import os, signal
expected = run(n_threads=1)
{before}
child = os.fork()
if child == 0:
    signal.alarm(30)  # ends a child that hangs
    os._exit(0 if np.array_equal(run(n_threads=3), expected) else 7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert np.array_equal(run(n_threads=3), expected)
"""


@native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("run(n_threads=3)", id="core"),
        pytest.param(  # OpenMP may have threads that the core did not start
            """
import ctypes
try:
    openmp = ctypes.CDLL("libgomp.so.1")
except OSError:
    pass
else:
    work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
    openmp.GOMP_parallel(work, None, 3, 0)
""",
            id="openmp",
        ),
    ],
)
def test_fork(python, before):
    process = python(SETUP + FORK.format(before=before))
    assert process.communicate(timeout=60)[0] == "0\n"
    assert process.returncode == 0


INTERRUPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the shell ignores it
expected = run()
long = np.random.default_rng(1).random((6000, 6000), np.float32)  # minutes
print("started", flush=True)
try:
    run(long)
except KeyboardInterrupt:
    raise SystemExit(42 if np.array_equal(run(), expected) else 7)
"""


@native
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_interrupt(python):
    process = python(SETUP + INTERRUPT)
    assert process.stdout.readline() == "started\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 42


@native
def test_poll_may_raise():
    scope: dict[str, Any] = {}
    exec(SETUP, scope)
    image = np.tile(scope["image"], (32, 8))
    calls = []

    def poll(fraction):
        calls.append(fraction)
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        get_backend("native").prior_pass(
            image, scope["model"], scope["Pass"](noise_var=0.01), n_threads=2, poll=poll
        )
    assert len(calls) == 1
    assert 0 < calls[0] <= 1


# Prints what the loops of a pass over a grid of 57 x 193 patches did, with 1 to 64 threads asked
# for, and over one of 41 x 41.
COUNTS = """
from fastepll import _core
expected = run(n_threads=1)
before = _core.thread_counts()
for n_threads in [1, 2, 3, 7, 16, 64]:
    assert np.array_equal(run(n_threads=n_threads), expected)
    now = _core.thread_counts()
    print(n_threads, *(now[name] - before[name] for name in ("loops", "pieces", "helpers")))
    before = now
run(np.ascontiguousarray(image[:48, :48]), n_threads=256)
now = _core.thread_counts()
print(now["pieces"] - before["pieces"], now["workers"], _core.pooled_bytes())
"""


@native
def test_counts(python):
    """Of synchronisations and pieces: one loop a pass, cut finely enough for every thread."""
    out = python(SETUP + COUNTS).communicate(timeout=120)[0].splitlines()
    for line in out[:-1]:
        n_threads, loops, pieces, helpers = map(int, line.split())
        assert loops == (n_threads > 1)
        assert pieces == {1: 3, 2: 17, 3: 19}.get(n_threads, 29)
        assert helpers <= min(n_threads, pieces) - 1
    pieces, workers, resting = map(int, out[-1].split())
    assert pieces == 4
    assert workers == 28  # as many as there were ever pieces for, less the caller
    assert resting < 60e6


@native
def test_calls_at_once_share_one_team(python):
    code = """
from concurrent.futures import ThreadPoolExecutor
from fastepll import _core
expected = run(n_threads=1)
with ThreadPoolExecutor(16) as pool:
    for result in pool.map(lambda _: run(n_threads=3), range(48)):
        assert np.array_equal(result, expected)
print(_core.thread_counts()["workers"])
"""
    assert python(SETUP + code).communicate(timeout=300)[0] == "2\n"


@native
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that holds")
def test_threads_that_cannot_start(python):
    """64 are asked for in a child with room for the stacks of a few; it goes on with those."""
    code = """
import os, resource
from fastepll import _core
expected = run(n_threads=1)
child = os.fork()
if child == 0:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20),) * 2)
    right = np.array_equal(run(n_threads=64), expected)
    os._exit(0 if right and _core.thread_counts()["workers"] < 12 else 7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(SETUP + code).communicate(timeout=60)[0] == "0\n"


@native
def test_waiting_threads_sleep(python):
    code = """
import time
run(n_threads=4)
time.sleep(0.2)
start = time.process_time()
time.sleep(0.5)
print(time.process_time() - start)
"""
    process = python(SETUP + code, OPENBLAS_NUM_THREADS="1")  # whose threads spin for a while
    assert float(process.communicate(timeout=60)[0]) < 0.01
