"""How colour planes are best shown to the gray prior: ``python bench/color.py``.

On crops of photographs of ``bsds300/train``: PSNR by the factor with which the luminance and the
two chroma planes of the orthonormal opponent transform are multiplied before the prior sees them
(and divided afterwards), beside restoring R, G and B one by one.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from protocol import data_dir, write_result

import fastepll
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.images.channels import dct_matrix
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import EXACT

LUMINANCE = (0.4, 3**-0.5, 0.75, 1.0)
CHROMA = (0.35, 3**-0.5, 1.0, 2.0, 4.0, 8.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--side", type=int, default=128, help="of the square crop")
    parser.add_argument("--model", default="gray-8x8-200")
    args = parser.parse_args()
    from PIL import Image

    paths = sorted((data_dir() / "bsds300/train").glob("*.jpg"))
    paths = paths[:: len(paths) // args.images][: args.images]
    model, backend, threads = fastepll.load_model(args.model), get_backend(), resolve_threads(None)
    basis, rows = dct_matrix(3), []
    for sigma in (15, 25, 50):
        errors: dict[str, list[float]] = {}
        for i, path in enumerate(paths):
            pixels = np.asarray(Image.open(path), np.float64) / 255
            top, left = (np.array(pixels.shape[:2]) - args.side) // 2
            clean = pixels[top : top + args.side, left : left + args.side]
            noise = np.random.default_rng(i).standard_normal(clean.shape)
            noisy = clean + sigma / 255 * noise

            def error(weights: Any, scale: float, clean: Any = clean, noisy: Any = noisy) -> float:
                shown = (scale * noisy @ weights).astype(backend.dtype)
                level = scale * sigma / 255  # noqa: B023
                restored = denoise_plane(
                    shown, model, level, EXACT, backend=backend, n_threads=threads
                )
                return float(np.mean((restored / scale - clean @ weights) ** 2))

            apart = np.mean([error(channel, 1.0) for channel in np.eye(3)])
            errors.setdefault("R, G, B", []).append(float(apart))
            for scale in LUMINANCE:
                errors.setdefault(f"luminance {scale:.3f}", []).append(error(basis[0], scale))
            for scale in CHROMA:
                chroma = np.mean([error(weights, scale) for weights in basis[1:]])
                errors.setdefault(f"chroma {scale:.3f}", []).append(float(chroma))
        luminance = np.array(errors[f"luminance {3**-0.5:.3f}"])
        for name, values in errors.items():
            row = {"sigma": sigma, "planes": name, "psnr": decibel(values)}
            if name.startswith("chroma"):
                row["psnr of the image"] = decibel((luminance + 2 * np.array(values)) / 3)
            rows.append(row)
            print(row, flush=True)
    write_result("color", {"model": args.model, "images": len(paths), "rows": rows})


def decibel(errors: object) -> float:
    """Mean PSNR from mean squared errors."""
    return round(float(np.mean(-10 * np.log10(np.asarray(errors, np.float64)))), 3)


if __name__ == "__main__":
    main()
