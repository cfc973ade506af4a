"""What rounding an estimated sigma costs: ``python bench/snapping.py``.

`fastepll.denoise` with sigma half a step of `fastepll.noise.STEP` too small and too large, the most
that rounding does, beside sigma itself: mean change of PSNR over images of bsd68, and the worst.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from protocol import add_noise, bsd68, psnr, write_result

import fastepll
from fastepll.noise.estimate import STEP

SIGMAS = (5, 10, 15, 25, 50, 75)
OFFSETS = {"too small": 1 / math.sqrt(STEP), "too large": math.sqrt(STEP)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=68, help="only the first N images")
    args = parser.parse_args()
    rows = []
    for sigma in SIGMAS:
        changes: dict[str, list[float]] = {name: [] for name in OFFSETS}
        for i, clean in enumerate(bsd68()[: args.images]):
            noisy = add_noise(clean, sigma, i)
            right = psnr(fastepll.denoise(noisy, sigma / 255), clean)
            for name, factor in OFFSETS.items():
                wrong = fastepll.denoise(noisy, factor * sigma / 255)
                changes[name].append(psnr(wrong, clean) - right)
        row = {"sigma": sigma}
        row |= {f"{name} dB": round(float(np.mean(dB)), 4) for name, dB in changes.items()}
        row["mean of both dB"] = round(float(np.mean(list(changes.values()))), 4)
        row["worst image dB"] = round(float(np.min(list(changes.values()))), 4)
        rows.append(row)
        print(row)
    if args.images == 68:
        write_result("snapping", {"step": STEP, "rows": rows})


if __name__ == "__main__":
    main()
