"""Bad input: an error of the right kind, naming the argument, before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll import Settings
from fastepll.restoration import denoiser

from ..scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
GOOD = noisy(scene(12, 14), 0.1)
RGB = np.stack([GOOD] * 3, -1)


def with_value(value: float) -> np.ndarray:
    image = GOOD.copy()
    image[7, 3] = value
    return image


IMAGES = [
    (with_value(np.nan), ValueError, "finite"),
    (with_value(np.inf), ValueError, "finite"),
    (with_value(-np.inf).astype(np.float16), ValueError, "finite"),
    (with_value(1e9), ValueError, "data_range"),
    (with_value(2e4 * 12 * 14 / 1e4), ValueError, "data_range"),
    (255 * GOOD, ValueError, "data_range"),
    (np.full((12, 14), 1e308), ValueError, "data_range"),
    (np.where(GOOD > 0.5, 1.7e308, -1.7e308), ValueError, "data_range"),
    (GOOD - 5, ValueError, "data_range"),
    (np.zeros((0, 9)), ValueError, "empty"),
    (np.zeros((9, 0), np.uint8), ValueError, "empty"),
    (GOOD[:5], ValueError, r"6x6 patches, got 5x14"),
    (GOOD[:, :5], ValueError, r"6x6 patches, got 12x5"),
    (GOOD[0], ValueError, r"2-D .* got shape \(14,\)"),
    (np.float64(0.5), ValueError, "2-D"),
    (RGB, ValueError, "channel_axis"),
    (RGB[None], ValueError, "2-D"),
    (GOOD + 0j, TypeError, "complex128"),
    (GOOD.astype(object), TypeError, "object"),
    (GOOD > 0.5, TypeError, "bool"),
    (GOOD.astype("U8"), TypeError, "<U8"),
    (GOOD.astype(np.int64), TypeError, "int64"),
    (GOOD.astype(np.int8), ValueError, "int8, got None"),
    (GOOD.astype(np.longdouble), TypeError, "float128|longdouble"),
    (GOOD.astype("M8[s]"), TypeError, "datetime64"),
    ("photo.png", TypeError, "got str"),
    (None, TypeError, "NoneType"),
    ([[1.0, 2.0], [3.0]], ValueError, "rectangular"),
    (np.ma.masked_greater(GOOD, 0.5), TypeError, "masked"),
]


@pytest.mark.parametrize(("image", "error", "text"), IMAGES)
@pytest.mark.parametrize("function", [fastepll.denoise, fastepll.estimate_sigma])
def test_images(function, image, error, text):
    with pytest.raises(error, match=f"(image|data_range) must.*({text})"):
        function(image, model=MODEL)


ARGUMENTS = [
    ("sigma", -1.0, ValueError, ">= 0"),
    ("sigma", float("nan"), ValueError, "finite"),
    ("sigma", float("inf"), ValueError, "finite"),
    ("sigma", 10**400, ValueError, "finite"),
    ("sigma", 25, ValueError, "units of the image"),
    ("sigma", True, TypeError, "bool"),
    ("sigma", "25", TypeError, "str"),
    ("sigma", 1j, TypeError, "complex"),
    ("sigma", np.array([0.1]), ValueError, r"\(12, 14\), a map, got shape \(1,\)"),
    ("sigma", 0.1 - GOOD, ValueError, "least value of -"),
    ("sigma", np.full(GOOD.shape, np.nan), ValueError, "be >= 0 everywhere"),
    ("sigma", 0.1 + 1j * GOOD, TypeError, "complex128"),
    ("sigma", 11 + GOOD, ValueError, "units of the image"),
    ("stack", 1, TypeError, "bool, got int"),
    ("alpha", "yes", TypeError, "bool, got str"),
    ("alpha", True, ValueError, r"2 channels, .* got shape \(12, 14\)"),
    ("data_range", 0, ValueError, r"\[1e-30, 1e\+30\], got 0"),
    ("data_range", -255, ValueError, "got -255"),
    ("data_range", float("nan"), ValueError, "finite"),
    ("data_range", "255", TypeError, "str"),
    ("data_range", 1e-9, ValueError, "stay within"),
    ("betas", (), ValueError, "1 to 1000 numbers"),
    ("betas", (1, 0), ValueError, r"\[1e-06, 1e\+06\], got 0"),
    ("betas", (1, -4), ValueError, "got -4"),
    ("betas", (1, float("nan")), ValueError, "finite"),
    ("betas", ((1, 4),), ValueError, "one-dimensional"),
    ("betas", (1, "4"), TypeError, "str"),
    ("betas", 4.0, TypeError, "sequence"),
    ("betas", "148", TypeError, "sequence"),
    (
        "quality",
        "best",
        ValueError,
        "'exact', 'learned', 'high', 'balanced', 'fast', 'preview', got 'best'",
    ),
    ("quality", 1, TypeError, "string or Settings, got int"),
    ("quality", None, TypeError, "NoneType"),
    ("quality", Settings(noise=[1], blend=[1], stride=7), ValueError, r"\(6, 6\), got 7"),
    ("backend", "cuda", ValueError, "'native', 'numba', 'reference', 'torch', got 'cuda'"),
    ("backend", ["native"], TypeError, "list"),
    ("channel_axis", 0, ValueError, "3-D"),
    ("channel_axis", -1.0, TypeError, "float"),
    ("channel_axis", True, TypeError, "bool"),
    ("n_threads", 0, ValueError, "got 0"),
    ("n_threads", -2, ValueError, "got -2"),
    ("n_threads", 10**9, ValueError, "1000000000"),
    ("n_threads", 2.0, TypeError, "float"),
    ("n_threads", True, TypeError, "bool"),
    ("progress", 3, TypeError, "callable"),
    ("model", 7, TypeError, "int"),
    ("model", "no-such-model", ValueError, "no-such-model"),
    ("model", smooth_mixture(3, 3), ValueError, "3 channels of the model's patches, got 1"),
    ("model", smooth_mixture(13), ValueError, "13x13 patches, got 12x14"),
]


@pytest.mark.parametrize(("name", "value", "error", "text"), ARGUMENTS)
def test_arguments(name, value, error, text, monkeypatch):
    monkeypatch.setattr(denoiser, "restore_plane", lambda *_, **__: pytest.fail("computed"))
    arguments = {"sigma": 0.1, "model": MODEL, name: value}
    with pytest.raises(error, match=f"(?s)must.*{text}") as caught:
        fastepll.denoise(GOOD, **arguments)
    assert name in str(caught.value) or "image must" in str(caught.value)


@pytest.mark.parametrize("axis", [3, -4])
def test_channel_axis_outside(axis):
    with pytest.raises(ValueError, match=rf"channel_axis .* got {axis}"):
        fastepll.denoise(RGB, 0.1, model=MODEL, channel_axis=axis)


def test_colour_model_on_colour_image():
    with pytest.raises(ValueError, match="2 channels of the model's patches, got 3"):
        fastepll.denoise(RGB, 0.1, model=smooth_mixture(3, 2), channel_axis=-1)


@pytest.mark.parametrize("betas", [[1, 4], np.array([1.0, 4.0]), (np.float32(1), np.int64(4))])
def test_kinds_of_numbers(betas):
    kinds = [np.float32(0.1), np.float64(np.float32(0.1))]
    first, second = (
        fastepll.denoise(GOOD, s, model=MODEL, betas=betas, n_threads=np.int8(1)) for s in kinds
    )
    np.testing.assert_array_equal(first, second)


MAKING = [
    ("shape", 12, TypeError, "sequence of integers, got int"),
    ("shape", "12", TypeError, "got str"),
    ("shape", (12, 14, 3), ValueError, r"2 numbers, got \(12, 14, 3\)"),
    ("shape", (12, 14.0), TypeError, "float"),
    ("shape", (12, 0), ValueError, "got 0"),
    ("shape", (12, 5), ValueError, "6x6 patches, got 12x5"),
    *(
        (name, value, error, text)
        for name, value, error, text in ARGUMENTS
        if name in ("quality", "betas", "backend", "n_threads", "model") and "13x13" not in text
    ),
    ("sigma", -1.0, ValueError, ">= 0"),
    ("sigma", True, TypeError, "bool"),
    ("data_range", 0, ValueError, "got 0"),
    ("channel_axis", 3, ValueError, "got 3"),
]


@pytest.mark.parametrize(("name", "value", "error", "text"), MAKING)
def test_denoiser_is_checked_when_it_is_made(name, value, error, text):
    with pytest.raises(error, match=f"(?s)({name}|image) must.*{text}"):
        fastepll.Denoiser(**{"sigma": 0.1, "model": MODEL, name: value})


READ_ONLY = GOOD.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        (GOOD.tolist(), TypeError, "array or None, got list"),
        (np.empty(GOOD.shape, np.float32), TypeError, "float64, got float32"),
        (np.empty(GOOD.shape, ">f8"), TypeError, "got >f8"),
        (np.empty((14, 12)), ValueError, r"\(12, 14\), got \(14, 12\)"),
        (READ_ONLY, ValueError, "read-only"),
    ],
)
def test_out(out, error, text):
    ours = fastepll.Denoiser(0.1, model=MODEL)
    with pytest.raises(error, match=f"out must.*{text}"):
        ours(GOOD, out=out)
