"""fastepll deep-image-prior: the function's results in files, and what is told of the fit."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import fastepll
from fastepll.operators import Blur

from .picture_files import ALPHA, CLEAN, PICTURES, files, read_independently, write_independently

SHORT = ("--stop", 5)
KERNEL = np.outer([1, 2, 1], [1, 1, 1]) / 12
MASK = np.random.default_rng(0).random(CLEAN.shape) < 0.4


@pytest.fixture(autouse=True)
def _torch(request):
    if "without_torch" not in request.node.name:
        pytest.importorskip("torch")


@pytest.fixture
def fit(run, tmp_path):
    """Fit to a picture; exit code, what is told, and the picture that is written."""

    def call(image, *options):
        source, target = tmp_path / "in.png", tmp_path / "out.png"
        write_independently(source, image)
        target.unlink(missing_ok=True)
        told = run("deep-image-prior", source, target, *options)
        return *told, read_independently(target) if target.exists() else None

    return call


@pytest.mark.parametrize("name", ["gray 8", "rgb 16", "gray alpha 8"])
def test_denoises(fit, name):
    image = PICTURES[name]
    sigma = 0.08 * np.iinfo(image.dtype).max
    code, out, err, found = fit(image, "--sigma", sigma, "--seed", 3, *SHORT)
    assert (code, err) == (0, "")
    assert (found.dtype, found.shape) == (image.dtype, image.shape)
    n = 3 if name.startswith("rgb") else 1
    given, found = np.atleast_3d(image), np.atleast_3d(found)
    expected = fastepll.deep_image_prior(
        given[..., :n], sigma=sigma, stop=5, seed=3, channel_axis=-1
    )
    np.testing.assert_array_equal(found[..., :n], expected)
    np.testing.assert_array_equal(found[..., n:], given[..., n:])
    assert f"preset slim, sigma {sigma:.4g} (given), stopped after 5 iterations (as many" in out
    assert out.count(" s, ") == 1  # the total; that of the fit ends its line
    assert "torch" in out.splitlines()[1]


def test_fills_in(fit, tmp_path):
    np.save(tmp_path / "known.npy", ~MASK)
    options = ("--mask", tmp_path / "known.npy", "--invert", "--sigma", 0)
    code, out, _, found = fit(PICTURES["gray 8"], *options, *SHORT)
    assert code == 0
    assert f"unknown {MASK.mean():.1%}, sigma 0 (given)" in out
    image = PICTURES["gray 8"]
    expected = fastepll.deep_image_prior(image, sigma=0.0, mask=MASK, stop=5)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[~MASK], image[~MASK])


def test_enlarges(fit, tmp_path):
    image = np.dstack([PICTURES["gray 8"], np.rint(255 * ALPHA).astype(np.uint8)])
    page, figure = tmp_path / "page.html", tmp_path / "figure.png"
    options = ("--factor", 2, "--report", page, "--figure", figure)
    code, out, _, found = fit(image, *options, *SHORT)
    assert code == 0
    assert read_independently(figure).shape == (80, 2 * 112 + 8)
    text = page.read_text(encoding="utf-8")
    assert all(word in text for word in ("slim", "after 5 iterations", "torch"))
    assert "balanced" not in text
    assert "112x80 gray + 1 extra, 8 bit; preset slim, factor 2, sigma not known" in out
    expected = fastepll.deep_image_prior(image[..., 0], factor=2, stop=5)
    np.testing.assert_array_equal(found[..., 0], expected)
    np.testing.assert_array_equal(found[::2, ::2, 1], image[..., 1])


@pytest.mark.parametrize("boundary", ["valid", "reflect"])
def test_deblurs(fit, tmp_path, boundary):
    np.save(tmp_path / "kernel.npy", 3 * KERNEL)
    options = ("--kernel", tmp_path / "kernel.npy", "--normalize", "--boundary", boundary)
    image = PICTURES["rgb 8"]
    code, out, _, found = fit(image, *options, "--sigma", 20, *SHORT)
    assert code == 0
    assert "kernel 3x3, sigma 20 (given)" in out
    more = 2 if boundary == "valid" else 0
    blur = Blur(KERNEL, (40 + more, 56 + more), boundary)
    expected = fastepll.deep_image_prior(image, blur, 20.0, stop=5, channel_axis=-1)
    assert expected.shape == (*blur.in_shape, 3)
    np.testing.assert_array_equal(found, expected[blur.observed] if more else expected)


def test_a_prior_of_patches_and_a_guide(fit, tmp_path, prior_file):
    write_independently(tmp_path / "guide.png", PICTURES["rgb 8"])
    image = PICTURES["gray 8"]
    options = ("--prior", prior_file, "--prior-weight", 2, "--prior-by", "likelihood")
    more = ("--guide", tmp_path / "guide.png", "--sigma", 20, "--average", 0.5)
    code, out, _, found = fit(image, *options, *more, *SHORT)
    assert code == 0
    assert "beside prior.npz by likelihood" in out
    expected = fastepll.deep_image_prior(
        image[..., None],
        sigma=20.0,
        guide=PICTURES["rgb 8"],
        prior=prior_file,
        prior_weight=2.0,
        prior_by="likelihood",
        average=0.5,
        stop=5,
        channel_axis=-1,
    )
    np.testing.assert_array_equal(found, expected[..., 0])


def test_tells_why_it_stopped(fit):
    _, out, _, _ = fit(PICTURES["gray 8"], "--sigma", 80, "--iterations", 30)
    assert "(the residual is what the noise explains)" in out
    after = int(out.partition("stopped after ")[2].split()[0])
    assert after < 30
    full = fastepll.deep_image_prior(
        PICTURES["gray 8"], sigma=80.0, iterations=30, full_output=True
    )
    assert (full.stopped, full.iteration + 1) == ("rule", after)


def test_every_frame_of_a_stack(run, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    frames = np.stack([PICTURES["gray 8"], PICTURES["gray 8"][::-1]])
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, frames, photometric="minisblack")
    code, out, err = run("deep-image-prior", source, target, "--stack", *SHORT)
    assert (code, err) == (0, "")
    assert "2 times 56x40 gray, 8 bit" in out
    expected = [fastepll.deep_image_prior(one, stop=5) for one in frames]
    np.testing.assert_array_equal(tifffile.imread(target), expected)
    one_file = ("--stack", "--checkpoint", tmp_path / "fit.npz", "--overwrite")
    code, _, err = run("deep-image-prior", source, target, *one_file, *SHORT)
    assert (code, "--checkpoint is for one picture, got 2" in err) == (2, True)


def test_goes_on_from_a_checkpoint(fit, tmp_path):
    options = ("--checkpoint", tmp_path / "fit.npz", *SHORT)
    code, _, _, first = fit(PICTURES["gray 8"], *options)
    assert (code, (tmp_path / "fit.npz").exists()) == (0, True)
    code, out, _, again = fit(PICTURES["gray 8"], *options)
    assert "stopped after 5 iterations" in out
    np.testing.assert_array_equal(again, first)
    code, _, err, _ = fit(PICTURES["gray 8"], *options, "--seed", 1)
    assert (code, err.count("\n"), "fit.npz" in err) == (2, 1, True)


def interrupt_after(n, monkeypatch):
    """Ctrl-C in a later iteration."""
    from fastepll.neural.fit import Fit

    step = Fit.step

    def interrupted(self):
        if self.i == n:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Fit, "step", interrupted)


def test_interrupt_writes_the_image_so_far(run, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        write_independently(tmp_path / name, PICTURES["gray 8"])
    interrupt_after(3, monkeypatch)
    inputs = (tmp_path / "a.png", tmp_path / "b.png")
    code, out, err = run("deep-image-prior", *inputs, folder, "--stop", 50)
    assert code == 130
    assert "stopped after 3 iterations (Ctrl-C)" in out
    assert err == (
        f"fastepll: warning: {inputs[0]}: interrupted after 3 iterations; "
        "what is written is the image so far\n"
    )
    assert list(files(folder)) == ["a.png"]
    expected = fastepll.deep_image_prior(PICTURES["gray 8"], stop=3)
    np.testing.assert_array_equal(read_independently(folder / "a.png"), expected)


def test_interrupt_before_anything_leaves_nothing(fit, tmp_path, monkeypatch):
    interrupt_after(0, monkeypatch)
    assert fit(PICTURES["gray 8"], *SHORT)[0] == 130
    assert set(files(tmp_path)) == {"in.png", "prior.npz"}


def test_bar_tells_iteration_loss_and_statistic(fit, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    _, _, err, _ = fit(PICTURES["gray 8"], "--sigma", 20, "--iterations", 4)
    drawn = [line.strip() for line in err.split("\r")]
    assert drawn[1].startswith("0%|")
    assert re.search(r"left, iteration 4, loss \d\.\d\de-\d\d, residual \d+\.\d\d sigma²", err)
    assert drawn[-1] == ""
    _, _, err, _ = fit(PICTURES["gray 8"], "--quiet", *SHORT)
    assert err == ""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--factor", 2, "--mask", "mask.png"], "--mask does not go with --factor"),
        (["--factor", 2, "--kernel", "k.npy"], "--factor does not go with --kernel"),
        (["--invert"], "--invert goes with --mask"),
        (["--checkpoint", "fit.txt"], "must end in .npz"),
        (["--checkpoint", "missing/fit.npz"], "no folder"),
        (["--device", "abacus"], "device must be one that torch has here, got 'abacus'"),
        (["--stop", "discrepancy"], "sigma must be > 0 for stop='discrepancy'"),
        (["--iterations", 0], "iterations must be"),
        (["--average", 1], "average must be"),
        (["--prior", "nothing"], "nothing"),
        (["--guide", "{}/in.png", "--factor", 2], "guide must have the"),
        (["--data-range", 0], "data_range must be"),
    ],
)
def test_mistakes_are_told_in_one_line(fit, tmp_path, options, text):
    options = [str(option).format(tmp_path) for option in options]
    code, out, err, found = fit(PICTURES["gray 8"], *options)
    assert (code, out, err.count("\n"), found) == (2, "", 1, None)
    assert text in err


def test_too_small(fit):
    code, _, err, _ = fit(PICTURES["gray 8"][:20], *SHORT)
    assert (code, "at least 32 pixels a side" in err) == (2, True)


def test_too_large(fit, monkeypatch):
    monkeypatch.setattr("fastepll.neural.cost.available", lambda: 1e8)
    code, _, err, _ = fit(PICTURES["gray 8"], *SHORT)
    assert (code, err.count("\n")) == (2, 1)
    assert "GB of memory" in err


def test_without_torch(fit, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "fastepll.neural.device", raising=False)
    monkeypatch.setattr(fastepll, "deep_image_prior", lambda *_, **__: pytest.fail("computed"))
    code, out, err, found = fit(PICTURES["gray 8"])
    assert (code, out, err.count("\n"), found) == (2, "", 1, None)
    assert 'pip install "fastepll[lab]"' in err
