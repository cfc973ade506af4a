"""The command line: what files keep, what mistakes are told, what is never left behind."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import fastepll
from fastepll import cli
from fastepll._files import Picture, PictureError, read_picture, write_picture
from fastepll.typing import Quality

from .scenes import noisy, rms, scene, smooth_mixture

PIL = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")

CLEAN = scene(40, 56)
GRAY = noisy(CLEAN, 0.08).clip(0, 1)
RGB = noisy(np.stack([CLEAN, 1 - CLEAN, CLEAN / 2], -1), 0.08).clip(0, 1)
ALPHA = np.arange(40 * 56).reshape(40, 56, 1) / (40 * 56)
ICC = b"profile" * 20


@pytest.fixture
def model(tmp_path: Path) -> str:
    """File of a small prior."""
    path = tmp_path / "prior.npz"
    smooth_mixture().save(path)
    return str(path)


@pytest.fixture
def run(model, capsys):
    """Run a command with that prior; exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        options = ["--model", model] if arguments[0] in ("denoise", "demo") else []
        code = cli.main([*map(str, arguments), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def pixels(image, dtype):
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


PICTURES = {
    "gray 8": pixels(GRAY, np.uint8),
    "gray 16": pixels(GRAY, np.uint16),
    "rgb 8": pixels(RGB, np.uint8),
    "rgb 16": pixels(RGB, np.uint16),
    "gray alpha 8": pixels(np.dstack([GRAY, ALPHA]), np.uint8),
    "gray alpha 16": pixels(np.dstack([GRAY, ALPHA]), np.uint16),
    "rgba 8": pixels(np.dstack([RGB, ALPHA]), np.uint8),
    "rgba 16": pixels(np.dstack([RGB, ALPHA]), np.uint16),
}


def read_independently(path: Path) -> np.ndarray:
    return (tifffile.imread if path.suffix == ".tif" else imagecodecs.imread)(str(path))


def write_independently(path: Path, image: np.ndarray) -> None:
    if path.suffix == ".tif":
        kind = "rgb" if image.shape[2:] in ((3,), (4,)) else "minisblack"
        extra = ["unassalpha"] if image.shape[2:] in ((2,), (4,)) else None
        tifffile.imwrite(path, image, photometric=kind, extrasamples=extra, compression="lzw")
    else:
        path.write_bytes(imagecodecs.png_encode(image))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", PICTURES)
def test_depth_colour_and_alpha_survive(run, tmp_path, model, name, suffix):
    image = PICTURES[name]
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write_independently(source, image)
    top = np.iinfo(image.dtype).max
    code, _, _ = run("denoise", source, target, "--sigma", 0.08 * top)
    assert code == 0
    result = read_independently(target)
    assert result.dtype == image.dtype
    assert result.shape == image.shape
    n = {2: 1, 4: 3}.get(image.shape[-1] if image.ndim == 3 else 0)
    noise, rest = (image, result) if n is None else (image[..., :n], result[..., :n])
    if n is not None:
        np.testing.assert_array_equal(result[..., n:], image[..., n:])
    gray = noise.squeeze().ndim == 2
    expected = fastepll.denoise(
        noise.squeeze(), 0.08 * top, model=model, channel_axis=None if gray else -1
    )
    np.testing.assert_array_equal(rest.squeeze(), expected)
    if image.dtype == np.uint16:
        assert len(np.unique(rest & 255)) > 200  # the low bytes are in use


def test_jpeg(run, tmp_path):
    source, target = tmp_path / "in.jpg", tmp_path / "out.jpeg"
    exif = PIL.Exif()
    exif[271], exif[274] = "Maker", 6
    PIL.fromarray(PICTURES["rgb 8"]).save(
        source, quality=98, subsampling=0, dpi=(300, 200), exif=exif, icc_profile=ICC
    )
    assert run("denoise", source, target, "--sigma", 20)[0] == 0
    with PIL.open(target) as result:
        assert (result.mode, result.size) == ("RGB", (56, 40))
        assert result.info["dpi"] == (300, 200)
        assert result.info["icc_profile"] == ICC
        assert (result.getexif()[271], result.getexif()[274]) == ("Maker", 6)
        restored = np.asarray(result) / 255
    clean = np.stack([CLEAN, 1 - CLEAN, CLEAN / 2], -1)
    assert rms(restored - clean) < 0.5 * rms(RGB - clean)


def test_png_keeps_what_describes_it(run, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    source, target = tmp_path / "in.png", tmp_path / "out.png"
    info = PngInfo()
    info.add_text("Title", "a sunny day")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    exif = PIL.Exif()
    exif[272] = "Model"
    PIL.fromarray(PICTURES["gray 8"]).save(
        source, pnginfo=info, dpi=(300, 300), exif=exif, icc_profile=ICC
    )
    assert run("denoise", source, target)[0] == 0
    with PIL.open(source) as before, PIL.open(target) as after:
        after.load()
        assert after.text == {"Title": "a sunny day"}
        assert after.getexif()[272] == "Model"
        for key in ("dpi", "icc_profile", "gamma"):
            assert after.info[key] == before.info[key]


def test_tiff_keeps_what_describes_it(run, tmp_path):
    source, target = tmp_path / "in.tif", tmp_path / "out.tiff"
    tifffile.imwrite(
        source,
        PICTURES["rgb 16"],
        photometric="rgb",
        compression="deflate",
        iccprofile=ICC,
        resolution=(100, 50),
        resolutionunit="CENTIMETER",
        description="a sunny day",
        software="a camera",
        metadata=None,
        extratags=[(274, 3, 1, 6, True), (33432, 2, 0, "somebody", True)],
    )
    assert run("denoise", source, target)[0] == 0
    with tifffile.TiffFile(target) as result:
        tags = result.pages[0].tags
        assert tags[34675].value == ICC
        assert tags[270].value == "a sunny day"
        assert tags[305].value == "a camera"
        assert tags[33432].value == "somebody"
        assert tags[274].value == 6
        assert result.pages[0].compression.name == "ADOBE_DEFLATE"
    assert read_picture(str(target)).dpi == pytest.approx((254, 127))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_other_format_keeps_profile_and_resolution(tmp_path, suffix):
    picture = Picture(PICTURES["rgb 8"], None, ICC, b"II*\0\x08\0\0\0\0\0\0\0\0\0", (300.0, 150.0))
    path = str(tmp_path / f"out{suffix}")
    write_picture(path, picture)
    result = read_picture(path)
    assert result.icc == ICC
    assert result.dpi == pytest.approx((300, 150), rel=1e-3)
    if suffix == ".png":
        assert result.exif == picture.exif


def test_palette_and_key_colour_become_channels(tmp_path):
    PIL.fromarray(PICTURES["rgb 8"]).convert("P").save(tmp_path / "palette.png")
    picture = read_picture(str(tmp_path / "palette.png"))
    assert (picture.pixels.shape, picture.extra) == ((40, 56, 3), None)
    PIL.fromarray(PICTURES["gray 8"]).save(tmp_path / "key.png", transparency=128)
    picture = read_picture(str(tmp_path / "key.png"))
    np.testing.assert_array_equal(picture.extra[..., 0] == 0, PICTURES["gray 8"] == 128)


def test_planar_tiff_and_floats(run, tmp_path):
    path = str(tmp_path / "planar.tif")
    tifffile.imwrite(path, np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_picture(path).pixels, RGB)
    source, target = tmp_path / "float.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, np.float32(1000 * GRAY))
    code, _, err = run("denoise", source, target, "--sigma", 80)
    assert (code, "data_range" in err) == (2, True)
    assert run("denoise", source, target, "--sigma", 80, "--data-range", 1000)[0] == 0
    result = tifffile.imread(target)
    assert result.dtype == np.float32
    assert rms(result / 1000 - CLEAN) < 0.5 * rms(GRAY - CLEAN)


def test_reports_and_keeps_quiet(run, tmp_path):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    code, out, err = run("denoise", tmp_path / "in.png", tmp_path / "a.png", "--threads", 1)
    assert (code, err) == (0, "")  # no terminal: no bar
    assert "56x40 gray, 8 bit; sigma 2" in out
    assert "(estimated)" in out
    assert "1 threads" in out
    result = run("denoise", tmp_path / "in.png", tmp_path / "b.png", "--quiet")
    assert result == (0, "", "")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_quality(run, tmp_path, model):
    source = tmp_path / "in.png"
    write_independently(source, PICTURES["gray 8"])
    for quality in get_args(Quality):
        target = tmp_path / f"{quality}.png"
        assert run("denoise", source, target, "--sigma", 20, "--quality", quality)[0] == 0
        expected = fastepll.denoise(PICTURES["gray 8"], 20, model=model, quality=quality)
        np.testing.assert_array_equal(read_independently(target), expected)
    assert run("denoise", source, tmp_path / "out.png", "--sigma", 20)[0] == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "balanced.png").read_bytes()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_overwrites_only_when_told(run, tmp_path):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    (tmp_path / "out.png").write_text("precious")
    before = files(tmp_path)
    code, out, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "it exists" in err
    assert files(tmp_path) == before
    assert run("denoise", tmp_path / "in.png", tmp_path / "out.png", "--overwrite")[0] == 0
    assert set(files(tmp_path)) == set(before)
    assert read_picture(str(tmp_path / "out.png")).pixels.shape == (40, 56)


def test_in_place(run, tmp_path):
    path = tmp_path / "in.png"
    write_independently(path, PICTURES["gray 8"])
    (tmp_path / "link.png").symlink_to(path)
    assert run("denoise", path, tmp_path / "link.png", "--overwrite")[0] == 0
    assert (tmp_path / "link.png").is_symlink()
    assert rms(read_independently(path) / 255 - CLEAN) < 0.5 * rms(GRAY - CLEAN)


def make_bad_files(folder: Path) -> None:
    good = {suffix: folder / f"good{suffix}" for suffix in (".png", ".tif")}
    for path in good.values():
        write_independently(path, PICTURES["rgb 16"])
    PIL.fromarray(PICTURES["rgb 8"]).save(folder / "good.jpg")
    for name in ("good.png", "good.tif", "good.jpg"):
        data = (folder / name).read_bytes()
        for length in (5, 30, 300, len(data) // 2):
            (folder / f"cut{length}-{name}").write_bytes(data[:length])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir()
    PIL.fromarray(PICTURES["rgb 8"]).convert("CMYK").save(folder / "cmyk.jpg")
    PIL.fromarray(PICTURES["rgb 8"]).save(folder / "other.bmp")
    tifffile.imwrite(folder / "stack.tif", np.zeros((3, 40, 40), "u1"), photometric="minisblack")
    tifffile.imwrite(folder / "integers.tif", np.zeros((40, 40), "i4"))
    tifffile.imwrite(folder / "nan.tif", np.full((40, 40), np.nan, "f4"))
    tifffile.imwrite(folder / "complex.tif", np.zeros((40, 40), "c8"))
    write_independently(folder / "tiny.png", np.zeros((5, 40), np.uint8))


def test_bad_files(run, tmp_path):
    make_bad_files(tmp_path)
    bad = [path for path in tmp_path.iterdir() if path.suffix != ".npz"]
    bad = [path for path in bad if not path.name.startswith("good")] + [tmp_path / "missing.png"]
    assert len(bad) == 23
    before = files(tmp_path)
    for path in bad:
        code, out, err = run("denoise", path, tmp_path / "out.tif")
        assert (code, out, err.count("\n")) == (2, "", 1), path
        assert err.startswith("fastepll: error: "), path
        assert str(path) in err or "image must" in err, path
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("missing/out.png", "no folder"),
        ("out.bmp", "must end in"),
        ("out", "must end in"),
        ("folder.png", "it is a folder"),
        ("out.jpg", "JPEG cannot hold 56x40 RGB, 16 bit"),
    ],
)
def test_bad_outputs(run, tmp_path, monkeypatch, output, text):
    monkeypatch.setattr(fastepll, "denoise", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "folder.png").mkdir()
    write_independently(tmp_path / "in.png", PICTURES["rgb 16"])
    code, _, err = run("denoise", tmp_path / "in.png", tmp_path / output)
    assert (code, err.count("\n")) == (2, 1)
    assert text in err


def test_png_holds_no_floats(tmp_path):
    with pytest.raises(PictureError, match="PNG cannot hold 56x40 gray, 64 bit float"):
        write_picture(str(tmp_path / "out.png"), Picture(GRAY))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--sigma", -1], "sigma must be >= 0"),
        (["--sigma", 1e9], "sigma must be at most"),
        (["--threads", 0], "n_threads must be in"),
        (["--model", "nothing.npz"], "nothing.npz"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_bad_options(model, tmp_path, capsys, arguments, text):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    options = [] if "--model" in arguments else ["--model", model]
    paths = [str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert cli.main(["denoise", *paths, *options, *map(str, arguments)]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("argv", [[], ["polish"], ["denoise"], ["demo", "--sigma", "x"]])
def test_usage_errors(argv, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)
    assert "usage: fastepll" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["fastepll.denoise", "fastepll._files.os.replace"])
def test_interrupt_leaves_nothing(run, tmp_path, monkeypatch, stage):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    before = files(tmp_path)
    monkeypatch.setattr(stage, interrupt)
    assert run("denoise", tmp_path / "in.png", tmp_path / "out.png")[0] == 130
    assert files(tmp_path) == before


def test_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    before = files(tmp_path)
    monkeypatch.setattr("fastepll._files.os.replace", fail)
    code, _, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "No space left on device" in err
    assert files(tmp_path) == before


def test_bar_on_a_terminal(run, tmp_path, monkeypatch):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    assert "100%" in err
    assert err.endswith("\r\033[K")


def test_demo(run, tmp_path):
    pytest.importorskip("skimage")
    target = tmp_path / "demo.png"
    code, out, _ = run("demo", "--out", target, "--sigma", 25)
    assert code == 0
    noisy_db, restored_db = map(float, re.findall(r"(\d+\.\d+) dB", out))
    assert noisy_db == pytest.approx(20.5, abs=0.3)
    assert restored_db > 26
    panels = read_picture(str(target)).pixels
    assert (panels.shape, panels.dtype) == ((512, 3 * 512 + 16), np.uint8)
    clean, restored = panels[:, :512] / 255, panels[:, -512:] / 255
    assert -20 * np.log10(rms(restored - clean)) == pytest.approx(restored_db, abs=0.05)
    assert run("demo", "--out", target)[0] == 2


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    assert "backend:" in out
    assert all(name in out.partition("models:")[2] for name in fastepll.list_models())


def test_train_without_torch(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "fastepll.train.api", raising=False)
    code, _, err = run("train", tmp_path, tmp_path / "prior.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'fastepll[train]'" in err


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == fastepll.__version__
