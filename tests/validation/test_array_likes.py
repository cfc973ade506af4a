"""Sigma, masks, kernels, starts: whatever has ``__array__``, as images; masked ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur, Diagonal, Downsample, Identity, Mask

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(30, 36)
Y = noisy(CLEAN, 0.1)
QUICK = {"model": MODEL, "quality": "preview"}
UNKNOWN = np.random.default_rng(0).random(CLEAN.shape) < 0.2
KERNEL = np.full((3, 3), 1 / 9)
MAP = np.full(CLEAN.shape, 0.1)


class Holder:
    """The least that an array of another library has."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class Sub(np.ndarray):
    """As astropy's quantities are."""


def tensor(values):
    return pytest.importorskip("torch").as_tensor(values)


def lazy(values):
    return pytest.importorskip("dask.array").asarray(values)


def labelled(values):
    return pytest.importorskip("xarray").DataArray(values)


def frame(values):
    return pytest.importorskip("pandas").DataFrame(values)


KINDS = {
    "holder": Holder,
    "torch": tensor,
    "dask": lazy,
    "xarray": labelled,
    "pandas": frame,
    "list": lambda values: np.asarray(values).tolist(),
    "read-only": lambda values: np.broadcast_to(values, np.shape(values)),
    "reversed": lambda values: np.asarray(values)[::-1].copy()[::-1],
    "big-endian": lambda values: values.astype(values.dtype.newbyteorder(">")),
    "subclass": lambda values: np.asarray(values).view(Sub),
    "no mask": np.ma.asarray,
}
CALLS = {
    "image": (Y, lambda a: fastepll.denoise(a, 0.1, **QUICK)),
    "sigma": (MAP, lambda a: fastepll.denoise(Y, a, **QUICK)),
    "sigma of restore": (MAP, lambda a: fastepll.restore(Y, Identity(Y.shape), a, **QUICK)),
    "sigma of super": (MAP, lambda a: fastepll.super_resolve(Y, 2, a, **QUICK)),
    "sigma of Denoiser": (MAP, lambda a: fastepll.Denoiser(a, **QUICK)(Y)),
    "sigma of objective": (MAP, lambda a: fastepll.objective(Y, Y, sigma=a, model=MODEL)),
    "mask": (UNKNOWN, lambda a: fastepll.inpaint(Y, a, 0.1, **QUICK)),
    "Mask": (UNKNOWN, lambda a: Mask(a).forward(Y)),
    "kernel": (KERNEL, lambda a: fastepll.deblur(Y, a, 0.1, **QUICK)),
    "kernel of super": (KERNEL, lambda a: fastepll.super_resolve(Y, 2, 0.1, kernel=a, **QUICK)),
    "Blur": (KERNEL, lambda a: Blur(a, Y.shape).forward(Y)),
    "Downsample": (KERNEL, lambda a: Downsample(a, Y.shape, 2).forward(Y)),
    "gain": (0.5 + 0.5 * CLEAN, lambda a: Diagonal(a).forward(Y)),
    "start": (Y, lambda a: fastepll.restore(Y, Identity(Y.shape), 0.1, start=a, **QUICK)),
    "y": (Y, lambda a: fastepll.restore(a, Identity(Y.shape), 0.1, **QUICK)),
    "counts": (9 * CLEAN, lambda a: fastepll.denoise_poisson(a, **QUICK)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_what_has_an_array(name, kind):
    values, call = CALLS[name]
    found, wanted = call(KINDS[kind](values)), call(values)
    np.testing.assert_array_equal(found, wanted)
    if kind == "big-endian":  # in an image it is the dtype of the result
        found = np.asarray(found, np.asarray(wanted).dtype)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype


@pytest.mark.parametrize("kind", ["holder", "torch", "dask", "xarray", "read-only"])
@pytest.mark.parametrize(
    "call",
    [
        lambda a: fastepll.denoise(Y, a(0.1), **QUICK),
        lambda a: fastepll.inpaint(Y, UNKNOWN, a(0.1), **QUICK),
        lambda a: fastepll.restore(Y, Identity(Y.shape), a(0.1), **QUICK),
        lambda a: fastepll.denoise(Y, 0.1, data_range=a(1.0), **QUICK),
        lambda a: fastepll.denoise_poisson(9 * CLEAN, gain=a(2.0), sigma=a(0.1), **QUICK),
        lambda a: fastepll.expected_patch_log_likelihood(Y, sigma=a(0.1), model=MODEL),
    ],
)
def test_numbers_without_axes(call, kind):
    np.testing.assert_array_equal(call(lambda x: KINDS[kind](np.array(x))), call(float))


@pytest.mark.parametrize("kind", ["torch", "dask", "list", "holder"])
def test_one_sigma_for_each_image(kind):
    stack, sigmas = np.stack([Y, Y[::-1]]), np.array([0.05, 0.2])
    found = fastepll.denoise(stack, KINDS[kind](sigmas), stack=True, **QUICK)
    np.testing.assert_array_equal(found, fastepll.denoise(stack, sigmas, stack=True, **QUICK))


@pytest.mark.parametrize(
    "masked",
    [
        lambda values: np.ma.masked_array(values, UNKNOWN[: len(values), : values.shape[1]]),
        lambda values: lazy(np.ma.masked_array(values, UNKNOWN[: len(values), : values.shape[1]])),
        lambda values: list(np.ma.masked_array(values, UNKNOWN[: len(values), : values.shape[1]])),
    ],
    ids=["array", "dask", "list"],
)
@pytest.mark.parametrize("name", CALLS)
def test_masked_pixels_are_refused(name, masked):
    values, call = CALLS[name]
    with pytest.raises(TypeError, match="must have no masked pixels"):
        call(masked(values))


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (np.full((3, 3), np.nan), ValueError, "kernel must be finite"),
        (KERNEL.astype(object), TypeError, "kernel must be an array of real numbers, got .*object"),
        (KERNEL.astype(complex), TypeError, "complex"),
        ([[0.5], [0.2, 0.3]], ValueError, "kernel must be a rectangular"),
        (np.zeros((3, 3)), ValueError, "other than 0"),
    ],
)
def test_bad_kernels(bad, error, text):
    for call in (CALLS["kernel"][1], CALLS["kernel of super"][1], CALLS["Blur"][1]):
        with pytest.raises(error, match=text):
            call(bad)


