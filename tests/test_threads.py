"""Thread counts, concurrent calls, forks, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from fastepll._threads import (
    HAS_OPENMP,
    affinity,
    default_threads,
    openmp_default,
    resolve_threads,
)
from fastepll.backends import get_backend, why_not

native = pytest.mark.skipif(why_not("native") is not None, reason="needs the native core")

# A mixture, an image, and what 1 thread makes of it; the same in every process.
SETUP = """
import numpy as np
import fastepll
from fastepll.backends import get_backend
from fastepll.settings import Pass
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
    for name in ("FASTEPLL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_order(environment):
    environment.setattr("fastepll._threads.openmp_limit", lambda: None)
    assert default_threads() == (affinity(), "processor affinity")
    environment.setenv("OMP_NUM_THREADS", "5,2")
    assert default_threads() == (5, "environment variable OMP_NUM_THREADS")
    environment.setenv("FASTEPLL_NUM_THREADS", " 3 ")
    assert default_threads() == (3, "environment variable FASTEPLL_NUM_THREADS")
    environment.setattr("fastepll._threads.openmp_limit", lambda: 2)
    assert default_threads() == (2, "limit set on OpenMP in this thread")
    assert resolve_threads(None) == 2
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
    environment.setattr("fastepll._threads.openmp_limit", lambda: None)
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


@pytest.mark.skipif(not HAS_OPENMP, reason="needs a native core with OpenMP")
def test_threadpoolctl(python):
    pytest.importorskip("threadpoolctl")
    code = """
import threadpoolctl
from fastepll._threads import resolve_threads
with threadpoolctl.threadpool_limits(1):
    print(resolve_threads(None), resolve_threads(2))
print(resolve_threads(None))
"""
    process = python(code, FASTEPLL_NUM_THREADS=None, OMP_NUM_THREADS="3")
    assert process.communicate(timeout=60)[0] == "1 2\n3\n"


@pytest.mark.skipif(not HAS_OPENMP, reason="needs a native core with OpenMP")
def test_limit_from_before_the_import(environment):
    environment.setattr("fastepll._core.openmp_max_threads", lambda: 1)
    environment.setattr("fastepll._threads.affinity", lambda: 4)
    environment.setattr("fastepll._threads._OPENMP_DEFAULT", openmp_default())
    assert default_threads() == (1, "limit set on OpenMP in this thread")


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
