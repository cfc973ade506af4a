"""Exact EPLL on colour crops of the photographs a prior was not trained on: ``bench/held_out.py``.

The photographs are those that the metadata of the first model name. A gray prior restores the
opponent planes, a prior of red, green and blue all channels together. Beside the PSNR, the mean
squared errors of the luminance and of the two chroma planes of the orthonormal opponent transform,
in 255².

    python bench/held_out.py --models gray-8x8-200 rgb-8x8-200
"""

from __future__ import annotations

import argparse

import numpy as np
from protocol import add_noise, data_dir, psnr, write_result

import fastepll
from fastepll.images.channels import dct_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["gray-8x8-200", "rgb-8x8-200"])
    parser.add_argument("--side", type=int, default=128, help="of the square crop")
    parser.add_argument("--quality", default="exact")
    args = parser.parse_args()
    from PIL import Image

    crops = []
    for name in fastepll.load_model(args.models[0]).metadata["held_out_images"]:
        pixels = np.asarray(Image.open(data_dir() / "bsds300/train" / name), np.float64) / 255
        top, left = (np.array(pixels.shape[:2]) - args.side) // 2
        crops.append(pixels[top : top + args.side, left : left + args.side])
    rows = []
    for model in args.models:
        for sigma in (15, 25, 50):
            values, errors = [], []
            denoise = fastepll.Denoiser(
                sigma / 255, model=model, quality=args.quality, channel_axis=-1
            )
            for i, crop in enumerate(crops):
                restored = denoise(add_noise(crop, sigma, i))
                values.append(psnr(restored, crop))
                planes = 255 * (restored - crop) @ dct_matrix(3).T
                errors.append(np.mean(planes**2, axis=(0, 1)))
            luminance, *chroma = np.mean(errors, axis=0)
            rows.append(
                {
                    "model": model,
                    "sigma": sigma,
                    "psnr": round(float(np.mean(values)), 3),
                    "luminance mse": round(float(luminance), 2),
                    "chroma mse": round(float(np.sum(chroma)), 2),
                }
            )
            print(rows[-1], [round(v, 2) for v in values], flush=True)
    write_result("held_out", {"quality": args.quality, "side": args.side, "rows": rows})


if __name__ == "__main__":
    main()
