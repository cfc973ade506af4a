"""Estimation of the noise level of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from fastepll import _check
from fastepll._check import Model
from fastepll._check_range import check_data_range, check_intensities
from fastepll.color import dct_matrix
from fastepll.models import GaussianMixture
from fastepll.stacks import colours_and_alpha
from fastepll.typing import DataRange, FloatArray

N_CANDIDATES = 20_000  # patches looked at per channel
N_SMOOTH = 1024  # of which the smoothest enter the estimate
LOW = 10 / 7  # frequencies up to this sum, each axis scaled to [0, 1], tell how smooth a patch is
ROWS = 64  # patches a product: so few that BLAS wakes no threads, which would be slower
GRID = np.geomspace(8e-5, 4, 24)  # sigma in units of the data range; 8e-5 is 0.02 grey levels


@overload
def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = ...,
    channel_axis: int | None = ...,
    stack: Literal[False] = ...,
    alpha: bool = ...,
    data_range: DataRange = ...,
) -> float: ...


@overload
def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = ...,
    channel_axis: int | None = ...,
    stack: bool,
    alpha: bool = ...,
    data_range: DataRange = ...,
) -> float | NDArray[np.float64]: ...


def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = "gray-8x8-200",
    channel_axis: int | None = None,
    stack: bool = False,
    alpha: bool = False,
    data_range: DataRange = None,
) -> float | NDArray[np.float64]:
    """Estimate the standard deviation of white Gaussian noise in a photograph.

    Parameters
    ----------
    image, model, channel_axis, stack, alpha, data_range
        As for `fastepll.denoise`.

    Returns
    -------
    float, or array of float for a stack
        In the units of the image; with channels, the root mean square over them. 0.0 when it is
        below 8e-5 of the data range.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`.

    Notes
    -----
    Of the patches at 20000 random positions (seeded: the same image gives the same answer) the 1024
    with the least energy in the low DCT frequencies z_L are kept, and sigma maximises the
    likelihood of their high frequencies z_H under the mixture, given the low ones::

        Σ log p(z_H | z_L; σ) = Σ log p(z; σ) - log p(z_L; σ),   p(z; σ) = Σₖ wₖ N(z; 0, Sₖ + σ²I)

    Conditioning makes the choice of smooth patches free of selection bias, and the mixture
    accounts for the texture that smooth patches still have. Patches with a pixel at the smallest
    or largest value of the image are left out, since noise that was clipped there is missing.
    Noise that is not white (a photograph that was resized, filtered or compressed) or whose level
    varies over the image is outside the model.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> ramp = np.linspace(0.2, 0.8, 128) * np.ones((128, 1))
    >>> sigma = fastepll.estimate_sigma(ramp + 0.1 * rng.standard_normal(ramp.shape))
    >>> 0.095 < sigma < 0.105
    True
    """
    _check.check_flag("stack", stack)
    _check.check_flag("alpha", alpha)
    array = _check.check_image(image, channel_axis, stack=stack, alpha=alpha)
    mixture = _check.check_mixture(model)
    source = _check.channels_last(array, channel_axis)
    source = colours_and_alpha(source)[0] if alpha else source
    _check.check_gray(mixture)
    _check.check_fit(source.shape[-3:], mixture)
    span = check_intensities(source, check_data_range(data_range))
    if not stack:
        return span * relative_sigma(source, mixture, span)
    sigmas = np.empty(source.shape[:-3])
    for i in np.ndindex(sigmas.shape):
        sigmas[i] = span * relative_sigma(source[i], mixture, span)
    return sigmas


def relative_sigma(image: NDArray[Any], model: GaussianMixture, span: float) -> float:
    """Root mean square over the channels (height, width, channels) of sigma / span."""
    spectra = dct_spectra(model)
    variances = [
        channel_sigma(image[..., c], model, spectra, span) ** 2 for c in range(image.shape[-1])
    ]
    return float(np.sqrt(np.mean(variances)))


@dataclass(frozen=True, eq=False)
class Spectra:
    """A mixture in DCT coordinates without the constant one, lowest frequency first."""

    atoms: FloatArray  # (d - 1, d), rows are cosines
    n_low: int
    full: tuple[FloatArray, FloatArray]  # eigenvalues (k, d - 1), eigenvectors of all frequencies
    low: tuple[FloatArray, FloatArray]  # the same of the first n_low alone


@lru_cache(maxsize=4)
def dct_spectra(model: GaussianMixture) -> Spectra:
    """Eigenvalues and eigenvectors of the components over all and over the low frequencies."""
    p, q = model.patch_shape
    frequency = np.add.outer(np.arange(p) / (p - 1), np.arange(q) / (q - 1)).ravel()
    order = np.argsort(frequency, kind="stable")[1:]
    atoms = np.kron(dct_matrix(p), dct_matrix(q))[order]
    n_low = int(np.searchsorted(frequency[order], LOW + 1e-9, side="right"))
    covariances = atoms @ model.covariances @ atoms.T
    full, low = (np.linalg.eigh(covariances[:, :n, :n]) for n in (len(atoms), n_low))
    return Spectra(
        atoms,
        n_low,
        (np.maximum(full[0], 0), full[1].astype(np.float32)),
        (np.maximum(low[0], 0), low[1].astype(np.float32)),
    )


def channel_sigma(
    plane: NDArray[Any], model: GaussianMixture, spectra: Spectra, span: float
) -> float:
    """Sigma / span of one channel."""
    patches = candidates(plane, model.patch_shape)
    unclipped = ~((patches == plane.min()) | (patches == plane.max())).any(axis=1)
    if unclipped.any():
        patches = patches[unclipped]
    z = (patches.astype(np.float64) / span) @ spectra.atoms.T
    roughness = np.square(z[:, : spectra.n_low]).sum(axis=1)
    n = min(N_SMOOTH, max(len(z) // 20, min(len(z), 64)))
    z = z[np.argsort(roughness)[:n]].astype(np.float32)

    def log_likelihood(z: FloatArray, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
        return log_prob(z, model.weights, spectra.full, sigmas) - log_prob(
            z[:, : spectra.n_low], model.weights, spectra.low, sigmas
        )

    best = int(log_likelihood(z[:: max(1, n // 256)], GRID).argmax())
    if best == 0:
        return 0.0
    fine = np.geomspace(GRID[best - 1], GRID[min(best + 1, len(GRID) - 1)], 11)
    values = log_likelihood(z, fine)
    best = int(np.clip(values.argmax(), 1, len(fine) - 2))
    left, top, right = values[best - 1 : best + 2]
    offset = 0.5 * (left - right) / (left - 2 * top + right)  # vertex of the parabola in log sigma
    return float(fine[best] * (fine[1] / fine[0]) ** np.clip(offset, -1, 1))


def candidates(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Patches (n, d) at all positions, or at random ones when there are many."""
    windows = sliding_window_view(plane, shape)
    rows, cols = windows.shape[:2]
    where = np.arange(rows * cols)
    if rows * cols > N_CANDIDATES:
        where = np.unique(np.random.default_rng(0).integers(rows * cols, size=N_CANDIDATES))
    patches: NDArray[Any] = windows[where // cols, where % cols].reshape(len(where), -1)
    return patches


def log_prob(
    z: FloatArray,
    weights: NDArray[np.float64],
    spectrum: tuple[FloatArray, FloatArray],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log-likelihood of all z (n, d) together for each sigma, up to a constant, (len(sigmas),)."""
    total = np.zeros(len(sigmas))
    for rows in chunks(len(z), ROWS):
        joint = np.empty((len(weights), len(z[rows]), len(sigmas)), np.float32)
        for part in chunks(len(weights), 32):
            variances = spectrum[0][part, :, None] + sigmas**2
            energy = np.square(z[rows] @ spectrum[1][part])
            np.matmul(energy, (-0.5 / variances).astype(np.float32), out=joint[part])
            joint[part] += (np.log(weights[part, None]) - 0.5 * np.log(variances).sum(1))[:, None]
        peak = joint.max(axis=0)
        np.exp(joint - peak, out=joint)
        total += (peak + np.log(joint.sum(axis=0))).sum(axis=0, dtype=np.float64)
    return total


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices that cover range(n)."""
    return (slice(start, start + size) for start in range(0, n, size))
