"""deep_image_prior: what it restores, what it takes, what it refuses."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import fastepll
from fastepll.neural import PRESETS
from fastepll.operators import Blur, Diagonal, Identity

from ..scenes import noisy, scene, smooth_mixture
from .fits import CLEAN, NOISY, SIGMA, TINY, fit, psnr

torch = pytest.importorskip("torch")


def test_noise_is_left_out_until_the_residual_is_what_noise_explains():
    result = fit(NOISY, sigma=SIGMA, iterations=1000, full_output=True)
    assert result.stopped == "rule"
    assert 50 < result.iteration < 999
    assert result.statistics[-1] <= 1 < result.statistics[-2]
    assert psnr(result.image) > 28.0  # of y: 20.0
    assert len(result.losses) == result.iteration + 1


def test_without_sigma_the_iteration_of_least_variance_is_returned():
    result = fit(NOISY, iterations=250, full_output=True)
    assert result.iteration == np.nanargmin(result.statistics)
    assert psnr(result.image) > 26.5


def test_the_average_of_outputs_is_better_than_the_last():
    average, last = (psnr(fit(NOISY, stop=200, average=a)) for a in (0.98, 0.0))
    assert average > last + 0.8


def test_missing_pixels_are_filled_and_known_ones_are_kept_without_noise():
    mask = np.random.default_rng(1).random(CLEAN.shape) < 0.5
    y = np.where(mask, np.nan, CLEAN)
    filled = fit(y, mask=mask, sigma=0.0, stop=300)
    assert np.array_equal(filled[~mask], CLEAN[~mask])
    assert psnr(filled[mask], CLEAN[mask]) > 25.5
    assert psnr(fit(y, mask=mask, stop=300)) > 26


def test_a_mask_of_each_channel_hides_those_of_that_channel_alone():
    clean = np.stack([CLEAN, 1 - CLEAN], -1)
    mask = np.random.default_rng(1).random(clean.shape) < 0.3
    filled = fit(np.where(mask, np.nan, clean), mask=mask, sigma=0, stop=200, channel_axis=-1)
    assert np.array_equal(filled[~mask], clean[~mask])
    assert psnr(filled[mask], clean[mask]) > 23


@pytest.mark.parametrize("factor", [2, 8])
def test_enlarging_gives_that_many_times_the_pixels(factor):
    small = CLEAN[factor // 2 :: factor, factor // 2 :: factor]
    large = fit(small, factor=factor, stop=150)
    assert large.shape == (factor * small.shape[0], factor * small.shape[1])
    assert psnr(large[:64, :72]) > {2: 23, 8: 18}[factor]


@pytest.mark.parametrize("boundary", ["valid", "reflect"])
def test_a_blur_is_undone(boundary):
    blur = Blur(np.ones((5, 5)) / 25, CLEAN.shape, boundary)
    y = blur.forward(CLEAN) + 0.01 * np.random.default_rng(0).standard_normal(blur.out_shape)
    restored = fit(y, blur, 0.01, stop=300)
    assert restored.shape == CLEAN.shape
    inner = (slice(4, -4),) * 2
    assert psnr(restored[inner], CLEAN[inner]) > 24


def test_an_own_operator_is_taken_by_its_adjoint():
    class Gain(Diagonal):
        def forward(self, x):
            return np.asarray(self.gain * x, x.dtype)

        adjoint = forward

    gain = np.linspace(0.3, 1, 72) * np.ones((64, 1))
    by_torch = fit(gain * CLEAN, Diagonal(gain), stop=30)
    by_numpy = fit(
        gain * CLEAN, fastepll.operators.Composition(Gain(gain), Identity((64, 72))), stop=30
    )
    np.testing.assert_allclose(by_torch, by_numpy, atol=2e-2)


def test_a_map_of_sigma_weighs_the_residuals():
    level = np.full(CLEAN.shape, 0.02)
    level[:, 36:] = 0.5
    level[0, 0] = np.inf
    y = CLEAN + level.clip(max=1) * np.random.default_rng(0).standard_normal(CLEAN.shape)
    weighted = fit(y, sigma=level, stop=250)
    alike = fit(y, stop=250, data_range=1)
    assert psnr(weighted[:, :36], CLEAN[:, :36]) > psnr(alike[:, :36], CLEAN[:, :36]) + 1


@pytest.mark.parametrize("prior_by", ["likelihood", "splitting"])
def test_a_prior_of_patches_adds_what_it_knows(prior_by):
    clean, options = scene(40, 48), {"sigma": SIGMA, "stop": 400}
    y, prior = noisy(clean, SIGMA), smooth_mixture()
    plain, helped = fit(y, **options), fit(y, **options, prior=prior, prior_by=prior_by)
    assert psnr(helped, clean) > psnr(plain, clean) + 0.3


def test_a_restoration_by_a_prior_of_patches_is_the_input_and_a_part_of_the_result():
    prior = smooth_mixture()
    by_patches = fastepll.denoise(NOISY, SIGMA, model=prior, quality="high")
    guided = fit(NOISY, sigma=SIGMA, stop=60, guide=by_patches)
    for weight in (1.0, 3.0):
        both = fit(NOISY, sigma=SIGMA, stop=60, prior=prior, prior_weight=weight)
        expected = (guided + weight * by_patches) / (1 + weight)
        np.testing.assert_allclose(both, expected, rtol=0, atol=1e-9)
    result = fit(NOISY, sigma=SIGMA, prior=prior, full_output=True)
    assert (result.iteration, result.rule) == (299, "never")
    assert psnr(result.image) > psnr(by_patches) + 0.05


def test_the_network_has_the_more_of_a_hole_the_deeper_it_is():
    prior, mask = smooth_mixture(), np.zeros(CLEAN.shape, np.bool_)
    mask[20:50, 10:40], mask[5, 5:60] = True, True
    plain, by_patches = (
        fit(CLEAN, mask=mask, stop=20),
        fastepll.inpaint(CLEAN, mask, model=prior, quality="high"),
    )
    both = fit(CLEAN, mask=mask, stop=20, prior=prior, prior_weight=2.0)
    for pixel, depth in (((5, 30), 1), ((20, 25), 1), ((30, 20), 11), ((35, 24), 15), ((0, 0), 0)):
        share = np.exp(-depth / (2 * prior.patch_shape[0]))
        expected = share * by_patches[pixel] + (1 - share) * plain[pixel]
        assert both[pixel] == pytest.approx(expected, abs=1e-6)
    narrow = mask & (np.arange(64) == 5)[:, None]
    result = fit(CLEAN, mask=narrow, prior=prior, full_output=True)
    assert len(result.losses) == 300  # EPLL's restoration was the input


@pytest.mark.parametrize("task", ["mask", "factor", "operator"])
def test_the_input_of_each_task_is_restored_by_its_operator(task):
    prior, known = smooth_mixture(), np.random.default_rng(1).random(CLEAN.shape) < 0.7
    blur = Blur(np.ones((3, 3)) / 9, CLEAN.shape, "reflect")
    y, how = {
        "mask": (np.where(known, CLEAN, np.nan), {"mask": ~known}),
        "factor": (CLEAN[::2, ::2], {"factor": 2}),
        "operator": (blur.forward(CLEAN), {"operator": blur, "sigma": 0.01}),
    }[task]
    assert psnr(fit(y, stop=60, prior=prior, **how)) > psnr(fit(y, stop=60, **how)) + 2


def test_the_same_seed_gives_the_same_image_and_another_another():
    first, again = (fit(NOISY, stop=8, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    state = torch.random.get_rng_state()
    assert not np.array_equal(first, fit(NOISY, stop=8, seed=4))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_callback_sees_each_iteration_and_may_end_the_fit():
    seen, shares = [], []

    def look(step):
        seen.append(step)
        return step.iteration == 6

    result = fit(NOISY, callback=look, progress=shares.append, snapshots=3, full_output=True)
    assert result.stopped == "callback"
    assert [step.iteration for step in seen] == [*range(7)]
    assert shares == [*((i + 1) / 40 for i in range(7)), 1.0]
    assert [step.loss for step in seen] == result.losses.tolist()
    assert np.array_equal(seen[-1].image, result.image)
    assert sorted(result.snapshots) == [2, 5]
    assert np.array_equal(result.snapshots[5], seen[5].image)
    assert not np.array_equal(seen[-1].output, result.image)


def test_noise_on_the_weights_is_drawn_from_the_seed():
    one, two = (fit(NOISY, stop=5, langevin=2.0) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, fit(NOISY, stop=5))


def test_a_jump_of_the_loss_makes_the_fit_go_back(monkeypatch):
    from fastepll.neural import fit as module

    fits, begin = [], module.Fit.__init__

    def note(self, *args, **options):
        begin(self, *args, **options)
        fits.append(self)

    def shake(step):
        if step.iteration == module.CHECKED - 1:
            fits[0].network.mix.bias.data.fill_(-30)  # a black image

    monkeypatch.setattr(module.Fit, "__init__", note)
    calm = replace(TINY, iterations=module.CHECKED + 2, learning_rate=1e-3)
    losses = fit(NOISY, preset=calm, callback=shake, full_output=True).losses
    assert losses[module.CHECKED] > 10**0.5 * losses[0]
    assert losses[module.CHECKED + 1] < 1.1 * losses[0]


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("float32", {}),
        ("float16", {}),
        ("uint8", {}),
        ("uint16", {"data_range": 4095}),
        ("int16", {"data_range": 4095}),
        ("int32", {"data_range": "auto"}),
    ],
)
def test_dtype_and_units_come_back(dtype, options):
    kind = np.dtype(dtype)
    white = {"uint8": 255}.get(dtype, 1 if kind.kind == "f" else 4095)
    black = -2000 if dtype == "int16" else 0
    y = (white * NOISY.clip(0, 1) + black).astype(kind)
    restored = fit(y, sigma=white * SIGMA, stop=250, **options)
    assert restored.dtype == kind
    assert psnr((restored.astype(float) - black) / white) > 26


@pytest.mark.parametrize(("low", "span"), [(-0.5, 1.0), (0.4, 0.02), (0.0, 1.9)])
def test_images_of_another_range_than_0_to_1_are_fitted_in_theirs(low, span):
    y = low + span * NOISY
    restored = fit(y, sigma=span * SIGMA, stop=250)
    assert psnr((restored - low) / span) > 26


def test_a_flat_image_stays_flat():
    y = np.full((40, 48), 0.3)
    assert np.abs(fit(y, stop=300) - 0.3).max() < 0.02


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_may_lie_on_any_axis(axis):
    y = np.stack([NOISY, 1 - NOISY, NOISY**2])
    last = fit(np.moveaxis(y, 0, -1), stop=5, channel_axis=-1)
    restored = fit(np.moveaxis(y, 0, axis), stop=5, channel_axis=axis)
    assert np.array_equal(np.moveaxis(restored, axis, -1), last)


def test_an_image_of_a_scene_guides_another():
    guided = fit(NOISY, guide=1 - CLEAN, stop=250)
    assert psnr(guided) > 26
    colour = np.stack([CLEAN] * 3, -1)
    assert fit(np.stack([NOISY] * 2, -1), guide=colour, stop=3, channel_axis=-1).shape[-1] == 2


def test_two_precisions_agree_in_what_they_restore():
    single, half = (fit(NOISY, stop=120, precision=p) for p in ("float32", "bfloat16"))
    assert not np.array_equal(half, single)
    assert psnr(half) == pytest.approx(psnr(single), abs=1)


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (ValueError, "preset must be one of 'slim'", {"preset": "wide"}),
        (ValueError, "at most one must be given", {"mask": CLEAN > 2, "factor": 2}),
        (ValueError, "mask must have the shape", {"mask": np.zeros((3, 3), bool)}),
        (TypeError, "mask must be of bool", {"mask": np.zeros(CLEAN.shape)}),
        (ValueError, "mask must leave a pixel", {"mask": np.ones(CLEAN.shape, bool)}),
        (ValueError, "factor must be one of", {"factor": 9}),
        (ValueError, "y must have the shape", {"operator": Identity((5, 5))}),
        (TypeError, "operator must be an Operator", {"operator": "blur"}),
        (ValueError, "sigma must be >= 0", {"sigma": -0.1}),
        (ValueError, "sigma must be > 0 for stop='discrepancy'", {"stop": "discrepancy"}),
        (ValueError, "stop must be one of", {"stop": "soon"}),
        (ValueError, r"stop must be in \[1", {"stop": 0}),
        (ValueError, "average must be in", {"average": 1.0}),
        (ValueError, "device must be one that torch has here", {"device": "cuda:7"}),
        (ValueError, "device must be one that torch has here", {"device": "abacus"}),
        (ValueError, "guide must have", {"guide": CLEAN[:5]}),
        (TypeError, "callback must be callable", {"callback": 3}),
        (ValueError, "preset must be of", {"preset": "deep-decoder", "guide": CLEAN}),
        (ValueError, "prior_by must be one of", {"prior_by": "magic"}),
    ],
)
def test_bad_arguments_are_named(error, match, options):
    options = {"stop": 1, **options}
    operator = options.pop("operator", None)
    with pytest.raises(error, match=match):
        fit(NOISY, operator, options.pop("sigma", None), **options)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (NOISY[:7], "at least 8 pixels a side"),
        (np.zeros((0, 5)), "must not be empty"),
        (np.full((64, 64), np.nan), "must be finite"),
        (NOISY * 255, "data_range must be given"),
        (NOISY[None], "for colour give channel_axis"),
    ],
)
def test_bad_images_are_named(y, match):
    with pytest.raises(ValueError, match=match):
        fit(y, stop=1)


def test_the_paper_network_is_refused_for_images_below_its_depth():
    with pytest.raises(ValueError, match="at least 32 pixels a side"):
        fit(NOISY[:31], preset="denoising", stop=1)
    assert PRESETS["denoising"].network.multiple == 32


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("fastepll.neural.")]:
        if name.rpartition(".")[2] in ("device", "job"):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"pip install 'fastepll\[lab\]'"):
        fit(NOISY, stop=1)
