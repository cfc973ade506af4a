"""An operator of your own, compressed sensing: ``python examples/compressed_sensing.py``.

Half of the cosine coefficients of a photograph are measured: those of periods above 16 pixels, of
which patches of 8 × 8 show too little, and others drawn at random. Writes a picture of what the
measured coefficients show alone | restored | the photograph, ``compressed-sensing.png``. Needs
scipy and scikit-image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

import fastepll
from fastepll.operators import Operator, check_adjoint


class Cosines(Operator):
    """Cosine coefficients of an image at some frequencies.

    Parameters
    ----------
    kept : (height, width) array of bool
        True where a coefficient is measured.
    """

    def __init__(self, kept: NDArray[np.bool_]) -> None:
        super().__init__(kept.shape, (np.count_nonzero(kept),))
        self.kept = kept

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """The measured coefficients, in a row."""
        return dctn(x, norm="ortho")[self.kept]

    def adjoint(self, y: NDArray[np.floating]) -> NDArray[np.floating]:
        """The image that has these coefficients and no others."""
        coefficients = np.zeros(self.in_shape, y.dtype)
        coefficients[self.kept] = y
        return idctn(coefficients, norm="ortho")


def sample(shape: tuple[int, int], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """The lowest of eight frequencies in each axis and others at random, this share of all."""
    rank = np.random.default_rng(seed).random(shape)
    rank[: shape[0] // 8, : shape[1] // 8] = 0
    return rank <= np.quantile(rank, share)


def psnr(image: NDArray[np.floating], clean: NDArray[np.floating]) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(-10 * np.log10(np.mean((np.clip(image, 0, 1) - clean) ** 2)))


def main() -> None:
    """Measure, restore, write the picture."""
    from skimage import data, io, util

    clean = util.img_as_float(data.camera())[128:384, 128:384]
    operator = Cosines(sample(clean.shape, 0.5))
    check_adjoint(operator)
    y = operator.forward(clean)
    alone, restored = operator.adjoint(y), fastepll.restore(y, operator, 0.0)
    print(
        f"coefficients alone {psnr(alone, clean):.2f} dB, restored {psnr(restored, clean):.2f} dB"
    )
    picture = np.clip(np.concatenate([alone, restored, clean], axis=1), 0, 1)
    io.imsave("compressed-sensing.png", util.img_as_ubyte(picture))


if __name__ == "__main__":
    main()
