"""Other denoisers behind one signature; ``python bench/peers.py`` tries and tunes them.

    python bench/peers.py --images 1      # PSNR and seconds of every peer on bsd68
    python bench/peers.py --tune          # the constants below, on photographs of bsds300/train

``load(n_threads)`` imports the package, limits its threads and gives the call
``(noisy, sigma) -> restored`` for float64 images and sigma in [0, 1]; what it loads stays loaded.
Licences: of the code; the network weights are their authors' (see the data folder).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch_peers
from protocol import Denoise, Image, add_noise, bsd68, data_dir, psnr, read_gray

TUNED_AT = (15, 25, 50)  # sigma on the 0-255 scale; between them the constants are interpolated
TV_WEIGHT = (0.61, 0.71, 0.9)  # times sigma
OPENCV_H = (0.95, 0.9, 0.78)  # times sigma


@dataclass(frozen=True)
class Peer:
    """One denoiser of somebody else's."""

    name: str
    package: str
    licence: str
    load: Callable[[int], Denoise]
    slow: bool = False  # tens of seconds an image
    sigmas: tuple[float, ...] = ()  # the only ones it knows, on the 0-255 scale; all if empty


def load(peers: list[Peer], n_threads: int) -> tuple[dict[str, Denoise], list[str]]:
    """Calls by name, and a note for each peer that cannot be had."""
    calls, notes = {}, []
    for peer in peers:
        try:
            version(peer.package)
            calls[peer.name] = peer.load(n_threads)
        except (ImportError, PackageNotFoundError, FileNotFoundError) as error:
            notes.append(f"{peer.name} left out: {type(error).__name__}: {error}")
    return calls, notes


def scaled(factors: Sequence[float], sigma: float) -> float:
    """Sigma times the factor tuned for it."""
    return float(np.interp(255 * sigma, TUNED_AT, factors)) * sigma


def bm3d(n_threads: int) -> Denoise:
    """Block matching and 3-D filtering, profile "np" of its authors' package."""
    import bm3d
    from bm3d.profiles import BM3DProfile

    profile = BM3DProfile()
    profile.num_threads = n_threads
    return lambda noisy, sigma: bm3d.bm3d(noisy, sigma, profile)


def opencv_nlm(n_threads: int, h: Sequence[float] = OPENCV_H) -> Denoise:
    """Non-local means of OpenCV, which takes 8-bit images."""
    import cv2

    cv2.setNumThreads(n_threads)

    def call(noisy: Image, sigma: float) -> Image:
        pixels = np.clip(np.rint(255 * noisy), 0, 255).astype(np.uint8)
        return cv2.fastNlMeansDenoising(pixels, None, 255 * scaled(h, sigma)) / 255

    return call


def skimage_nlm(n_threads: int) -> Denoise:
    """Fast non-local means of scikit-image (one thread)."""
    from skimage.restoration import denoise_nl_means

    return lambda noisy, sigma: denoise_nl_means(
        noisy, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True
    )


def total_variation(n_threads: int, weight: Sequence[float] = TV_WEIGHT) -> Denoise:
    """Chambolle's algorithm in scikit-image (one thread)."""
    from skimage.restoration import denoise_tv_chambolle

    return lambda noisy, sigma: denoise_tv_chambolle(noisy, weight=scaled(weight, sigma))


def wavelets(n_threads: int, *, shifts: int = 0) -> Denoise:
    """BayesShrink of scikit-image (one thread), averaged over 0 to ``shifts`` per axis."""
    import pywt  # noqa: F401
    from skimage.restoration import cycle_spin, denoise_wavelet

    def call(noisy: Image, sigma: float) -> Image:
        options = {"sigma": sigma, "method": "BayesShrink", "rescale_sigma": True}
        if not shifts:
            return denoise_wavelet(noisy, **options)
        return cycle_spin(noisy, denoise_wavelet, shifts, func_kw=options, workers=1)

    return call


PEERS = [
    Peer("BM3D", "bm3d", "non-commercial", bm3d, slow=True),
    Peer("EPLL, deepinv", "deepinv", "BSD-3-Clause", torch_peers.deepinv, slow=True),
    Peer("FFDNet, torch", "torch", "BSD-3-Clause", torch_peers.ffdnet),
    Peer("DnCNN, torch", "torch", "BSD-3-Clause", torch_peers.dncnn, sigmas=(25,)),
    Peer("NLM, OpenCV", "opencv-python-headless", "Apache-2.0", opencv_nlm),
    Peer("NLM, scikit-image", "scikit-image", "BSD-3-Clause", skimage_nlm),
    Peer("TV, scikit-image", "scikit-image", "BSD-3-Clause", total_variation),
    Peer("wavelets", "scikit-image", "BSD-3-Clause", wavelets),
    Peer("wavelets, 16 shifts", "scikit-image", "BSD-3-Clause", partial(wavelets, shifts=3)),
]


def tune(images: int) -> None:
    """Print the best factor for each noise level, in steps of 5 %, by PSNR of central crops."""
    paths = sorted((data_dir() / "bsds300/train").glob("*.jpg"))[:: 200 // images]
    clean = [read_gray(path)[100:228, 100:228] for path in paths[:images]]
    for name, build in (("TV_WEIGHT", total_variation), ("OPENCV_H", opencv_nlm)):
        best = []
        for sigma in TUNED_AT:
            figures = {}
            for factor in 0.9 * 1.05 ** np.arange(-10, 11):
                call = build(1, (float(factor),) * len(TUNED_AT))
                figures[round(float(factor), 2)] = np.mean(
                    [
                        psnr(call(add_noise(x, sigma, i), sigma / 255), x)
                        for i, x in enumerate(clean)
                    ]
                )
            best.append(max(figures, key=lambda factor, f=figures: f[factor]))
        print(f"{name} = {tuple(best)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tune", action="store_true", help="find the constants instead")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", type=int, help="only the corner of that side")
    parser.add_argument("--only", nargs="+", default=[""], help="peers whose name has one of these")
    args = parser.parse_args()
    if args.tune:
        tune(args.images)
        return
    chosen = [peer for peer in PEERS if any(word in peer.name for word in args.only)]
    calls, notes = load(chosen, args.threads)
    print(*notes, sep="\n")
    images = [x[: args.side, : args.side] for x in bsd68()[: args.images]]
    for sigma in args.sigmas:
        for peer in chosen:
            if peer.name not in calls or (peer.sigmas and sigma not in peer.sigmas):
                continue
            start = time.perf_counter()
            figures = [
                psnr(calls[peer.name](add_noise(x, sigma, i), sigma / 255), x)
                for i, x in enumerate(images)
            ]
            seconds = (time.perf_counter() - start) / len(images)
            print(
                f"{sigma:g}  {peer.name:28}{np.mean(figures):8.3f} dB{seconds:9.3f} s", flush=True
            )


if __name__ == "__main__":
    main()
