"""Settings: what they accept, the passes they give, and the tuned levels of quality."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, asdict, replace
from importlib.resources import files
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from fastepll import Settings
from fastepll.backends.passes import Pass
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.settings import BETAS, EXACT
from fastepll.typing import Quality

TUNED = [quality for quality in get_args(Quality) if quality not in ("exact", "learned")]
TABLE = json.loads(files("fastepll").joinpath("solver/denoise_schedule.json").read_text())["gray"]


def test_betas_are_the_published_step():
    settings = Settings.from_betas([1, 4], stride=2)
    assert (settings.noise, settings.blend, settings.stride) == ((1.0, 0.25), (0.5, 0.8), 2)
    assert Settings.from_betas(BETAS) == EXACT
    other = replace(settings, estimator="top_mean")
    assert other.with_betas([8]) == Settings.from_betas([8], stride=2, estimator="top_mean")


def test_a_pass_has_the_settings_and_a_variance():
    settings = Settings(
        noise=np.array([1.5, 0.5]),
        blend=[np.float32(0.5), 1],
        stride=np.int64(4),
        selection="cascade",
        n_screen=3,
        n_refine=5,
        margin=2,
        middle_margin=1,
        estimator="top_mean",
        weighting="confidence",
        rank_tolerance=0.25,
    )
    assert settings.noise == (1.5, 0.5)
    assert hash(settings) == hash(replace(settings))
    step = settings.pass_(1, 0.2)
    assert step.noise_var == pytest.approx(0.5 * 0.04, rel=1e-15)
    of_all = ("noise", "blend", "coarse", "n_scales", "learned")
    rest = {k: v for k, v in asdict(settings).items() if k not in of_all}
    assert step == Pass(noise_var=step.noise_var, shift=(3, 1), **rest)
    with pytest.raises(FrozenInstanceError):
        settings.stride = 2  # type: ignore[misc]


def test_default_pass_is_the_exact_one():
    assert EXACT.pass_(0, 0.1) == Pass(noise_var=0.1 * 0.1)
    assert EXACT.pass_(3, 0.1).shift == (0, 0)


@pytest.mark.parametrize("stride", range(1, 17))
def test_shifts_are_spread_over_the_grid(stride):
    settings = Settings(noise=[1] * 64, blend=[1] * 64, stride=stride)
    shifts = np.array([settings.pass_(i, 0.1).shift for i in range(64)])
    assert shifts.min() == 0
    assert shifts.max() == stride - 1
    assert len(np.unique(shifts[: stride * stride], axis=0)) >= 0.6 * min(stride * stride, 64)


BAD = [
    ("noise", 1.0, TypeError, "sequence of numbers, got float"),
    ("noise", "1", TypeError, "got str"),
    ("noise", [], ValueError, "1 to 1000 numbers"),
    ("noise", [1.0] * 1001, ValueError, "1 to 1000 numbers"),
    ("noise", [[1.0, 1.0]], ValueError, "one-dimensional"),
    ("noise", [1.0, 0.0], ValueError, r"\[1e-06, 1e\+06\], got 0.0"),
    ("noise", [1.0, float("nan")], ValueError, "finite"),
    ("noise", [1.0, True], TypeError, "bool"),
    ("noise", [1.0, "2"], TypeError, "str"),
    ("blend", [1.0], ValueError, r"one value for each of noise \(2\), got 1"),
    ("blend", [0.5, 1.01], ValueError, "got 1.01"),
    ("blend", [0.0, 0.5], ValueError, "got 0.0"),
    ("stride", 0, ValueError, r"\[1, 16\], got 0"),
    ("stride", 17, ValueError, "got 17"),
    ("stride", 2.0, TypeError, "float"),
    ("stride", None, TypeError, "NoneType"),
    ("stride", True, TypeError, "bool"),
    ("selection", "fast", ValueError, "'exact', 'cascade', got 'fast'"),
    ("selection", 1, TypeError, "string, got int"),
    ("n_screen", 0, ValueError, "got 0"),
    ("n_screen", 33, ValueError, r"at most n_refine \(32\), got 33"),
    ("n_refine", -1, ValueError, "got -1"),
    ("margin", -0.5, ValueError, "got -0.5"),
    ("margin", float("inf"), ValueError, "finite"),
    ("margin", None, TypeError, "NoneType"),
    ("middle_margin", -1, ValueError, r"\[0, 1e\+06\], got -1"),
    ("middle_margin", float("nan"), ValueError, "finite"),
    ("middle_margin", "3", TypeError, "str"),
    ("estimator", "median", ValueError, "'map', 'top_mean'"),
    ("weighting", "none", ValueError, "'uniform', 'confidence'"),
    ("rank_tolerance", -1, ValueError, "got -1"),
    ("rank_tolerance", 1j, TypeError, "complex"),
]


@pytest.mark.parametrize(("name", "value", "error", "text"), BAD)
def test_bad_values_name_the_argument(name, value, error, text):
    with pytest.raises(error, match=f"{name} must.*{text}"):
        Settings(**{"noise": [1.0, 0.5], "blend": [0.5, 0.8], name: value})


def test_bad_betas_are_called_betas():
    with pytest.raises(ValueError, match="betas must"):
        Settings.from_betas([0])
    with pytest.raises(TypeError, match="betas must"):
        EXACT.with_betas(3)  # type: ignore[arg-type]


def test_the_table_has_every_level_but_exact():
    assert sorted(TABLE) == sorted(TUNED)
    assert {settings_for("exact", sigma) for sigma in (1e-3, 0.1, 3.0)} == {EXACT}
    assert settings_for("learned", 0.1) == replace(settings_for("fast", 0.1), learned=True)


@pytest.mark.parametrize("quality", TUNED)
def test_tuned_levels_interpolate(quality):
    """Log noise and logit blend are linear in log sigma, and end where tuning did."""
    level = TABLE[quality]
    sigmas = level["sigmas"]
    assert sigmas == sorted(sigmas)

    def at(sigma: float) -> Settings:
        return settings_for(quality, sigma / 255)

    for i, sigma in enumerate(sigmas):
        assert at(sigma).noise == pytest.approx(level["noise"][i], rel=1e-12)
        assert at(sigma).blend == pytest.approx(level["blend"][i], rel=1e-12)
        assert at(sigma).coarse == pytest.approx(level["coarse"][i], abs=1e-12)
    fixed = {k: v for k, v in level.items() if k not in ("sigmas", "noise", "blend", "coarse")}
    assert fixed.items() <= asdict(at(25)).items()
    assert at(sigmas[0] / 7) == at(sigmas[0])
    assert at(sigmas[-1] * 7).noise == pytest.approx(at(sigmas[-1]).noise, rel=1e-12)
    for low, high in pairwise(sigmas):
        between, ends = at(math.sqrt(low * high)), (at(low), at(high))
        noise = np.sqrt(np.prod([end.noise for end in ends], axis=0))
        np.testing.assert_allclose(between.noise, noise, rtol=1e-12)
        odds = [np.divide(end.blend, 1 - np.array(end.blend)) for end in (between, *ends)]
        np.testing.assert_allclose(odds[0] ** 2, odds[1] * odds[2], rtol=1e-10)
        assert between.coarse == pytest.approx((ends[0].coarse + ends[1].coarse) / 2, abs=1e-12)


def test_a_level_may_be_tuned_at_one_sigma(monkeypatch):
    from fastepll.solver import denoise_schedule as settings

    one = ({"stride": 3}, [math.log(25)], [[0.0]], [[0.0]], [0.25])
    monkeypatch.setattr(settings, "_tuned", lambda quality, prior: one)
    for sigma in (2.1, 25.1, 99.1):
        found = settings.settings_for("fast", sigma / 255)
        assert (found.noise, found.blend, found.stride) == ((1.0,), (0.5,), 3)
        assert found.coarse == 0.25
    settings.settings_for.cache_clear()


@pytest.mark.parametrize("quality", TUNED)
def test_strides_shrink_with_the_patch(quality):
    stride = TABLE[quality]["stride"]
    found = [settings_for(quality, 0.1, (side, side)).stride for side in (2, 4, 8, 16)]
    assert found == [max(1, stride // 4), max(1, stride // 2), stride, stride]


@pytest.mark.parametrize(
    ("older", "name", "value"),
    [
        ("window", "window_decay", 0.5),
        ("scales", "n_scales", 2),
        ("screen_dims", "n_screen", 3),
        ("refine_dims", "n_refine", 40),
    ],
)
def test_older_names_of_fields(older, name, value):
    with pytest.warns(DeprecationWarning, match=f"^{older} is now called {name}$"):
        settings = Settings.from_betas([1], **{older: value})
    assert settings == Settings.from_betas([1], **{name: value})
    with pytest.warns(DeprecationWarning, match=f"^{older} is now called {name}$"):
        assert getattr(settings, older) == value
    with pytest.raises(TypeError, match=f"{older} is now called {name}, got both"):
        Settings.from_betas([1], **{older: value, name: value})


def test_older_name_of_the_top_mean():
    with pytest.warns(DeprecationWarning, match='now called "top_mean"'):
        settings = Settings.from_betas([1], estimator="mean")
    assert settings.estimator == "top_mean"
