"""Transforms of large grids: SciPy's on any number of threads gives what NumPy's gives."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur, Downsample, _fourier

from ..scenes import smooth_mixture

pytest.importorskip("scipy.fft")

SHAPES = [(256, 256), (257, 311), (300, 405), (512, 600)]
KERNEL = np.outer([0.1, 0.3, 0.4, 0.2], [0.2, 0.5, 0.3])
OPERATORS = {
    "periodic": lambda shape: Blur(KERNEL, shape),
    "valid": lambda shape: Blur(KERNEL, shape, "valid"),
    "reflect": lambda shape: Blur(KERNEL, shape, "reflect"),
    "decimated": lambda shape: Downsample(KERNEL, [4 * (n // 2) for n in shape], 2),
}


@pytest.fixture(autouse=True)
def small_grids_are_large(monkeypatch):
    monkeypatch.setattr(_fourier, "LARGE", 2**16)


def answers(operator, dtype, n_threads=1):
    """What it makes of random planes: forward, adjoint, a system solved."""
    rng = np.random.default_rng(0)
    x = rng.random(operator.in_shape).astype(dtype)
    y = rng.random(operator.out_shape).astype(dtype)
    with _fourier.transforms_on(n_threads):
        return operator.forward(x), operator.adjoint(y), operator.solve(x, 0.01)


@pytest.fixture
def without_scipy(monkeypatch):
    """A call that computes what it is given with NumPy's transforms alone."""

    def call(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(_fourier, "scipy_fft", lambda: None)
            return function(*arguments)

    return call


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_numpy_and_scipy_agree(shape, kind, dtype, without_scipy):
    operator = OPERATORS[kind](shape)
    wanted = without_scipy(answers, operator, dtype)
    found = answers(operator, dtype)
    rounding = 10 * np.finfo(dtype).eps
    solved = 1e-3 if dtype is np.float32 else 1e-8  # to which conjugate gradients go
    for a, b, tolerance in zip(found, wanted, (rounding, rounding, solved), strict=True):
        assert a.dtype == b.dtype == dtype
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_are_bit_identical_for_any_number_of_threads(shape, dtype, n_threads):
    x = np.random.default_rng(1).random(shape).astype(dtype)

    def both():
        spectrum = _fourier.half_spectrum(x)
        return spectrum.copy(), _fourier.from_half_spectrum(spectrum, shape)

    with _fourier.transforms_on(1):
        wanted = both()
    with _fourier.transforms_on(n_threads):
        found = both()
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def used(monkeypatch):
    """The numbers of threads of SciPy's forward transforms, as they are made."""
    fft, numbers = _fourier.scipy_fft(), []

    class Told:
        irfft2 = fft.irfft2

        @staticmethod
        def rfft2(x, *, workers, **options):
            numbers.append(workers)
            return fft.rfft2(x, workers=workers, **options)

    monkeypatch.setattr(_fourier, "scipy_fft", lambda: Told)
    return numbers


def test_threads_reach_the_transforms(used):
    x = np.zeros((256, 256))
    _fourier.half_spectrum(x)
    with _fourier.transforms_on(3):
        _fourier.half_spectrum(x)
    _fourier.half_spectrum(x)
    _fourier.half_spectrum(x[:, 1:])  # too small
    assert used == [1, 3, 1]


def test_scipy_is_imported_when_a_large_grid_wants_it(python):
    process = python(
        "import sys, numpy as np\n"
        "from fastepll.operators import Blur\n"
        "for n in (724, 725):\n"
        "    Blur([[0.5, 0.5]], (n, n)).forward(np.zeros((n, n), np.float32))\n"
        "    print('scipy.fft' in sys.modules)\n"
    )
    assert process.communicate(timeout=60)[0].split() == ["False", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_transforms_after_a_fork(python):
    process = python(
        "import os, warnings, numpy as np\n"
        "warnings.simplefilter('ignore')  # of forks beside threads\n"
        "from fastepll.operators import Blur, _fourier\n"
        "blur, x = Blur([[0.5, 0.5]], (800, 800)), np.ones((800, 800))\n"
        "with _fourier.transforms_on(3):\n"
        "    before = blur.forward(x)\n"
        "    child = os.fork()\n"
        "    same = (blur.forward(x) == before).all()\n"
        "if not child:\n"
        "    os._exit(0 if same else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), same)\n"
    )
    assert process.communicate(timeout=60)[0].split() == ["0", "True"]


@pytest.mark.parametrize("kind", ["valid", "decimated"])
def test_restoration_is_bit_identical_for_any_number_of_threads(kind, used):
    operator = OPERATORS[kind]((260, 270))
    y = np.random.default_rng(0).random(operator.out_shape).astype(np.float32)
    results = []
    for n in (1, 2, 7):
        used.clear()
        options = {"model": smooth_mixture(), "quality": "fast", "n_threads": n}
        results.append(fastepll.restore(y, operator, 0.05, **options))
        assert set(used) - {1} == {n} - {1}
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
