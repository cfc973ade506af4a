"""What models leave behind that were used and let go of: ``python bench/memory.py``.

For each way to come by a model, a process of its own makes one, denoises with it and lets go of it,
200 times. Of what it holds after 5 and after 200 the table has the resident set and what the
backend counts. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from protocol import write_result

import fastepll
from fastepll.backends import why_not
from fastepll.backends.native import backend
from fastepll.priors import GSMMixture
from fastepll.typing import Quality

FIRST = 5  # models after which memory should no longer grow
WAYS = ("mixture", "file", "prior")
SHAPE = (96, 96)


def scaled(i: int) -> fastepll.GaussianMixture:
    """A mixture of 200 components of 8x8 patches that no other equals."""
    model = fastepll.load_model("gray-8x8-200")
    values = model.eigenvalues * (1 + 0.001 * i)
    return fastepll.GaussianMixture(model.weights, model.eigenvectors, values, model.patch_shape)


def scale_mixture(i: int) -> GSMMixture:
    """A prior that makes a mixture of 200 components of its own."""
    rng = np.random.default_rng(i)
    roots = 0.02 * rng.standard_normal((40, 63, 63))
    covariances = roots @ roots.swapaxes(1, 2) + 1e-6 * np.eye(63)
    weights = np.full((40, 5), 1 / 200)
    return GSMMixture(
        (8, 8), weights=weights, scales=4.0 ** np.arange(-2, 3), covariances=covariances
    )


def resident_bytes() -> int:
    """Resident set of this process."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def use_and_discard(way: str, quality: Quality, models: int) -> dict[str, Any]:
    """Bytes held after some models and after all; to be run in a process of its own."""
    noisy = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    held = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(models):
            model: Any = scale_mixture(i) if way == "prior" else scaled(i)
            if way == "file":
                path = os.path.join(folder, f"{i}.npz")
                model.save(path)
                model = fastepll.load_model(path)
            fastepll.denoise(noisy, 0.1, model=model, quality=quality, n_threads=2)
            del model
            held.append((resident_bytes(), backend.nbytes()))
    (first, counted), (last, counted_last) = held[FIRST - 1], held[-1]
    return {
        "way": way,
        "quality": quality,
        "models": models,
        f"resident MB after {FIRST}": round(first / 1e6, 1),
        "resident MB after all": round(last / 1e6, 1),
        "growth MB": round((last - first) / 1e6, 1),
        "highest MB": round(max(bytes_ for bytes_, _ in held) / 1e6, 1),
        "counted MB after all": round(counted_last / 1e6, 1),
        f"counted MB after {FIRST}": round(counted / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--qualities", nargs="+", choices=get_args(Quality), default=["balanced"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(use_and_discard(args.ways[0], args.qualities[0], args.models)))
        return
    if why_not("native"):
        sys.exit("the native core is absent")
    rows = []
    for way in args.ways:
        for quality in args.qualities:
            command = [sys.executable, __file__, "--child", "--models", str(args.models)]
            command += ["--ways", way, "--qualities", quality]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout))
            print(rows[-1], flush=True)
    if args.models >= 200:
        write_result("memory", {"shape": list(SHAPE), "rows": rows})


if __name__ == "__main__":
    main()
