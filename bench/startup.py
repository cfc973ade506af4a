"""What a process pays before its calls are fast: ``python bench/startup.py``.

On a photograph of bsd68 with noise: import, the first call, the first call with another sigma,
later calls, and the plain call, which has to estimate sigma; each figure is the median over fresh
processes, and those of all quality levels are taken in turn. "extra" is what a call takes longer
than the median of the later ones. Calls with and without sigma take turns, for their ratio. At
"balanced" the plain call is ``denoise(image)``, all else being the default.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from typing import get_args

import numpy as np
from protocol import add_noise, bsd68, write_result

from fastepll.typing import Quality

CHILD = """
import json, statistics, time
import numpy as np

image = np.load({path!r})

def call(*sigma):
    start = time.perf_counter()
    fastepll.denoise(image, *sigma{options})
    return time.perf_counter() - start

start = time.perf_counter()
import fastepll
imported = time.perf_counter() - start
first, later, new, again = call(25 / 255), [call(25 / 255) for _ in range(3)], call(.1), call(.1)
unknown = call()
turns = [(call(), call(25 / 255)) for _ in range({turns})]
plain = statistics.median(turn[0] for turn in turns)
ratio = statistics.median(turn[0] / turn[1] for turn in turns)
print(json.dumps([imported, first, statistics.median(later), new, again, unknown, plain, ratio]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--turns", type=int, default=5, help="plain calls in a process")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--qualities", nargs="+", default=get_args(Quality))
    args = parser.parse_args()
    cases = [(quality, threads) for quality in args.qualities for threads in args.threads]
    found: dict[tuple[str, int], list[list[float]]] = {case: [] for case in cases}
    noisy = add_noise(bsd68()[3], 25, 3).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "noisy.npy")
        np.save(path, noisy)
        for _ in range(args.repeats):
            for quality, threads in cases:
                options = "" if quality == "balanced" else f", quality={quality!r}"
                code = CHILD.format(path=path, options=options, turns=args.turns)
                done = subprocess.run(
                    [sys.executable, "-c", code],
                    env=os.environ | {"FASTEPLL_NUM_THREADS": str(threads)},
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                found[quality, threads].append(json.loads(done.stdout))
    rows = []
    for (quality, threads), runs in found.items():
        rows.append(
            {
                "quality": quality,
                "threads": threads,
                "first call ms": milliseconds(run[1] for run in runs),
                "first call, extra ms": milliseconds(run[1] - run[2] for run in runs),
                "new sigma, extra ms": milliseconds(run[3] - run[4] for run in runs),
                "later calls ms": milliseconds(run[2] for run in runs),
                "first plain call ms": milliseconds(run[5] for run in runs),
                "plain call ms": milliseconds(run[6] for run in runs),
                "plain call / with sigma": round(statistics.median(run[7] for run in runs), 3),
            }
        )
        print(rows[-1])
    imports = milliseconds(run[0] for runs in found.values() for run in runs)
    print(f"import: {imports} ms")
    figures = {
        "shape": list(noisy.shape),
        "processes": args.repeats,
        "import ms": imports,
        "rows": rows,
    }
    if args.repeats >= 15:
        write_result("startup", figures)


def milliseconds(seconds: Iterable[float]) -> float:
    """Median in ms, to 10 microseconds."""
    return round(1e3 * statistics.median(seconds), 2)


if __name__ == "__main__":
    main()
