"""A noise level for each pixel: denoise, and the data term of restore."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.backends import get_backend
from fastepll.operators import Blur, Diagonal, Identity, Mask, Operator, check_adjoint
from fastepll.operators.weighted import whiten
from fastepll.solver import noise_map
from fastepll.solver.denoise_schedule import settings_for

from ..near_ties import assert_alike
from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(100, 120)
NOISE = np.random.default_rng(0).standard_normal(CLEAN.shape)
RAMP = np.broadcast_to(np.geomspace(0.02, 0.3, 120), CLEAN.shape)
UNKNOWN = np.random.default_rng(1).random(CLEAN.shape) < 0.5
KERNEL = np.outer([1, 2, 1], [1, 1, 1, 1, 1]) / 20


def db(image: np.ndarray, clean: np.ndarray = CLEAN) -> float:
    return -20 * np.log10(rms(image - clean))


@pytest.mark.parametrize("quality", ["exact", "learned", "high", "preview"])
def test_one_level_everywhere_is_one_number(backend, quality):
    options = {"model": MODEL, "quality": quality, "backend": backend.name}
    image = noisy(CLEAN, 0.1)
    assert_alike(
        lambda: fastepll.denoise(image, np.full(image.shape, 0.1), **options),
        lambda: fastepll.denoise(image, 0.1, **options),
        atol=2e-5,
    )


def test_a_ramp():
    image = CLEAN + RAMP * NOISE
    mapped = fastepll.denoise(image, RAMP, model=MODEL)
    by_mean = fastepll.denoise(image, RAMP.mean(), model=MODEL)
    assert db(mapped) > db(by_mean) + 4  # 4.9 dB


def test_a_ramp_on_photographs(data_dir):
    """Noise from 10 to 40 of 255 over crops; strips of 20 columns with their own sigma."""
    from skimage.io import imread

    sigma = np.broadcast_to(np.geomspace(10, 40, 200) / 255, (200, 200))
    gain, loss = [], []
    for i, path in enumerate(sorted((data_dir / "bsd68").glob("*.png"))[:3]):
        clean = imread(path)[:200, :200] / 255
        image = clean + sigma * np.random.default_rng(i).standard_normal(clean.shape)
        mapped = fastepll.denoise(image, sigma)
        strips = np.empty_like(image)
        for j in range(0, 200, 20):
            part = np.s_[:, j : j + 20]
            strips[part] = fastepll.denoise(image, rms(sigma[part]))[part]
        mean = fastepll.denoise(image, rms(sigma))
        gain.append(db(mapped, clean) - db(mean, clean))
        loss.append(db(strips, clean) - db(mapped, clean))
    assert np.mean(gain) > 1
    assert np.mean(loss) < 0.05


def test_every_pixel_has_its_own():
    """Nothing smooth in the map, and pixels that are known exactly."""
    sigma = np.random.default_rng(2).uniform(0.02, 0.4, CLEAN.shape)
    sigma[::7, ::5] = 0
    image = CLEAN + sigma * NOISE
    mapped = fastepll.denoise(image, sigma, model=MODEL)
    assert db(mapped) > db(fastepll.denoise(image, rms(sigma), model=MODEL)) + 1
    settings = settings_for("exact", rms(sigma)).with_betas([1, 8])
    restored = noise_map.denoise_with_map(
        image, MODEL, sigma, settings, backend=get_backend("reference"), n_threads=1
    )
    np.testing.assert_array_equal(restored[sigma == 0], image[sigma == 0])


@pytest.mark.parametrize("quality", ["exact", "learned", "high", "balanced", "fast", "preview"])
@pytest.mark.parametrize(
    ("dtype", "axis"), [("float32", None), ("uint16", None), ("float64", -1), ("uint8", -1)]
)
def test_no_noise_no_change(quality, dtype, axis):
    """Pixels with sigma 0 stay, bit for bit, in a stack too and where it is written over."""
    rng, shape = np.random.default_rng(0), (2, 96, 100)
    white = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    image = (white * rng.random(shape if axis is None else (*shape, 3))).astype(dtype)
    sigma = np.broadcast_to(white * rng.uniform(0.02, 0.2, shape[1:]), shape).copy()
    sigma[:, ::3, ::2] = 0
    sigma[:, 40:60, 30:70] = 0
    sigma[0, 80:] = np.where(rng.random((16, 100)) < 0.2, np.inf, sigma[0, 80:])
    result = image.copy()
    denoiser = fastepll.Denoiser(sigma, model=MODEL, quality=quality, stack=True, channel_axis=axis)
    assert denoiser(result, out=result) is result
    known = sigma == 0
    np.testing.assert_array_equal(result[known], image[known])
    assert np.mean(result[~known] != image[~known]) > 0.9


DEAD = {  # noise of the others, what restores, and how much larger their error may become
    "denoise": (0.1, fastepll.denoise, 1.01),
    "high": (0.02, lambda y, s: fastepll.denoise(y, s, quality="high"), 1.02),
    "restore": (0.1, lambda y, s: fastepll.restore(y, Identity(y.shape), s), 1.01),
    "deblur": (0.02, lambda y, s: fastepll.deblur(y, KERNEL, s, boundary="periodic"), 1.01),
    "inpaint": (0.02, lambda y, s: fastepll.inpaint(y, ABSENT, s), 1.01),
    "colour": (0.1, lambda y, s: fastepll.denoise(np.dstack([y] * 3), s, channel_axis=-1), 1.01),
}
ABSENT = np.random.default_rng(6).random((96, 96)) < 0.3


@pytest.mark.parametrize("task", DEAD)
@pytest.mark.parametrize("share", [0.005, 0.05, 0.2])
def test_dead_pixels_leave_the_others_alone(data_dir, task, share):
    """However large the sigma of those pixels, and whatever they hold."""
    from skimage.io import imread

    clean = imread(sorted((data_dir / "bsd68").glob("*.png"))[0])[60:156, 60:156] / 255
    base, restore, most = DEAD[task]
    rng = np.random.default_rng(7)
    dead, noise = rng.random(clean.shape) < share, rng.standard_normal(clean.shape)
    through = Blur(KERNEL, clean.shape).forward(clean) if task == "deblur" else clean

    def error(level: float) -> float:
        sigma = np.where(dead, level, base)
        restored = restore(through + np.minimum(sigma, 9) * noise, sigma)
        return rms((np.atleast_3d(restored) - clean[..., None])[~dead])

    errors = [error(level) for level in (0.3, 1, 9, np.inf)]
    assert max(errors) < {0.005: 1.01, 0.05: 1.02, 0.2: 1.1}[share] * error(base)
    assert max(errors[1:]) < most * errors[1]
    if task in ("denoise", "high", "restore"):
        missing = fastepll.inpaint(clean + base * noise, dead, base)
        assert max(errors) < 1.05 * rms((missing - clean)[~dead])


def test_a_quiet_half_does_not_spoil_the_other(data_dir):
    """Noise of 0.02 and 0.25 side by side; with the schedule of the quiet half 0.159."""
    from skimage.io import imread

    clean = imread(sorted((data_dir / "bsd68").glob("*.png"))[1])[60:188, 60:188] / 255
    sigma = np.where(np.arange(128) < 64, 0.02, 0.25) * np.ones((128, 1))
    y = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)
    by_restore = fastepll.restore(y, Identity(y.shape), sigma)
    assert rms(by_restore - clean) < 1.1 * rms(fastepll.denoise(y, sigma) - clean) < 0.08


def test_units_colours_and_no_noise():
    image = np.stack([CLEAN, 1 - CLEAN, 0.5 * CLEAN], axis=-1) + RAMP[..., None] * NOISE[..., None]
    image, sigma = image[:40, :50], RAMP[:40, :50]
    options = {"model": MODEL, "channel_axis": -1, "backend": "reference"}  # has no near ties
    expected = fastepll.denoise(image, sigma, **options)
    scaled = fastepll.denoise(1000 * image, 1000 * sigma, data_range=1000, **options)
    np.testing.assert_allclose(scaled / 1000, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(
        fastepll.denoise(image[..., 0], 0 * sigma, model=MODEL), image[..., 0]
    )


def test_progress_rises_to_one():
    seen: list[float] = []
    fastepll.denoise(CLEAN, RAMP, model=MODEL, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen.count(1) == 1


OPERATORS = {
    "identity": Identity(CLEAN.shape),
    "mask": Mask(UNKNOWN),
    "diagonal": Diagonal(np.where(UNKNOWN, 0.3, 1)),
    "blur": Blur(KERNEL, CLEAN.shape),
    "valid": Blur(KERNEL, CLEAN.shape, "valid"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_restore(name):
    operator: Operator = OPERATORS[name]
    rows, cols = operator.out_shape
    sigma = np.ascontiguousarray(RAMP[:rows, :cols]) / 5
    y = operator.forward(CLEAN) + sigma * NOISE[:rows, :cols]
    options = {"model": MODEL, "quality": "fast"}
    even = fastepll.restore(y, operator, 0.1, **options)
    same = fastepll.restore(y, operator, np.full(y.shape, 0.1), **options)
    assert rms(same - even) < 3e-4  # another way to solve, and so some other components
    mapped = fastepll.restore(y, operator, sigma, **options)
    assert db(mapped) > db(fastepll.restore(y, operator, rms(sigma), **options)) + 1


@pytest.mark.parametrize("name", OPERATORS)
def test_weighted_operator(name):
    operator = OPERATORS[name]
    sigma = np.random.default_rng(3).uniform(0.01, 0.1, operator.out_shape)
    white = whiten(operator, sigma, 2e-4)
    check_adjoint(white.operator)
    x = np.random.default_rng(4).random(operator.in_shape)
    np.testing.assert_allclose(white.operator.forward(x), white.apply(operator.forward(x)))
    rhs = white.operator.adjoint(white.operator.forward(x)) + 0.05 * x
    np.testing.assert_allclose(white.operator.solve(rhs, 0.05), x, atol=1e-7)


def test_inpainting_with_a_map():
    y = np.where(UNKNOWN, np.nan, CLEAN + RAMP * NOISE)
    mapped = fastepll.inpaint(y, UNKNOWN, RAMP, model=MODEL)
    assert db(mapped) > db(fastepll.inpaint(y, UNKNOWN, rms(RAMP), model=MODEL)) + 1


@pytest.mark.parametrize(
    ("sigma", "error", "text"),
    [
        (RAMP[:-1], ValueError, r"\(100, 120\), a map, got shape \(99, 120\)"),
        (-RAMP, ValueError, "least value of -0.3"),
        (RAMP * np.nan, ValueError, "sigma must be >= 0 everywhere.*nan"),
        (RAMP + np.inf, ValueError, "sigma must be finite for some pixels"),
        (100 * RAMP, ValueError, "data_range must .* units of the image"),
        (RAMP > 0.1, TypeError, "sigma must be an array of real numbers"),
        (np.ma.masked_greater(RAMP, 0.1), TypeError, "masked"),
    ],
)
@pytest.mark.parametrize(
    "call", [fastepll.denoise, lambda y, s: fastepll.restore(y, Identity(CLEAN.shape), s)]
)
def test_bad_maps(call, sigma, error, text):
    with pytest.raises(error, match=text):
        call(CLEAN, sigma)
