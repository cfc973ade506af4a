"""PSNR and SSIM against time, of every quality level and every peer, in one interleaved run.

    python bench/pareto.py                             # 12 images of bsd68
    python bench/pareto.py --images 68                 # all, going on from there
    python bench/pareto.py --images 1 --side 64 --sigmas 25 --threads 1    # a try, writes nothing

Each thread count has a process of its own, confined to as many processors. For an image all methods
run in turn; those that take less than half a second run in turn three more times, and the median
of these counts. Every method has restored a corner with the same sigma before it is timed. The slow
peers see the first ``--slow`` images only; what they are compared with is taken from these images.

Finished images are kept in ``results/pareto.partial.json``, from which an interrupted or a longer
run goes on, until the package, the settings or a peer's version change, or with ``--fresh``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

from peers import PEERS, load
from protocol import RESULTS, Denoise, Image, add_noise, bsd68, psnr, ssim, write_result

import fastepll
from fastepll.typing import Quality

PARTIAL = RESULTS / "pareto.partial.json"
QUALITIES: tuple[Quality, ...] = get_args(Quality)
REFERENCE, OURS = "exact", "balanced"
PLAIN = "balanced, plain call"
REPEATS, QUICK = 3, 0.5  # seconds
PAUSE = 0.03  # seconds between two calls, for threads that spin after their work
Row = dict[str, list[float]]  # method -> psnr, ssim, seconds
Rows = dict[str, Row]  # by "threads/sigma/image"


def ours(quality: Quality, n_threads: int) -> Denoise:
    """One quality level of this package."""
    return lambda noisy, sigma: fastepll.denoise(noisy, sigma, quality=quality, n_threads=n_threads)


def plain(n_threads: int) -> Denoise:
    """The same without sigma, which the call then estimates; all else is the default."""
    return lambda noisy, _: fastepll.denoise(noisy, n_threads=n_threads)


def package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


@cache
def identity() -> dict[str, Any]:
    """What the figures depend on besides the arguments: a change makes kept rows worthless."""
    package = Path(fastepll.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".so", ".pyd", ".json", ".npz"}:
            digest.update(path.read_bytes())
    return {
        "fastepll": digest.hexdigest(),
        "isa": fastepll.show_config("dict")["simd"]["in use"],
        "peers": {peer.name: package_version(peer.package) for peer in PEERS},
    }


def kept() -> Rows:
    """Rows of earlier runs of the same code."""
    if not PARTIAL.exists():
        return {}
    stored = json.loads(PARTIAL.read_text())
    rows: Rows = stored["rows"] if stored["identity"] == identity() else {}
    return rows


def keep(rows: Rows) -> None:
    beside = PARTIAL.with_suffix(".new")
    beside.write_text(json.dumps({"identity": identity(), "rows": rows}))
    beside.replace(PARTIAL)


def timed(call: Denoise, noisy: Image, sigma: float) -> tuple[Image, float]:
    """What the call gives, and its seconds."""
    time.sleep(PAUSE)
    start = time.perf_counter()
    restored = call(noisy, sigma / 255)
    return restored, time.perf_counter() - start


def in_turn(calls: dict[str, Denoise], clean: Image, sigma: float, index: int) -> Row:
    """PSNR, SSIM and seconds of each method on one image."""
    noisy, row = add_noise(clean, sigma, index), {}
    for name, call in calls.items():
        restored, seconds = timed(call, noisy, sigma)
        row[name] = [psnr(restored, clean), ssim(restored, clean), seconds]
    quick = [name for name in calls if row[name][2] < QUICK]
    rounds = [[timed(calls[name], noisy, sigma)[1] for name in quick] for _ in range(REPEATS)]
    for name, times in zip(quick, zip(*rounds, strict=True), strict=True):
        row[name][2] = statistics.median(times)
    return row


def measure(args: argparse.Namespace, n_threads: int) -> None:
    """Fill in the rows of one thread count; to be run in a process of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])
    rows = {} if args.side else kept()
    calls, notes = load(PEERS, n_threads)
    print(*notes, sep="\n")
    own = {quality: ours(quality, n_threads) for quality in QUALITIES}
    calls = own | {PLAIN: plain(n_threads)} | calls
    slow = {peer.name for peer in PEERS if peer.slow}
    images = [image[: args.side, : args.side] for image in bsd68()[: args.images]]
    for sigma in args.sigmas:
        deaf = {peer.name for peer in PEERS if peer.sigmas and sigma not in peer.sigmas}
        warm: set[str] = set()
        for i, clean in enumerate(images):
            key = f"{n_threads}/{sigma:g}/{i}"
            absent = deaf | (slow if i >= args.slow else set())
            due = {name: call for name, call in calls.items() if name not in absent}
            if rows.get(key, {}).keys() >= due.keys():
                continue
            for name in due.keys() - warm:
                due[name](add_noise(clean, sigma, i)[:64, :64].copy(), sigma / 255)
            warm |= due.keys()
            rows[key] = in_turn(due, clean, sigma, i)
            if not args.side:
                keep(rows)
            shown = "  ".join(f"{n} {r[0]:.2f} dB {r[2]:.4f} s" for n, r in rows[key].items())
            print(f"{n_threads} threads, sigma {sigma:g}, image {i}: {shown}", flush=True)


def summary(rows: Rows) -> list[dict[str, Any]]:
    """One row for each thread count, sigma and method; comparisons over the same images."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for key, row in rows.items():
        threads, sigma, _ = key.split("/")
        groups.setdefault((threads, sigma), []).append(row)
    result = []
    for (threads, sigma), group in groups.items():
        names = dict.fromkeys(name for row in group for name in row)
        for name in names:
            seen = [row for row in group if name in row]
            line: dict[str, Any] = {
                "threads": int(threads),
                "sigma": float(sigma),
                "method": name,
                "images": len(seen),
                "psnr": round(statistics.mean(row[name][0] for row in seen), 3),
                "ssim": round(statistics.mean(row[name][1] for row in seen), 4),
                "seconds": float(f"{statistics.median(row[name][2] for row in seen):.4g}"),
            }
            for other in (REFERENCE, OURS):
                both = [row for row in seen if other in row]
                if both:
                    mean = statistics.mean(row[other][0] for row in both)
                    ratio = statistics.median(row[name][2] / row[other][2] for row in both)
                    line[f"psnr of {other}"] = round(mean, 3)
                    line[f"time / {other}"] = float(f"{ratio:.4g}")
            result.append(line)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--slow", type=int, default=3, help="images for the slow peers")
    parser.add_argument("--side", type=int, help="only that corner of the images, to try things")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs measured")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args, args.threads[0])
        return
    if args.fresh and not args.side:
        PARTIAL.unlink(missing_ok=True)
    options = ["--images", args.images, "--slow", args.slow, "--sigmas", *args.sigmas]
    options += ["--side", args.side] if args.side else []
    for n_threads in args.threads:
        limits = {f"{name}_NUM_THREADS": str(n_threads) for name in ("OMP", "MKL", "OPENBLAS")}
        command = [sys.executable, __file__, "--child", "--threads", n_threads, *options]
        subprocess.run([str(word) for word in command], env=os.environ | limits, check=True)
    if args.side:
        return
    rows = summary(kept())
    peers = [
        {"name": p.name, "package": p.package, "version": identity()["peers"][p.name],
         "licence": p.licence, "measured": any(row["method"] == p.name for row in rows)}
        for p in PEERS
    ]  # fmt: skip
    write_result("pareto", {"model": "gray-8x8-200", "peers": peers, "rows": rows})


if __name__ == "__main__":
    main()
