"""How a call is cut for many threads, by counting: ``python bench/pieces.py``.

For 1 to 64 threads, on any machine: loops over the threads in a call of `fastepll.denoise` (each
ends with one wait for the last piece), and the pieces of work in them. With P pieces of equal cost
in a loop, T threads are at most P / ceil(P / T) times as fast as one: "limit" is that for the whole
call, its loops taken alike. Results are compared too: they are the same for every number.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, get_args

import numpy as np
from protocol import add_noise, bsd68, write_result

import fastepll
from fastepll import _core
from fastepll.typing import Quality

THREADS = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qualities", nargs="+", default=get_args(Quality))
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args()
    photo = add_noise(bsd68()[3], 25, 3).astype(np.float32)
    large = np.tile(np.hstack([photo, photo[:, ::-1]]), (6, 3))
    rows: list[dict[str, Any]] = []
    for quality in args.qualities:
        for image in (photo, large):
            if quality in ("exact", "high") and image is large:
                continue
            expected = fastepll.denoise(image, 25 / 255, quality=quality)  # makes the tables
            for n_threads in THREADS:
                before = _core.thread_counts()
                result = fastepll.denoise(image, 25 / 255, quality=quality, n_threads=n_threads)
                after = _core.thread_counts()
                assert np.array_equal(result, expected)
                loops, pieces = (after[name] - before[name] for name in ("loops", "pieces"))
                each = pieces / max(loops, 1)
                rows.append(
                    {
                        "quality": quality,
                        "shape": list(image.shape),
                        "threads": n_threads,
                        "loops": loops,
                        "pieces": pieces,
                        "limit": round(each / math.ceil(each / n_threads), 1),
                    }
                )
                print(rows[-1])
    if not args.no_write:
        write_result("pieces", {"rows": rows})


if __name__ == "__main__":
    main()
