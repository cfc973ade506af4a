"""Picture files: pixels of every depth and kind come out right, stacks as stacks."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

import fastepll
from fastepll.cli.inputs import read_mask
from fastepll.cli.pictures import PictureError, read_frames, read_picture, rehearse, write_frames

from .picture_files import PICTURES, PIL, RGB, files, pixels, read_independently, tifffile

GRAY8 = PICTURES["gray 8"]
STACK = np.stack([GRAY8, 255 - GRAY8, GRAY8 // 2])


def write_tiff(path, values, bits, photometric, **tags):
    """A big-endian TIFF of one strip: depths and layouts that tifffile and Pillow do not write."""
    flat = (np.asarray(values)[..., None] >> np.arange(bits)[::-1]) & 1
    data = np.packbits(flat.reshape(len(flat), -1).astype(np.uint8), axis=1).tobytes()
    height, width, *more = np.shape(values)
    n = more[0] if more else 1
    entries = {256: [width], 257: [height], 258: [bits] * n, 259: [1], 262: [photometric]}
    entries |= {273: [8], 277: [n], 278: [height], 279: [len(data)]}
    entries |= {int(name[1:]): value for name, value in tags.items()}
    body, head = struct.pack(">2sHI", b"MM", 42, 0) + data, struct.pack(">H", len(entries))
    for code, value in sorted(entries.items()):
        kind = 2 if isinstance(value, bytes) else 3
        raw = value if kind == 2 else struct.pack(f">{len(value)}H", *value)
        body += b"\0" * (len(body) % 2)
        field = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(">I", len(body))
        body += raw if len(raw) > 4 else b""
        head += struct.pack(">HHI", code, kind, len(value)) + field
    body += b"\0" * (len(body) % 2)
    path.write_bytes(body[:4] + struct.pack(">I", len(body)) + body[8:] + head + bytes(4))


@pytest.mark.parametrize(
    ("photometric", "bits"),
    [(kind, n) for kind in (0, 1, 2) for n in (1, 2, 4, 6, 8, 10, 12, 14, 16) if kind < 2 or n > 1],
)
def test_every_depth_fills_its_range(tmp_path, bits, photometric):
    image = RGB if photometric == 2 else RGB[..., 0]
    values = np.rint(image * (2**bits - 1)).astype(np.int64)
    write_tiff(tmp_path / "in.tif", values, bits, photometric)
    picture = read_picture(str(tmp_path / "in.tif"))
    dtype = np.uint8 if bits <= 8 else np.uint16
    wanted = values / (2**bits - 1)
    wanted = pixels(1 - wanted if photometric == 0 else wanted, dtype)
    np.testing.assert_array_equal(picture.pixels, wanted)
    for suffix in ("png", "tif") if bits > 8 else ("png", "tif", "jpg"):
        target = tmp_path / f"out.{suffix}"
        write_frames(str(target), [picture])
        np.testing.assert_allclose(
            read_picture(str(target)).pixels, wanted, atol=30 if suffix == "jpg" else 0
        )
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert int(tiff.pages[0].photometric) == photometric  # also white is zero


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_shallow_png(tmp_path, mode, bits):
    values = GRAY8 >> (8 - bits)
    image = PIL.fromarray((values * (255 // (2**bits - 1))).astype(np.uint8))
    if mode == "1":
        image = image.convert("1", dither=0)
    elif mode == "P":
        image = image.convert("RGB").quantize(2**bits)
    image.save(tmp_path / "in.png", bits=bits)
    wanted = np.asarray(image.convert("RGB" if mode == "P" else "L"))
    np.testing.assert_array_equal(read_picture(str(tmp_path / "in.png")).pixels, wanted)


@pytest.mark.parametrize("high", [1, 256, 257])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_palettes_of_tiff(tmp_path, bits, high):
    colours = np.random.default_rng(0).integers(0, 256, (3, 2**bits))
    values = np.random.default_rng(1).integers(0, 2**bits, (40, 56))
    write_tiff(tmp_path / "in.tif", values, bits, 3, _320=(colours * high).ravel().tolist())
    picture = read_picture(str(tmp_path / "in.tif"))
    np.testing.assert_array_equal(picture.pixels, np.moveaxis(colours[:, values], 0, -1))


def test_multiplied_alpha_becomes_plain_in_png(tmp_path):
    colour, alpha = np.full((40, 56), 60, np.uint8), np.full((40, 56), 120, np.uint8)
    data = np.stack([colour, alpha], -1)
    options = {"photometric": "minisblack", "extrasamples": ["assocalpha"]}
    tifffile.imwrite(tmp_path / "in.tif", data, planarconfig="contig", **options)
    (picture,) = read_frames(str(tmp_path / "in.tif"))
    write_frames(str(tmp_path / "out.tif"), [picture])
    np.testing.assert_array_equal(read_independently(tmp_path / "out.tif"), data)
    write_frames(str(tmp_path / "out.png"), [picture])
    result = read_independently(tmp_path / "out.png")
    assert (result[..., 0] == 128).all()  # 60 of 120 are half of white
    assert (result[..., 1] == 120).all()


def test_channels_that_are_no_colour_are_told(run, tmp_path):
    data = np.stack([GRAY8] * 5, -1)
    tifffile.imwrite(tmp_path / "in.tif", data, photometric="minisblack", planarconfig="contig")
    frames = read_frames(str(tmp_path / "in.tif"))
    assert (frames[0].pixels.shape, frames[0].extra.shape) == ((40, 56), (40, 56, 4))
    code, _, err = run("denoise", tmp_path / "in.tif", tmp_path / "out.tif")
    assert code == 0
    told = "4 extra channels are not restored, but kept"
    assert err == f"fastepll: warning: {tmp_path / 'in.tif'}: {told}\n"
    np.testing.assert_array_equal(read_independently(tmp_path / "out.tif")[..., 1:], data[..., 1:])
    with pytest.raises(PictureError, match="PNG cannot hold"):
        rehearse("out.png", frames)


def write_imagej(path, stack):
    """As ImageJ does: all frames behind the one directory."""
    text = f"ImageJ=1.54f\nimages={len(stack)}\nslices={len(stack)}\nunit=micron\n".encode() + b"\0"
    write_tiff(path, stack[0], 8, 1, _270=text)
    data = path.read_bytes()
    place = len(data) + len(data) % 2
    whole = data.ljust(place, b"\0") + stack.tobytes()
    entry = whole.index(struct.pack(">HHIHH", 273, 3, 1, 8, 0))
    whole = whole[:entry] + struct.pack(">HHII", 273, 4, 1, place) + whole[entry + 12 :]
    path.write_bytes(whole)


STACKS = {
    "imagej": write_imagej,
    "imagej of tifffile": lambda path, stack: tifffile.imwrite(
        path, stack, imagej=True, resolution=(2.5, 1.25), metadata={"unit": "um", "axes": "ZYX"}
    ),
    "ome": lambda path, stack: tifffile.imwrite(
        path, stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeXUnit": "µm"}
    ),
    "pages": lambda path, stack: tifffile.imwrite(path, stack, photometric="minisblack"),
    "pillow": lambda path, stack: PIL.fromarray(stack[0]).save(
        path, save_all=True, append_images=[PIL.fromarray(one) for one in stack[1:]]
    ),
}


@pytest.mark.parametrize("kind", STACKS)
def test_stacks(run, tmp_path, prior_file, kind):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    STACKS[kind](source, STACK)
    np.testing.assert_array_equal(tifffile.imread(source), STACK)
    before = files(tmp_path)
    code, out, err = run("denoise", source, target, "--sigma", 20)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "it has 3 pictures; --stack restores each, --volume of denoise all together" in err
    code, _, err = run("denoise", source, tmp_path / "out.png", "--stack")
    assert (code, err.count("\n")) == (2, 1)
    assert "PNG cannot hold 3 pictures; use .tif" in err
    assert files(tmp_path) == before
    code, out, err = run("denoise", source, target, "--sigma", 20, "--stack")
    assert (code, err) == (0, "")
    assert "3 times 56x40 gray, 8 bit" in out
    result = tifffile.imread(target)
    expected = fastepll.denoise(STACK, 20, stack=True, model=prior_file)
    np.testing.assert_array_equal(result, expected)
    with tifffile.TiffFile(source) as one, tifffile.TiffFile(target) as other:
        assert other.series[0].axes[-3:] in ("ZYX", "IYX", "QYX")
        if "Q" not in one.series[0].axes and kind != "pillow":
            assert one.series[0].axes == other.series[0].axes
        for code in (282, 283, 296):
            assert one.pages[0].tags.valueof(code, (1, 1)) == other.pages[0].tags.valueof(
                code, (1, 1)
            ) or (code not in one.pages[0].tags)


@pytest.mark.parametrize("sigma", [20, None])
def test_volume(run, tmp_path, prior_file, sigma):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    volume = np.concatenate([STACK] * 3)
    STACKS["ome"](source, volume)
    given = [] if sigma is None else ["--sigma", sigma]
    code, out, err = run("denoise", source, target, "--volume", *given)
    assert (code, err) == (0, "")
    found = sigma or fastepll.estimate_sigma(volume, spatial_axes=3, model=prior_file)
    assert f"9 times 56x40 gray, 8 bit; sigma {found:.4g} (" in out
    expected = fastepll.denoise(volume, found, spatial_axes=3, model=prior_file)
    np.testing.assert_array_equal(tifffile.imread(target), expected)
    STACKS["ome"](source, volume[:3])
    code, _, err = run("denoise", source, target, "--volume", "--overwrite", *given)
    assert (code, err.count("\n")) == (2, 1)
    assert "voxels along each axis" in err
    code, _, err = run("denoise", source, target, "--volume", "--stack", "--overwrite", *given)
    assert (code, err.count("\n")) == (2, 1)
    assert "give one of them" in err


@pytest.mark.parametrize("sigma", [20, None])
def test_adapt(run, tmp_path, prior_file, sigma):
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    STACKS["ome"](source, STACK)
    given = [] if sigma is None else ["--sigma", sigma]
    code, out, err = run("denoise", source, target, "--stack", "--adapt", *given)
    assert (code, err) == (0, "")
    assert f"prior {prior_file}, adapted" in out
    own = fastepll.adapt(prior_file, STACK, sigma, stack=True)
    found = sigma or fastepll.estimate_sigma(STACK, stack=True, model=prior_file)
    expected = fastepll.denoise(STACK, found, stack=True, model=own)
    np.testing.assert_array_equal(tifffile.imread(target), expected)
    plain = fastepll.denoise(STACK, found, stack=True, model=prior_file)
    assert not np.array_equal(plain, expected)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("deblur", ["--kernel", "{}/kernel.npy"]),
        ("inpaint", ["--unknown-value", 0]),
        ("super-resolve", ["--factor", 2]),
        ("denoise", []),
    ],
)
def test_every_command_takes_stacks(run, tmp_path, command, options):
    np.save(tmp_path / "kernel.npy", np.full((3, 3), 1 / 9))
    frames = STACK.copy()
    frames[:, ::4, ::4] = 0
    tifffile.imwrite(tmp_path / "in.tif", frames, photometric="minisblack")
    options = [str(one).format(tmp_path) for one in options]
    figure = ["--figure", tmp_path / "figure.png"]
    code, _, err = run(
        command, tmp_path / "in.tif", tmp_path / "out.tif", *options, "--stack", *figure
    )
    assert (code, err) == (0, "")
    together = tifffile.imread(tmp_path / "out.tif")
    for k, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / "one.tif", frame)
        alone = tmp_path / f"alone{k}.tif"
        assert run(command, tmp_path / "one.tif", alone, *options)[0] == 0
        np.testing.assert_array_equal(together[k], tifffile.imread(alone))
    assert read_picture(str(tmp_path / "figure.png")).pixels.shape[0] == together.shape[1]


def test_pages_of_different_kinds_are_refused(run, tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(GRAY8, metadata=None)
        writer.write(GRAY8[:20], metadata=None)
    code, _, err = run("denoise", tmp_path / "in.tif", tmp_path / "out.tif", "--stack")
    assert (code, err.count("\n")) == (2, 1)
    assert "2 pages of different kinds" in err


def test_smaller_copies_are_left_out_and_told(run, tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(GRAY8, metadata=None)
        writer.write(GRAY8[::2, ::2], metadata=None, subfiletype=1)
    code, _, err = run("denoise", tmp_path / "in.tif", tmp_path / "out.tif")
    assert code == 0
    out = tmp_path / "out.tif"
    assert err == f"fastepll: warning: {out}: not kept: 1 smaller copies or masks\n"


def test_a_mask_that_was_painted_on_a_transparent_layer(tmp_path):
    colour, alpha = np.zeros((40, 56, 3), np.uint8), np.zeros((40, 56), np.uint8)
    colour[:, :30] = 255  # left of column 30 is white, but only rows 5 to 9 are opaque
    alpha[5:10], alpha[12] = 255, 1
    path = str(tmp_path / "mask.png")
    PIL.fromarray(np.dstack([colour, alpha])).save(path)
    mask = read_mask(path, invert=False)
    rows = np.isin(np.arange(40), [5, 6, 7, 8, 9, 12])
    np.testing.assert_array_equal(mask, rows[:, None] & (np.arange(56) < 30))
    np.testing.assert_array_equal(read_mask(path, invert=True), ~mask)
    PIL.fromarray(np.dstack([colour[..., 0], alpha])).save(path)
    np.testing.assert_array_equal(read_mask(path, invert=False), mask)
    PIL.fromarray(np.dstack([0 * colour, alpha])).save(path)
    with pytest.raises(PictureError, match="what is painted is black"):
        read_mask(path, invert=False)


@pytest.mark.parametrize("size", ["wide", "deep"])
def test_absurd_sizes_are_refused_before_memory_is_asked_for(tmp_path, size):
    path = tmp_path / "in.tif"
    write_tiff(path, GRAY8, 8, 1)
    data = bytearray(path.read_bytes())
    entry = data.index(struct.pack(">HHI", 256, 3, 1))
    data[entry : entry + 12] = struct.pack(">HHII", 256, 4, 1, 2**31 if size == "wide" else 2**26)
    path.write_bytes(data)
    with pytest.raises(PictureError, match=r"pixels in a file of \d+ bytes: damaged"):
        read_frames(str(path))
    png = tmp_path / "in.png"
    PIL.fromarray(GRAY8).save(png)
    data, side = bytearray(png.read_bytes()), 2**31 - 1 if size == "wide" else 2**20
    header = b"IHDR" + struct.pack(">II", side, side) + bytes(data[24:29])
    data[12:33] = header + struct.pack(">I", zlib.crc32(header))
    png.write_bytes(data)
    with pytest.raises(PictureError, match=r"pixels in a file of \d+ bytes: damaged"):
        read_frames(str(png))
