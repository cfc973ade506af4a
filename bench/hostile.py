"""Random hostile calls of every public function: ``python bench/hostile.py --calls 100000``.

A worker process makes calls drawn from a seed: wrong shapes and kinds, NaN, negative strides,
nothing at all, huge numbers, odd axes, 1 to 64 threads, now and then in a forked child. A call may
return, or raise TypeError or ValueError with a message; everything else is a finding: another
exception, a crash of the worker, or more than the limit of seconds. The count and the findings are
added to ``bench/results/hostile.json``, and the next run goes on with the next seed, after it has
tried those again that had findings. A single seed is made again by ``--seed N``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastepll
from fastepll import operators

RESULT = Path(__file__).parent / "results" / "hostile.json"
BATCH = 200  # calls of one seed
LIMIT = 20  # seconds for a call; the machine may be busy
EXPECTED = (TypeError, ValueError)

Rng = np.random.Generator


def small_model() -> fastepll.GaussianMixture:
    """Two components of 3x3 patches: a call takes milliseconds."""
    centre = np.eye(9) - 1 / 9
    return fastepll.GaussianMixture.from_covariances(
        [0.6, 0.4], [0.01 * centre, 0.2 * centre], (3, 3)
    )


MODEL = small_model()
NUMBERS: list[Any] = [0, 1, -1, 2, 0.1, 0.5, 1e-30, 1e30, -0.0, 255, 1e308, 2**70]
ODD: list[Any] = [None, np.nan, np.inf, -np.inf, True, "1", b"", 1j, [], {}, object(), print]
DTYPES = [
    "f4",
    "f8",
    "f2",
    "u1",
    "u2",
    ">f4",
    ">u2",
    "i1",
    "i4",
    "u8",
    "?",
    "c8",
    "O",
    "U3",
    "M8[s]",
]


def pick(rng: Rng, values: Any) -> Any:
    """One of them; NumPy's own choice would turn them into an array."""
    return values[rng.integers(len(values))]


def number(rng: Rng) -> Any:
    """A number, often a strange one, or no number."""
    if rng.random() < 0.15:
        return pick(rng, ODD)
    if rng.random() < 0.3:
        return float(rng.standard_normal() * 10.0 ** rng.integers(-8, 8))
    return pick(rng, NUMBERS)


def array(rng: Rng) -> Any:
    """An image, more or less."""
    if rng.random() < 0.04:
        return pick(rng, ODD + NUMBERS)
    n_axes = int(rng.choice([0, 1, 2, 2, 2, 2, 3, 3, 4, 5]))
    sides = [0, 1, 2, 3, 4, 7, 8, 16, 33]
    shape = tuple(int(n) for n in rng.choice(sides, n_axes, p=[0.02, *[0.98 / 8] * 8]))
    few = max(0, n_axes - 3)  # images in a stack, so that a call is not long by right
    shape = (*(min(n, 3) for n in shape[:few]), *shape[few:])
    dtype = np.dtype(pick(rng, DTYPES if rng.random() < 0.3 else DTYPES[:7]))
    values = rng.random(shape)
    if dtype.kind in "ui":
        values = values * min(np.iinfo(dtype).max, 2**31)
    result = np.asarray(values).astype("f8" if dtype.kind in "OUM" else dtype)
    if dtype.kind in "OU":
        result = result.astype(dtype)
    if result.dtype.kind == "f" and result.size and rng.random() < 0.2:
        with np.errstate(over="ignore"):
            spoil = pick(rng, [np.nan, np.inf, -np.inf, 1e300, -1e5, 1e-310])
            result.flat[int(rng.integers(result.size))] = spoil
    kind = rng.integers(8)
    if kind == 0:
        result = result[tuple([slice(None, None, -1)] * result.ndim)]
    elif kind == 1:
        result = result.T
    elif kind == 2:
        result = np.lib.stride_tricks.as_strided(result, result.shape, [0] * result.ndim)
    elif kind == 3:
        result.flags.writeable = False
    elif kind == 4 and rng.random() < 0.3:
        result = np.ma.masked_array(result, rng.random(result.shape) < 0.2)
    elif kind == 5 and rng.random() < 0.3:
        return result.tolist()
    return result


