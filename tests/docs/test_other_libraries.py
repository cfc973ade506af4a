"""scikit-image's calibration runs on denoise; SciPy's and PyLops' operators go into restore."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import diags_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fastepll
from fastepll.operators import Blur, Mask, check_adjoint, from_linear_operator

from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
SIGMA = 0.1
CLEAN = scene(40, 48)
NOISY = noisy(CLEAN, SIGMA)
COLOUR = np.stack([CLEAN, 1 - CLEAN, CLEAN / 2], -1)


def db(image: np.ndarray, clean: np.ndarray = CLEAN) -> float:
    return -20 * np.log10(rms(image - clean))


@pytest.fixture
def restoration():
    return pytest.importorskip("skimage.restoration")


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (NOISY, {}),
        (NOISY.astype(np.float32), {}),
        (1000 * NOISY, {"data_range": 1000.0}),
        (noisy(COLOUR, SIGMA), {"channel_axis": -1}),
    ],
)
def test_scikit_image_calibrates_sigma(restoration, image, options):
    scale = options.get("data_range", 1.0)
    grid = {"sigma": [scale * s for s in (0.03, 0.06, 0.1, 0.3)], "model": [MODEL]}
    grid |= {name: [value] for name, value in options.items()}
    best, (tried, losses) = restoration.calibrate_denoiser(
        image, fastepll.denoise, grid, extra_output=True
    )
    chosen = tried[int(np.argmin(losses))]
    assert chosen["sigma"] == pytest.approx(SIGMA * scale)
    clean = COLOUR if options.get("channel_axis") else CLEAN
    assert db(best(image) / scale, clean) > db(image / scale, clean) + 6


def test_scikit_image_calibrates_quality_of_integers(restoration):
    image = np.rint(255 * NOISY.clip(0, 1)).astype(np.uint8)
    qualities = ["preview", "fast"]
    grid = {"quality": qualities, "sigma": [SIGMA], "model": [MODEL]}
    best = restoration.calibrate_denoiser(image, fastepll.denoise, grid)
    assert best.keywords["denoiser_kwargs"]["quality"] in qualities
    invariant = restoration.denoise_invariant(
        image, fastepll.denoise, denoiser_kwargs={"sigma": SIGMA, "model": MODEL}
    )
    assert invariant.shape == image.shape
    assert db(invariant) > db(NOISY) + 6  # scikit-image makes floats in [0, 1] of integers


UNKNOWN = np.random.default_rng(0).random(CLEAN.shape) < 0.6


def foreign(name: str) -> LinearOperator:
    known = (~UNKNOWN).astype(float).ravel()
    if name == "pylops":
        pylops = pytest.importorskip("pylops")
        return pylops.Diagonal(known, dtype=np.float64)
    if name == "pylops single":
        pylops = pytest.importorskip("pylops")
        return pylops.Diagonal(known.astype(np.float32), dtype=np.float32)
    if name == "scipy matrix":
        return aslinearoperator(diags_array(known))
    by_known = known.__mul__
    return LinearOperator((CLEAN.size, CLEAN.size), by_known, by_known, dtype=np.float64)


@pytest.mark.parametrize("name", ["scipy", "scipy matrix", "pylops", "pylops single"])
@pytest.mark.parametrize("sigma", [0.0, 0.05])
def test_a_foreign_mask_does_what_ours_does(name, sigma):
    operator = from_linear_operator(foreign(name), CLEAN.shape, CLEAN.shape)
    check_adjoint(operator)
    y = operator.forward(noisy(CLEAN, sigma))
    ours = fastepll.restore(y, Mask(UNKNOWN), sigma, model=MODEL)
    theirs = fastepll.restore(y, operator, sigma, model=MODEL)
    assert db(theirs) > db(operator.guess(y, sigma)) + 0.5
    assert db(theirs) > db(ours) - 1  # they start differently and make other passes


def test_colour_without_colour():
    operator = from_linear_operator(foreign("scipy"), CLEAN.shape, CLEAN.shape)
    gray = operator.forward(CLEAN.astype(np.float32))
    y = np.stack([gray] * 3)
    restored = fastepll.restore(y, operator, 0.0, model=MODEL, channel_axis=0)
    expected = fastepll.restore(gray, operator, 0.0, model=MODEL)
    np.testing.assert_allclose(restored, np.stack([expected] * 3), atol=0.02)
    assert db(restored) > db(operator.guess(gray, 0)) + 0.5


def test_random_measurements_without_noise():
    matrix = np.random.default_rng(1).standard_normal((CLEAN.size // 2, CLEAN.size))
    matrix = (matrix / np.sqrt(len(matrix))).astype(np.float32)
    operator = from_linear_operator(aslinearoperator(matrix), CLEAN.shape)
    y = operator.forward(CLEAN.astype(np.float32))
    restored = fastepll.restore(y, operator, 0.0, model=MODEL)
    assert db(restored) > db(operator.guess(y, 0)) + 5
    assert rms(operator.forward(restored) - y) < 1e-3


def test_pylops_convolution_is_our_blur():
    signalprocessing = pytest.importorskip("pylops.signalprocessing")
    kernel = np.outer([1, 2, 3, 2, 1], [1, 1, 1]) / 27
    convolve = signalprocessing.Convolve2D(CLEAN.shape, kernel, offset=(2, 1), dtype=np.float64)
    operator = from_linear_operator(convolve, CLEAN.shape, CLEAN.shape)
    inner = (slice(2, -2), slice(1, -1))  # it takes what lies beyond the border for 0
    ours = Blur(kernel, CLEAN.shape).forward(CLEAN)[inner]
    np.testing.assert_allclose(operator.forward(CLEAN)[inner], ours, atol=1e-12)
    y = noisy(operator.forward(CLEAN), 0.01)
    restored = fastepll.restore(y, operator, 0.01, model=MODEL)
    assert db(restored) > db(y) + 3
