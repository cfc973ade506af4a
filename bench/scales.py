"""What restoring an image in several sizes gains: ``python bench/scales.py``.

PSNR on crops of ``bsds300/train`` by ``n_scales=`` of `fastepll.denoise`, at high noise.
"""

from __future__ import annotations

import argparse

import numpy as np
from protocol import add_noise, data_dir, psnr, read_gray, write_result

import fastepll

SIDE = 240  # of a crop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[25, 50, 75, 100])
    args = parser.parse_args()
    files = sorted((data_dir() / "bsds300" / "train").glob("*.jpg"))
    files = files[:: len(files) // args.crops][: args.crops]
    crops = [read_gray(file)[40 : 40 + SIDE, 40 : 40 + SIDE] for file in files]
    rows = []
    for sigma in args.sigmas:
        noisy = [add_noise(crop, sigma, i).astype(np.float32) for i, crop in enumerate(crops)]
        for quality in ("exact", "balanced"):
            row: dict[str, object] = {"sigma": sigma, "quality": quality}
            for scales in (1, 2, 3):
                denoise = fastepll.Denoiser(sigma=sigma / 255, quality=quality, n_scales=scales)
                values = [psnr(denoise(y), x) for x, y in zip(crops, noisy, strict=True)]
                row[f"scales {scales}"] = round(float(np.mean(values)), 3)
            rows.append(row)
            print(row, flush=True)
    write_result("scales", {"crops": len(crops), "side": SIDE, "rows": rows})


if __name__ == "__main__":
    main()