def options(rng: Rng, *names: str) -> dict[str, Any]:
    """Some of the named options, and now and then one that does not exist."""
    values: dict[str, Callable[[], Any]] = {
        "channel_axis": lambda: pick(rng, [None, None, -1, 0, 1, 2, -3, 3, -9, 2**40, 1.0, "0"]),
        "stack": lambda: pick(rng, [False, True, True, 1, None]),
        "spatial_axes": lambda: pick(rng, [2, 3, 3, 3, 1, 4, 3.0, "3", None, True]),
        "alpha": lambda: pick(rng, [False, True, 0]),
        "data_range": lambda: number(rng),
        "n_threads": lambda: pick(rng, [1, 1, 2, 3, 7, 16, 64, 0, -1, 1025, 2.0, None, "2"]),
        "quality": lambda: pick(
            rng, ["fast", "preview", "exact", "learned", "balanced", "high", "", None, 3]
        ),
        "betas": lambda: pick(rng, [None, [1], [1, 4], [], [0], [np.nan], 3, [1e9], "1"]),
        "n_scales": lambda: pick(rng, [None, 1, 2, 9, 0, -1, 1.5]),
        "backend": lambda: pick(rng, [None, "native", "native", "reference", "cuda", 1]),
        "model": lambda: pick(rng, ["gray", 3, None, MODEL]),
        "boundary": lambda: pick(rng, ["valid", "reflect", "periodic", "zero", None]),
        "sigma": lambda: number(rng),
        "peak": lambda: number(rng),
    }
    given: dict[str, Any] = {"model": MODEL, "quality": "preview"}
    given = {name: value for name, value in given.items() if name in names}
    for name in names:
        if rng.random() < 0.25 and (name != "model" or rng.random() < 0.2):
            given[name] = values[name]()
    if rng.random() < 0.01:
        given["nonsense"] = 1
    return given


def sigma(rng: Rng) -> Any:
    """Most often a sound noise level; else a map, or anything."""
    draw = rng.random()
    return 0.1 if draw < 0.5 else number(rng) if draw < 0.85 else array(rng)


def operator(rng: Rng) -> Any:
    """An operator of some shape, or none at all."""
    shape = tuple(int(n) for n in rng.choice([0, 1, 3, 4, 8, 16], 2))
    kind = rng.integers(6)
    if kind == 0:
        return operators.Mask(array(rng))
    if kind == 1:
        return operators.Diagonal(array(rng))
    if kind == 2:
        return operators.Blur(array(rng), shape, pick(rng, ["valid", "reflect", "periodic", 3]))
    if kind == 3:
        return operators.Downsample(array(rng), shape, pick(rng, [2, 3, 4, 5, 0, None]))
    return operators.Identity(shape) if kind == 4 else pick(rng, ODD)


COMMON = ("model", "quality", "channel_axis", "stack", "data_range", "n_threads", "backend")
CALLS: dict[str, Callable[[Rng], Any]] = {
    "denoise": lambda r: fastepll.denoise(
        array(r), sigma(r), **options(r, *COMMON, "alpha", "spatial_axes", "betas", "n_scales")
    ),
    "adapt": lambda r: fastepll.adapt(
        MODEL,
        array(r),
        sigma(r),
        **options(r, "channel_axis", "stack", "spatial_axes", "data_range", "n_threads"),
    ),
    "Denoiser": lambda r: fastepll.Denoiser(
        sigma=sigma(r), **options(r, *COMMON, "alpha", "spatial_axes", "betas", "n_scales")
    )(array(r)),
    "deblur": lambda r: fastepll.deblur(
        array(r), array(r), sigma(r), **options(r, *COMMON, "alpha", "boundary")
    ),
    "inpaint": lambda r: fastepll.inpaint(*masked(r), sigma(r), **options(r, *COMMON, "alpha")),
    "super_resolve": lambda r: fastepll.super_resolve(
        array(r), pick(r, [2, 2, 3, 4, 5, 0, None]), sigma(r), **options(r, *COMMON, "boundary")
    ),
    "restore": lambda r: fastepll.restore(
        array(r), operator(r), sigma(r), **options(r, *COMMON, "alpha", "betas")
    ),
    "denoise_poisson": lambda r: fastepll.denoise_poisson(
        array(r),
        number(r),
        number(r),
        number(r),
        **options(r, "model", "quality", "peak", "stack", "spatial_axes"),
    ),
    "estimate_sigma": lambda r: fastepll.estimate_sigma(
        array(r), **options(r, "model", "channel_axis", "stack", "spatial_axes", "data_range")
    ),
    "expected_patch_log_likelihood": lambda r: fastepll.expected_patch_log_likelihood(
        array(r), **options(r, "model", "sigma", "channel_axis", "data_range", "n_threads")
    ),
    "objective": lambda r: fastepll.objective(
        array(r), array(r), operator(r), number(r), **options(r, "model", "channel_axis")
    ),
    "GaussianMixture": lambda r: fastepll.GaussianMixture(
        array(r), array(r), array(r), pick(r, [None, (3, 3), (1, 2), (0, 4), 3, (2, 2, 1)])
    ),
    "from_covariances": lambda r: fastepll.GaussianMixture.from_covariances(
        array(r), array(r), pick(r, [None, (3, 3), (1, 4), (0, 4), 3, (2, 2, 1)])
    ),
    "map_estimate": lambda r: MODEL.map_estimate(array(r), number(r)),
    "log_prob": lambda r: MODEL.log_prob(array(r), number(r)),
    "sample": lambda r: MODEL.sample(
        pick(r, [0, 1, 5, -1, 1.5, None, "3"]), pick(r, [0, -1, None])
    ),
    "Settings": lambda r: fastepll.Settings(
        noise=pick(r, [[1], [], [np.nan], 3, array(r)]),
        blend=pick(r, [[0.5], [2], array(r)]),
        stride=number(r),
        coarse=number(r),
    ),
    "load_model": lambda r: fastepll.load_model(pick(r, ["gray-8x8-200", "x", 3, None, b"a", ""])),
}


