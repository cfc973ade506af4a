"""The command line's picture files: depth, colour, alpha and metadata survive."""

from __future__ import annotations

import numpy as np
import pytest

import fastepll
from fastepll.cli.pictures import Picture, PictureError, read_picture, write_picture

from ..scenes import rms
from .picture_files import (
    CLEAN,
    GRAY,
    ICC,
    PICTURES,
    PIL,
    RGB,
    read_independently,
    tifffile,
    write_independently,
)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", PICTURES)
def test_depth_colour_and_alpha_survive(run, tmp_path, prior_file, name, suffix):
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
        noise.squeeze(), 0.08 * top, model=prior_file, channel_axis=None if gray else -1
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
        resolution=(100, 50),
        resolutionunit="CENTIMETER",
        description="a sunny day",
        software="a camera",
        metadata=None,
        extratags=[
            (274, 3, 1, 6, True),
            (33432, 2, 0, "somebody", True),
            (34675, 7, len(ICC), ICC, True),
        ],
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


def test_png_holds_no_floats(tmp_path):
    with pytest.raises(PictureError, match="PNG cannot hold 56x40 gray, 64 bit float"):
        write_picture(str(tmp_path / "out.png"), Picture(GRAY))


@pytest.mark.parametrize("data_range", ["3000", "auto"])
@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float32"])
def test_tiff_of_other_numbers_keeps_its_dtype(run, tmp_path, dtype, data_range):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    low = 0 if dtype == "uint32" else -1000
    tifffile.imwrite(source, np.rint(3000 * GRAY + low).astype(dtype))
    code, _, err = run("denoise", source, target, "--sigma", 240)
    assert (code, err.count("\n"), "data_range" in err) == (2, 1, True)
    options = ("--sigma", 240, "--data-range", data_range)
    code, _, err = run("denoise", source, target, *options)
    assert (code, err) == (0, "")
    result = tifffile.imread(target)
    assert result.dtype == dtype
    assert rms((result - float(low)) / 3000 - CLEAN) < 0.5 * rms(GRAY - CLEAN)


def test_twelve_bits_in_uint16(run, tmp_path):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, np.rint(4095 * GRAY).astype(np.uint16))
    results = []
    for options in ((), ("--data-range", "auto"), ("--data-range", 4095)):
        code, _, err = run("denoise", source, target, "--sigma", 328, "--overwrite", *options)
        assert code == 0
        told = f"fastepll: warning: {source}: data_range is taken to be 65535"
        assert err.startswith(told) if not options else err == ""
        assert err.count("\n") == (not options)
        results.append(tifffile.imread(target))
    np.testing.assert_array_equal(results[1], results[2])
    assert rms(results[2] / 4095 - CLEAN) < 0.5 * rms(GRAY - CLEAN)
