"""How far the fast backends are from the float64 reference: ``python bench/agreement.py``.

Along the iterations of the fastest backend, every pass is given the same float32 image: it counts
the patches whose component differs from the reference's, those among them that lost more than 1e-3
in score (there must be none), and then compares the restored images of the whole loop.
"""

from __future__ import annotations

import argparse

import numpy as np
from protocol import add_noise, bsd68, write_result

import fastepll
from fastepll.backends import get_backend, reference, why_not
from fastepll.backends.passes import Pass
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.settings import BETAS, EXACT

TIE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1, help="first N images of bsd68")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    model = fastepll.load_model("gray-8x8-200")
    fast = [get_backend(name) for name in ("native", "numba", "torch") if why_not(name) is None]
    rows = []
    for i, clean in enumerate(bsd68()[: args.images]):
        for sigma in args.sigmas:
            noisy = add_noise(clean, sigma, i).astype(np.float32)
            counts = {backend.name: np.zeros(3, int) for backend in fast}
            current = noisy
            for beta in BETAS:
                step = Pass(noise_var=(sigma / 255) ** 2 / beta)
                patches, _ = reference.extract(current.astype(np.float64), model.patch_shape)
                scores = reference.scores(patches, model, step.noise_var)
                best = scores.max(axis=1)
                for backend in fast:
                    chosen = backend.select(current, model, step, n_threads=args.threads)
                    lost = best - scores[np.arange(len(scores)), chosen.ravel()]
                    counts[backend.name] += [lost.size, (lost > 0).sum(), (lost > TIE).sum()]
                average = fast[0].prior_pass(current, model, step, n_threads=args.threads)
                current = (noisy + np.float32(beta) * average) / np.float32(1 + beta)
            exact = denoise_plane(
                noisy.astype(np.float64),
                model,
                sigma / 255,
                EXACT,
                backend=reference.backend,
                n_threads=1,
            )
            for backend in fast:
                restored = denoise_plane(
                    noisy, model, sigma / 255, EXACT, backend=backend, n_threads=args.threads
                )
                difference = np.abs(restored - exact)
                total, other, wrong = (int(n) for n in counts[backend.name])
                rows.append(
                    {
                        "backend": backend.name,
                        "image": i,
                        "sigma": sigma,
                        "patches": total,
                        "other choice": other,
                        "other choice beyond 1e-3": wrong,
                        "max difference": float(difference.max()),
                        "pixels beyond 1e-4": int((difference > 1e-4).sum()),
                    }
                )
                print(rows[-1], flush=True)
    write_result("agreement", {"threads": args.threads, "rows": rows})


if __name__ == "__main__":
    main()