def test_masks_of_bytes_are_refused():
    with pytest.raises(TypeError, match=r"mask must be of bool, True where .* got dtype uint8"):
        fastepll.inpaint(Y, 255 * UNKNOWN.astype(np.uint8), 0.1, **QUICK)


def test_tensors_that_numpy_cannot_see():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"sigma must be an array, got .*grad"):
        fastepll.denoise(Y, torch.full(Y.shape, 0.1, requires_grad=True), **QUICK)
    with pytest.raises(TypeError, match=r"image must be an array, got .*BFloat16"):
        fastepll.denoise(torch.full((9, 9), 0.1, dtype=torch.bfloat16), 0.1, **QUICK)


@pytest.mark.parametrize(("total", "told"), [(0.89, 1), (1.11, 1), (255, 1), (0.91, 0), (1.09, 0)])
def test_kernels_that_do_not_sum_to_1(total, told, recwarn):
    kernel, name = total * KERNEL, rf"kernel sums to {total}, not to 1"
    stack = np.stack([Y] * 3)
    calls = [
        lambda: Blur(kernel, Y.shape),
        lambda: Downsample(kernel, Y.shape, 2),
        lambda: fastepll.deblur(total * Y, kernel, 0.1 * total, **QUICK),
        lambda: fastepll.deblur(total * stack, kernel, 0.1 * total, stack=True, **QUICK),
        lambda: fastepll.super_resolve(total * Y, 2, 0.1 * total, kernel=kernel, **QUICK),
    ]
    for call in calls:
        recwarn.clear()
        if told:
            with pytest.warns(UserWarning, match=name) as warnings:
                call()
            assert [warning.filename for warning in warnings] == [__file__]
        else:
            call()
            assert len(recwarn) == 0


def test_a_kernel_that_lets_no_brightness_through():
    with pytest.warns(UserWarning, match="sums to 0, .* nothing of the brightness"):
        Blur([[1, -1]], Y.shape)
