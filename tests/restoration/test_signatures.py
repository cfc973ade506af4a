"""Sisters take the same arguments in the same order; older orders are told and understood."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur, Diagonal, Downsample, Identity, Mask, bicubic_kernel
from fastepll.restoration.measurement import measured_sigma

from ..scenes import noisy, rms, scene, smooth_mixture

MODEL = smooth_mixture()
CLEAN = scene(40, 48)
Y = noisy(CLEAN, 0.05)
QUICK = {"model": MODEL, "quality": "preview"}
RESTORERS = ["denoise", "denoise_poisson", "deblur", "inpaint", "super_resolve", "restore"]


def parameters(name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(getattr(fastepll, name)).parameters)


@pytest.mark.parametrize("name", [*RESTORERS, "Denoiser"])
def test_options_are_alike(name):
    found, wanted = parameters(name), parameters("denoise")
    common = ["model", "quality", "channel_axis", "stack", "n_threads", "backend"]
    common += ["alpha"] * (name != "super_resolve")  # whose alpha would have another shape
    common += ["progress"] * (name != "Denoiser") + ["data_range"] * (name != "denoise_poisson")
    for option in common:
        assert found[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert found[option].default == wanted[option].default
    assert "sigma" in found
    by_position = [p.name for p in found.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if name in ("deblur", "inpaint", "super_resolve", "restore"):
        assert len(by_position) == 3  # y, what was done to it, sigma
        assert (by_position[0], by_position[2]) == ("y", "sigma")


def test_older_name_of_n_scales():
    for call in (
        lambda **rest: fastepll.denoise(Y, 0.05, **QUICK, **rest),
        lambda **rest: fastepll.Denoiser(0.05, **QUICK, **rest)(Y),
    ):
        with pytest.warns(DeprecationWarning, match="^scales is now called n_scales$") as told:
            found = call(scales=1)
        assert told[0].filename == __file__
        np.testing.assert_array_equal(found, call(n_scales=1))
        with pytest.raises(TypeError, match="got both"):
            call(scales=1, n_scales=1)


OLDER = {
    "Denoiser": (
        lambda: fastepll.Denoiser(MODEL, 0.05, quality="preview")(Y),
        lambda: fastepll.Denoiser(0.05, model=MODEL, quality="preview")(Y),
    ),
    "Denoiser of a name": (
        lambda: fastepll.Denoiser("gray-8x8-200", 0.05, quality="preview")(Y),
        lambda: fastepll.Denoiser(0.05, quality="preview")(Y),
    ),
    "Denoiser, sigma by name": (
        lambda: fastepll.Denoiser(MODEL, sigma=0.05, quality="preview")(Y),
        lambda: fastepll.Denoiser(0.05, model=MODEL, quality="preview")(Y),
    ),
    "super_resolve": (
        lambda: fastepll.super_resolve(Y, 2, 0.05, bicubic_kernel(2), **QUICK),
        lambda: fastepll.super_resolve(Y, 2, 0.05, kernel=bicubic_kernel(2), **QUICK),
    ),
    "objective": (
        lambda: fastepll.objective(CLEAN, Y, Identity(Y.shape), 0.05, model=MODEL),
        lambda: fastepll.objective(CLEAN, Y, Identity(Y.shape), sigma=0.05, model=MODEL),
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_older_orders(name):
    older, now = OLDER[name]
    with pytest.warns(DeprecationWarning, match="order of positional arguments") as told:
        found = older()
    assert [warning.filename for warning in told] == [__file__]
    np.testing.assert_array_equal(found, now())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fastepll.Denoiser(MODEL, 0.1, model=MODEL), "positional"),
        (lambda: fastepll.Denoiser(MODEL, model=MODEL), "sigma must be a real number"),
        (lambda: fastepll.Denoiser(0.1, MODEL), "positional"),
        (lambda: fastepll.super_resolve(Y, 2, 0.1, None, kernel=None), "positional"),
        (lambda: fastepll.objective(CLEAN, Y), "sigma"),
        (lambda: fastepll.objective(CLEAN, Y, None, 0.1, model=MODEL, sigma=0.1), "positional"),
        (lambda: fastepll.deblur(Y, Y, 0.1, "valid"), "positional"),
    ],
)
def test_calls_that_are_none(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_objective_needs_its_sigma():
    with pytest.raises(ValueError, match="sigma must be > 0 for an objective, got 0"):
        fastepll.objective(CLEAN, Y, sigma=0.0, model=MODEL)
    with pytest.raises(ValueError, match="sigma must be > 0 for an objective, got None"):
        fastepll.objective(CLEAN, Y, sigma=None, model=MODEL)


BIG = scene(160, 160)
KERNEL = np.full((3, 5), 1 / 15)
SPOTS = np.kron(np.random.default_rng(0).random((20, 20)) < 0.1, np.ones((8, 8))) > 0
ESTIMATED = {
    "restore": (Identity(BIG.shape), lambda y, **s: fastepll.restore(y, Identity(y.shape), **s)),
    "deblur": (
        Blur(KERNEL, BIG.shape, "valid"),
        lambda y, **sigma: fastepll.deblur(y, KERNEL, **sigma),
    ),
    "super": (
        Downsample(bicubic_kernel(2), BIG.shape, 2),
        lambda y, **sigma: fastepll.super_resolve(y, 2, **sigma),
    ),
    "inpaint": (Mask(SPOTS), lambda y, **sigma: fastepll.inpaint(y, SPOTS, **sigma)),
    "diagonal": (
        Diagonal(np.full(BIG.shape, 0.5)),
        lambda y, **sigma: fastepll.restore(y, Diagonal(np.full(BIG.shape, 0.5)), **sigma),
    ),
}


@pytest.mark.parametrize("name", ESTIMATED)
def test_sigma_that_is_not_given(name):
    operator, call = ESTIMATED[name]
    y = noisy(operator.forward(BIG), 0.05)
    if name == "inpaint":
        y[SPOTS] = np.nan
    found = call(y, sigma=None)
    known, wrong = call(y, sigma=0.05), call(y, sigma=0.1)
    assert rms(found - known) < 0.6 * rms(wrong - known)


def test_sigma_beside_unknown_pixels():
    """However few of the pixels of a patch are unknown, and whatever they hold."""
    y = noisy(BIG, 0.05)
    for share, value in [(0.01, 0.3), (0.03, 0.0), (0.03, 1.0)]:
        unknown = np.random.default_rng(3).random(BIG.shape) < share
        filled = np.where(unknown, value, y)[..., None]
        assert measured_sigma(filled, Mask(unknown), 1.0, 2) == pytest.approx(0.05, rel=0.1)


def test_sigma_that_cannot_be_estimated():
    unknown = np.random.default_rng(0).random(BIG.shape) < 0.5
    with pytest.raises(ValueError, match="sigma must be given for a mask that leaves few patches"):
        fastepll.inpaint(BIG, unknown, None)


def test_alpha_of_counts():
    counts = np.random.default_rng(0).poisson(20 * np.stack([CLEAN, 1 - CLEAN], -1)).astype(float)
    alpha = np.random.default_rng(1).random((*CLEAN.shape, 1)) * 1e6
    plain = fastepll.denoise_poisson(counts, channel_axis=-1, **QUICK)
    image = np.concatenate([counts, alpha], -1)
    found = fastepll.denoise_poisson(image, channel_axis=-1, alpha=True, **QUICK)
    np.testing.assert_array_equal(found, np.concatenate([plain, alpha], -1))
    first = fastepll.denoise_poisson(
        np.moveaxis(image, -1, 0)[None], channel_axis=1, alpha=True, stack=True, **QUICK
    )
    np.testing.assert_array_equal(np.moveaxis(first[0], 0, -1), found)


def test_sigma_of_each_image_of_a_stack():
    stack = np.stack([noisy(BIG, level, seed=3) for level in (0.02, 0.05, 0.1)])
    found = fastepll.estimate_sigma(stack, stack=True)
    assert found.tolist() == [fastepll.estimate_sigma(image) for image in stack]
    colour = np.stack([stack, stack[::-1], np.full(stack.shape, 5e5)], 1)  # and alpha
    found = fastepll.estimate_sigma(colour, channel_axis=1, stack=True, alpha=True)
    wanted = [fastepll.estimate_sigma(each[:2], channel_axis=0) for each in colour]
    assert found.tolist() == wanted