def masked(rng: Rng) -> tuple[Any, Any]:
    """An image, and often a mask that fits it."""
    image = array(rng)
    if rng.random() < 0.3 or not isinstance(image, np.ndarray):
        return image, array(rng)
    return image, rng.random(image.shape) < pick(rng, [0.0, 0.3, 0.9, 1.1])


def run_call(seed: int, i: int) -> str | None:
    """Make call i of a seed; what is wrong with what it did, if anything."""
    rng = np.random.default_rng([seed, i])
    name = pick(rng, sorted(CALLS))
    try:
        CALLS[name](rng)
    except EXPECTED as error:
        return None if str(error) else f"{name}: {type(error).__name__} without a message"
    except BaseException as error:
        return f"{name}: {type(error).__name__}: {error}"[:300]
    return None


def forked(seed: int, i: int) -> str | None:
    """The same in a child of a fork, after its parent has used threads."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        os._exit(0 if run_call(seed, i) is None else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if status == 0 else f"in a forked child: exit status {status}"


def work(seed: int, first: int) -> None:
    """Worker: the calls of a seed from the first on, a line of JSON for each that is a finding."""
    warnings.simplefilter("ignore")
    for i in range(first, BATCH):
        print(json.dumps({"begins": i}), flush=True)
        run = forked if hasattr(os, "fork") and i % 50 == 49 else run_call
        if finding := run(seed, i):
            print(json.dumps({"call": i, "finding": finding}), flush=True)
    print(json.dumps({"begins": BATCH}), flush=True)


def batch(seed: int) -> list[dict[str, Any]]:
    """All calls of a seed, in as many workers as crash; the findings."""
    findings, first = [], 0
    while first < BATCH:
        command = [sys.executable, __file__, "--work", str(seed), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            reached, ended = first, watch(worker)
            for line in ended["lines"]:
                row = json.loads(line)
                reached = row.get("begins", reached)
                if "finding" in row:
                    findings.append({"seed": seed, **row})
        if reached < BATCH:
            findings.append({"seed": seed, "call": reached, "finding": ended["why"]})
        first = reached + 1
    return findings


def watch(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """Lines of a worker, which is ended when a call takes too long, and why it ended."""
    import selectors

    lines, rest = [], ""
    assert worker.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while selector.select(timeout=LIMIT + 10):
            data = os.read(worker.stdout.fileno(), 1 << 16).decode()
            if not data:
                return {"lines": lines, "why": f"crash: exit status {worker.wait()}"}
            *whole, rest = (rest + data).split("\n")
            lines += whole
    worker.kill()
    return {"lines": lines, "why": f"hang: more than {LIMIT} s"}


def main() -> None:
    """Go on with the seeds that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, help="make the calls of this seed, and print findings")
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work is not None:
        work(*args.work)
        return
    if args.seed is not None:
        print(*batch(args.seed), sep="\n")
        return
    begin = time.monotonic()
    state = {"calls": 0, "seeds": 0, "calls per seed": BATCH, "findings": []}
    if RESULT.exists():
        state = json.loads(RESULT.read_text())
        seeds = sorted({finding["seed"] for finding in state["findings"]})
        state["findings"] = [finding for seed in seeds for finding in batch(seed)]
    aim = state["calls"] + args.calls
    while state["calls"] < aim and time.monotonic() < begin + 60 * args.minutes:
        findings = batch(state["seeds"])
        state["findings"] += findings
        state["seeds"] += 1
        state["calls"] += BATCH
        RESULT.write_text(json.dumps(state, indent=1) + "\n")
        if findings:
            print(*findings, sep="\n", flush=True)
    print(f"{state['calls']} calls, {len(state['findings'])} findings")


if __name__ == "__main__":
    main()
