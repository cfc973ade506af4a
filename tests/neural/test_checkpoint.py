"""Fits that are interrupted, and what they leave to go on from."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest

from ..scenes import smooth_mixture
from .fits import CLEAN, NOISY, SIGMA, TINY, fit

pytest.importorskip("torch")


@pytest.mark.parametrize("options", [{}, {"prior": "splitting"}, {"stop": "variance"}])
def test_a_fit_goes_on_from_its_checkpoint_as_if_it_had_not_ended(options, tmp_path):
    options = dict(options)
    if options.pop("prior", None):
        options |= {"prior": smooth_mixture(), "prior_by": "splitting"}
    path, preset = tmp_path / "fit.npz", replace(TINY, iterations=130)
    whole = fit(NOISY, sigma=SIGMA, preset=preset, full_output=True, **options)

    def end(step):
        return step.iteration == 108

    fit(NOISY, sigma=SIGMA, preset=preset, callback=end, checkpoint=path, **options)
    rest = fit(NOISY, sigma=SIGMA, preset=preset, checkpoint=path, full_output=True, **options)
    assert np.array_equal(rest.losses, whole.losses)
    assert np.array_equal(rest.statistics, whole.statistics, equal_nan=True)
    assert np.array_equal(rest.image, whole.image)
    done = fit(NOISY, sigma=SIGMA, preset=preset, checkpoint=path, full_output=True, **options)
    assert np.array_equal(done.image, whole.image)


def test_a_fit_that_has_ended_goes_on_with_more_iterations(tmp_path):
    path = tmp_path / "fit.npz"
    fit(NOISY, stop=5, checkpoint=path)
    assert np.array_equal(fit(NOISY, stop=9, checkpoint=path), fit(NOISY, stop=9))


@pytest.fixture
def interrupts():
    """SIGINT as Python handles it: shells let the jobs that they put aside ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_waits_for_the_end_of_a_step_and_leaves_a_checkpoint(tmp_path):
    path, steps = tmp_path / "fit.npz", []

    def press(step):
        steps.append(step.iteration)
        if step.iteration == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(NOISY, stop=9, checkpoint=path, callback=press)
    assert np.array_equal(fit(NOISY, stop=9, checkpoint=path, callback=press), fit(NOISY, stop=9))
    assert steps == [*range(9)]


@pytest.mark.usefixtures("interrupts")
def test_what_is_not_to_be_interrupted_is_not():
    from fastepll.neural.job import uninterrupted

    done = []

    def press():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        press()
    assert done


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "fit.npz"
    fit(NOISY, stop=2, checkpoint=path)
    with pytest.raises(ValueError, match="checkpoint must be in a folder that exists"):
        fit(NOISY, stop=2, checkpoint=tmp_path / "no" / "fit.npz")
    with pytest.raises(ValueError, match=r"checkpoint .* of another measurement"):
        fit(CLEAN, stop=2, checkpoint=path)
    with pytest.raises(ValueError, match=r"checkpoint .* of another measurement"):
        fit(NOISY, stop=2, checkpoint=path, learning_rate=0.02)
    whole = path.read_bytes()
    for bad in (b"", b"PK", whole[:3000], whole.replace(b"average", b"overage")):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"checkpoint .* cannot be used"):
            fit(NOISY, stop=2, checkpoint=path)


def test_an_interrupt_returns_the_image_so_far_if_that_is_asked_for():
    def interrupt(step):
        if step.iteration == 5:
            raise KeyboardInterrupt

    result = fit(NOISY, callback=interrupt, interrupt="return", full_output=True)
    assert (result.stopped, result.iteration) == ("interrupt", 5)
    with pytest.raises(KeyboardInterrupt):
        fit(NOISY, callback=interrupt)
