"""fastepll deblur, inpaint and super-resolve: the functions' results, in files."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.cli import main
from fastepll.cli.inputs import read_kernel, read_mask
from fastepll.cli.pictures import read_picture
from fastepll.operators import Blur, Downsample, bicubic_kernel

from ..scenes import rms
from .picture_files import (
    ALPHA,
    CLEAN,
    ICC,
    PICTURES,
    PIL,
    files,
    pixels,
    read_independently,
    tifffile,
    write_independently,
)

KERNEL = np.outer([1, 2, 4, 2, 1], [1, 1, 1])
MASK = np.random.default_rng(0).random(CLEAN.shape) < 0.4


@pytest.fixture
def kernel(tmp_path):
    np.save(tmp_path / "kernel.npy", KERNEL)
    return tmp_path / "kernel.npy"


@pytest.fixture
def mask(tmp_path):
    write_independently(tmp_path / "mask.png", pixels(MASK, np.uint8))
    return tmp_path / "mask.png"


@pytest.mark.parametrize("boundary", ["valid", "periodic", "reflect"])
@pytest.mark.parametrize("name", ["gray 8", "rgba 16"])
def test_deblur(run, tmp_path, prior_file, kernel, name, boundary):
    image, source, target = PICTURES[name], tmp_path / "in.png", tmp_path / "out.png"
    write_independently(source, image)
    sigma = 0.08 * np.iinfo(image.dtype).max
    arguments = ("--kernel", kernel, "--normalize", "--sigma", sigma, "--boundary", boundary)
    code, out, err = run("deblur", source, target, *arguments)
    assert (code, err) == (0, "")
    assert "kernel 3x5, sigma" in out
    result = read_independently(target)
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    axis = -1 if image.ndim == 3 else None
    colour = image[..., :3] if axis else image
    expected = fastepll.deblur(
        colour,
        KERNEL / KERNEL.sum(),
        sigma,
        boundary=boundary,
        model=prior_file,
        channel_axis=axis,
    )
    np.testing.assert_array_equal(result[..., :3] if axis else result, expected)
    if axis:
        np.testing.assert_array_equal(result[..., 3:], image[..., 3:])


def test_deblur_estimates_the_noise(run, tmp_path, kernel):
    operator = Blur(KERNEL / KERNEL.sum(), CLEAN.shape)
    noise = 5 * np.random.default_rng(0).standard_normal(CLEAN.shape)
    blurred = np.rint((255 * operator.forward(CLEAN) + noise).clip(0, 255)).astype(np.uint8)
    write_independently(tmp_path / "in.png", blurred)
    options = ("--kernel", kernel, "--normalize", "--boundary", "periodic")
    code, out, _ = run("deblur", tmp_path / "in.png", tmp_path / "out.png", *options)
    assert code == 0
    assert "(estimated)" in out
    assert 4 < float(out.partition("sigma ")[2].split()[0]) < 6
    result = read_independently(tmp_path / "out.png") / 255
    assert rms(result - CLEAN) < 0.8 * rms(blurred / 255 - CLEAN)


def test_a_prior_of_colour_patches_and_no_sigma(tmp_path, capsys):
    rng = np.random.default_rng(0)
    noisy = np.dstack([CLEAN] * 3) + 0.1 * rng.standard_normal((*CLEAN.shape, 3))
    image = np.rint((255 * noisy).clip(0, 255)).astype(np.uint8)
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    write_independently(source, image)
    assert main(["denoise", str(source), str(target), "--model", "rgb-8x8-200"]) == 0
    assert "(estimated)" in capsys.readouterr().out
    expected = fastepll.denoise(image, model="rgb-8x8-200", channel_axis=-1)
    np.testing.assert_array_equal(read_independently(target), expected)


def test_one_range_for_the_pictures_of_a_stack(run, tmp_path, prior_file):
    frames = np.stack([4000 * CLEAN, 200 * CLEAN]).astype(np.uint16)
    mask = np.random.default_rng(0).random(CLEAN.shape) < 0.3
    np.save(tmp_path / "mask.npy", mask)
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "in.tif", frames, photometric="minisblack")
    options = ("--mask", tmp_path / "mask.npy", "--data-range", "auto", "--stack")
    assert run("inpaint", tmp_path / "in.tif", tmp_path / "out.tif", *options)[0] == 0
    expected = fastepll.inpaint(frames, mask, model=prior_file, data_range="auto", stack=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def test_no_noise_is_said(run, tmp_path):
    write_independently(tmp_path / "in.png", np.full((20, 30), 90, np.uint8))
    for more in ((), ("--quiet",)):
        target = tmp_path / f"out{len(more)}.png"
        code, out, err = run("denoise", tmp_path / "in.png", target, *more)
        assert code == 0
        source = tmp_path / "in.png"
        assert err.startswith(f"fastepll: warning: {source}: sigma was estimated as 0")
        assert err.count("\n") == 1
        assert err.endswith("give --sigma\n")
        assert ("sigma 0 (estimated)" in out) is not bool(more)


@pytest.mark.parametrize("name", ["gray 8", "rgb 16", "gray alpha 8"])
def test_inpaint(run, tmp_path, prior_file, mask, name):
    image, source, target = PICTURES[name], tmp_path / "in.png", tmp_path / "out.png"
    write_independently(source, image)
    figure = tmp_path / "figure.png"
    code, out, _ = run("inpaint", source, target, "--mask", mask, "--figure", figure)
    assert code == 0
    assert f"unknown {MASK.mean():.1%}, sigma 0 (given)" in out
    result = read_independently(target)
    np.testing.assert_array_equal(result[~MASK], image[~MASK])
    n = 1 if name.startswith("gray") else 3
    known = np.atleast_3d(image)
    expected = fastepll.inpaint(known[..., :n], MASK, model=prior_file, channel_axis=-1)
    np.testing.assert_array_equal(np.atleast_3d(result)[..., :n], expected)
    np.testing.assert_array_equal(np.atleast_3d(result)[..., n:], known[..., n:])
    panels = read_picture(str(figure)).pixels
    assert panels.shape[:2] == (40, 3 * 56 + 16)
    middle = panels[:, 64:120].reshape(*MASK.shape, -1)[..., 0]
    np.testing.assert_array_equal(middle == 255, MASK)


def test_inpaint_other_masks(run, tmp_path, mask):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    np.save(tmp_path / "mask.npy", MASK)
    write_independently(tmp_path / "known.png", pixels(np.dstack([~MASK] * 3), np.uint8))
    holes = np.where(MASK, 255, PICTURES["gray 8"].clip(0, 254))
    write_independently(tmp_path / "holes.png", holes.astype(np.uint8))
    results = []
    for i, options in enumerate(
        (
            ["in.png", "--mask", mask],
            ["in.png", "--mask", tmp_path / "mask.npy"],
            ["in.png", "--mask", tmp_path / "known.png", "--invert"],
            ["holes.png", "--unknown-value", 255],
        )
    ):
        source, target = tmp_path / options.pop(0), tmp_path / f"{i}.png"
        assert run("inpaint", source, target, *options)[0] == 0
        results.append(read_independently(target))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])
    expected = results[0][~MASK].clip(0, 254)
    np.testing.assert_array_equal(results[3][~MASK], expected)


def test_inpaint_unknown_nan(run, tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", np.where(MASK, np.nan, CLEAN).astype(np.float32))
    options = ("--unknown-value", "nan", "--figure", tmp_path / "figure.png")
    assert run("inpaint", tmp_path / "in.tif", tmp_path / "out.tif", *options)[0] == 0
    result = tifffile.imread(tmp_path / "out.tif")
    assert rms(result - CLEAN) < 0.05
    assert (read_picture(str(tmp_path / "figure.png")).pixels[:, :56][MASK] == 0).all()


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("name", ["gray 16", "rgba 8"])
def test_super_resolve(run, tmp_path, prior_file, name, factor):
    image, source, target = PICTURES[name], tmp_path / "in.png", tmp_path / "out.png"
    write_independently(source, image)
    figure = tmp_path / "figure.png"
    code, out, _ = run("super-resolve", source, target, "--factor", factor, "--figure", figure)
    assert code == 0
    assert f"{56 * factor}x{40 * factor}" in out
    result = read_independently(target)
    axis = -1 if image.ndim == 3 else None
    colour = image if axis is None else image[..., :3]
    expected = fastepll.super_resolve(colour, factor, model=prior_file, channel_axis=axis)
    if axis is None:
        np.testing.assert_array_equal(result, expected)
    else:
        np.testing.assert_array_equal(result[..., :3], expected)
        np.testing.assert_array_equal(result[::factor, ::factor, 3], image[..., 3])
        np.testing.assert_array_equal(result[factor - 1 :: factor, ::factor, 3], image[..., 3])
    panels = read_picture(str(figure)).pixels
    assert panels.shape[:2] == (40 * factor, 2 * 56 * factor + 8)
    shown = panels[: 40 * factor : factor, : 56 * factor : factor]
    np.testing.assert_array_equal(shown, np.rint(colour / (np.iinfo(image.dtype).max / 255)))


def test_super_resolve_with_a_kernel(run, tmp_path):
    bicubic = bicubic_kernel(2)
    small = Downsample(bicubic, CLEAN.shape, 2).forward(CLEAN)
    write_independently(tmp_path / "in.png", pixels(small.clip(0, 1), np.uint8))
    np.savez(tmp_path / "kernels.npz", bicubic=bicubic, other=np.ones((3, 3)))
    options = ("--kernel", tmp_path / "kernels.npz", "--kernel-key", "bicubic")
    assert run("super-resolve", tmp_path / "in.png", tmp_path / "a.png", *options)[0] == 0
    assert run("super-resolve", tmp_path / "in.png", tmp_path / "b.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_larger_pictures_keep_their_size_on_paper_and_on_the_map(run, tmp_path):
    PIL.fromarray(PICTURES["gray 8"]).save(tmp_path / "in.png", dpi=(300, 150), icc_profile=ICC)
    assert run("super-resolve", tmp_path / "in.png", tmp_path / "out.png", "--factor", 3)[0] == 0
    picture = read_picture(str(tmp_path / "out.png"))
    assert picture.icc == ICC
    assert picture.dpi == pytest.approx((900, 450), rel=1e-4)
    scale, ties = (2.0, 3.0, 0.0), (10.0, 20.0, 0.0, 100.0, 200.0, 0.0)
    tags = [(33550, 12, 3, scale, True), (33922, 12, 6, ties, True), (33432, 2, 0, "who", True)]
    tifffile.imwrite(tmp_path / "in.tif", PICTURES["gray 8"], extratags=tags, metadata=None)
    assert run("super-resolve", tmp_path / "in.tif", tmp_path / "out.tif")[0] == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        found = tiff.pages[0].tags
        assert found[33550].value == (1.0, 1.5, 0.0)
        assert found[33922].value == (20.0, 40.0, 0.0, 100.0, 200.0, 0.0)
        assert found[33432].value == "who"


def test_kernel_files(tmp_path):
    np.save(tmp_path / "a.npy", KERNEL)
    np.savez(tmp_path / "a.npz", only=KERNEL)
    write_independently(tmp_path / "a.png", KERNEL.astype(np.uint8))
    plain = [read_kernel(str(tmp_path / f"a.{s}"), None, normalize=False) for s in ("npy", "npz")]
    normal = [read_kernel(str(tmp_path / f"a.{s}"), None, normalize=True) for s in ("npy", "png")]
    for one in plain:
        np.testing.assert_array_equal(one, KERNEL)
    for one in normal:
        np.testing.assert_allclose(one, KERNEL / 30, rtol=1e-15)
    np.testing.assert_array_equal(
        read_kernel(str(tmp_path / "a.png"), None, normalize=False), normal[1]
    )
    assert read_mask(str(tmp_path / "a.npy"), invert=False).all()


def make_bad_kernels(folder):
    np.save(folder / "nan.npy", np.full((3, 3), np.nan))
    np.save(folder / "line.npy", np.ones(3))
    np.save(folder / "zero.npy", np.zeros((3, 3)))
    np.save(folder / "odd.npy", np.array([[1.0, -1.0]]))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "large.npy", np.ones((41, 3)))
    np.save(folder / "object.npy", np.array([[None]]), allow_pickle=True)
    np.savez(folder / "two.npz", first=KERNEL, second=KERNEL)
    (folder / "text.npy").write_text("no array")
    (folder / "text.npz").write_text("no arrays")
    (folder / "empty.npy").write_bytes(b"")
    (folder / "cut.npz").write_bytes((folder / "two.npz").read_bytes()[:100])
    write_independently(folder / "colour.png", PICTURES["rgb 8"][:5, :5])
    (folder / "text.png").write_text("no picture")


def test_bad_kernels(run, tmp_path):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    make_bad_kernels(kernels)
    before = files(tmp_path)
    for path in (*sorted(kernels.iterdir()), kernels / "missing.npy"):
        for command in ("deblur", "super-resolve"):
            if command == "super-resolve" and path.name == "large.npy":
                continue  # it fits into the large image
            code, out, err = run(
                command, tmp_path / "in.png", tmp_path / "out.png", "--kernel", path, "--normalize"
            )
            assert (code, out, err.count("\n")) == (2, "", 1), path
            assert path.name in err or "kernel must be no larger" in err, path
    assert files(tmp_path) == before
    key = ("--kernel", kernels / "two.npz", "--kernel-key", "third")
    _, _, err = run("deblur", tmp_path / "in.png", tmp_path / "out.png", *key)
    assert "no array third: first, second" in err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--mask", "{}/wide.png"], "mask must have the shape (40, 56) of the image, got (40, 57)"),
        (["--mask", "{}/full.png"], "mask must leave a pixel known"),
        (["--mask", "{}/mask.jpg"], "JPEG changes a mask's pixels"),
        (["--mask", "{}/line.npy"], "a mask has 2 axes"),
        (["--mask", "{}/missing.png"], "No such file"),
        (["--unknown-value", "3", "--invert"], "--invert goes with --mask"),
        (["--unknown-value", "7"], "mask must leave a pixel known"),
        (["--mask", "{}/some.png", "--sigma", "-1"], "sigma must be >= 0"),
    ],
)
def test_bad_masks(run, tmp_path, options, text):
    flat = np.full((40, 56), 7, np.uint8)
    write_independently(tmp_path / "in.png", flat)
    write_independently(tmp_path / "wide.png", np.eye(40, 57, dtype=np.uint8))
    write_independently(tmp_path / "some.png", np.eye(40, 56, dtype=np.uint8))
    write_independently(tmp_path / "full.png", flat)
    PIL.fromarray(flat).save(tmp_path / "mask.jpg")
    np.save(tmp_path / "line.npy", np.ones(4))
    before = files(tmp_path)
    options = [option.format(tmp_path) for option in options]
    code, out, err = run("inpaint", tmp_path / "in.png", tmp_path / "out.png", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "argv",
    [
        ["deblur", "in.png", "out.png"],
        ["inpaint", "in.png", "out.png"],
        ["inpaint", "in.png", "out.png", "--mask", "m.png", "--unknown-value", "0"],
        ["super-resolve", "in.png", "out.png", "--factor", "9"],
        ["super-resolve", "in.png"],
    ],
)
def test_usage(run, argv):
    with pytest.raises(SystemExit, match="2"):
        run(*argv)


def test_alpha_of_a_blurred_picture(run, tmp_path, kernel):
    write_independently(tmp_path / "in.png", PICTURES["gray alpha 16"])
    options = ("--kernel", kernel, "--normalize")
    assert run("deblur", tmp_path / "in.png", tmp_path / "out.png", *options)[0] == 0
    result = read_independently(tmp_path / "out.png")
    np.testing.assert_array_equal(result[..., 1:], pixels(ALPHA, np.uint16))
