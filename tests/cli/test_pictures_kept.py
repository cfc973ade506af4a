"""Picture files: what describes a picture survives, from every format to every format."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from fastepll.cli.pictures import enlarge, read_frames, read_picture, rehearse, write_frames
from fastepll.cli.pictures.exif import CAMERA, GPS, Entry, read_block, write_block

from .picture_files import ICC, PICTURES, PIL, tifffile

SUFFIXES = ("jpg", "png", "tif")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- \xc3\xa4 --></x:xmpmeta>'
RESOURCES = b"8BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x19\0\x05K\xc3\xb6ln"
TAGS = {
    "orientation": (274, Entry(3, b"\6\0")),
    "artist": (315, Entry(2, "Müller\0".encode())),
    "white": (318, Entry(5, struct.pack("<4I", 5, 16, 1, 4))),
    "exposure": (CAMERA, {33434: Entry(5, struct.pack("<II", 1, 80))}),
    "lens": (CAMERA, {42036: Entry(2, "Objektiv Ä\0".encode())}),
    "maker note": (CAMERA, {37500: Entry(7, bytes(range(256)))}),
    "latitude": (GPS, {2: Entry(5, struct.pack("<6I", 48, 1, 6, 1, 30, 1))}),
}
KINDS = (*TAGS, "icc", "dpi", "xmp", "comment")


def all_tags():
    directory = {}
    for code, value in TAGS.values():
        directory[code] = directory.get(code, {}) | value if isinstance(value, dict) else value
    return directory


def make(path):
    """A file with everything, written by Pillow; its directories of EXIF are read by it too."""
    image, block = PIL.fromarray(PICTURES["rgb 8"]), b"Exif\0\0" + write_block(all_tags())
    kept = {"icc_profile": ICC, "dpi": (300, 150)}
    if path.suffix == ".jpg":
        segment = b"http://ns.adobe.com/xap/1.0/\0" + XMP
        extra = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
        segment = b"Photoshop 3.0\0" + RESOURCES
        extra += b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
        image.save(path, exif=block, extra=extra, comment="Grüße".encode(), **kept)
    elif path.suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info.add_itxt("Comment", "Grüße", zip=True)
        image.save(path, exif=block, pnginfo=info, **kept)
    else:
        exif = PIL.Exif()
        exif.load(block)
        exif[270], exif[315], exif[700] = "Grüße".encode(), "Müller".encode(), XMP
        exif.get_ifd(CAMERA)[42036] = "Objektiv Ä".encode()
        image.save(path, exif=exif, **kept)


def found(path, kind):
    """What Pillow reads of that kind."""
    with PIL.open(path) as image:
        exif, info, data = image.getexif(), image.info, path.read_bytes()
        if kind == "icc":
            return info["icc_profile"]
        if kind == "dpi":
            return tuple(round(float(one)) for one in info["dpi"])
        if kind == "xmp":
            return XMP in data
        if kind == "comment":
            text = exif[270] if 270 in exif else info.get("comment", info.get("Comment"))
            return (
                text
                if isinstance(text, bytes)
                else text.encode(
                    "utf-8" if path.suffix == ".png" and 270 not in exif else "latin-1"
                )
            )
        code, value = TAGS[kind]
        tags = exif
        if isinstance(value, dict):
            tags, (code,) = exif.get_ifd(code), value
        got = tags[code]
        return got.encode("latin-1") if isinstance(got, str) else got


EXPECTED = {
    "orientation": 6,
    "artist": "Müller".encode(),
    "white": (5 / 16, 1 / 4),
    "exposure": pytest.approx(1 / 80),
    "lens": "Objektiv Ä".encode(),
    "maker note": bytes(range(256)),
    "latitude": (48, 6, 30),
    "icc": ICC,
    "dpi": (300, 150),
    "xmp": True,
    "comment": "Grüße".encode(),
}


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    """Files of every format from every format, "jpg-png.png" the PNG from the JPEG."""
    folder = tmp_path_factory.mktemp("carried")
    for source in SUFFIXES:
        make(folder / f"in.{source}")
        for target in SUFFIXES:
            frames = read_frames(str(folder / f"in.{source}"))
            write_frames(str(folder / f"{source}-{target}.{target}"), frames)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_from_every_format_to_every_format(carried, source, target, kind):
    assert found(carried / f"in.{source}", kind) == EXPECTED[kind]
    assert found(carried / f"{source}-{target}.{target}", kind) == EXPECTED[kind]
    back = read_picture(str(carried / f"{source}-{target}.{target}"))
    if target != "jpg":
        np.testing.assert_array_equal(
            back.pixels, read_picture(str(carried / f"in.{source}")).pixels
        )


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_files_that_say_nothing(tmp_path, source, target):
    paths = [tmp_path / f"in.{source}", tmp_path / f"out.{target}"]
    PIL.fromarray(PICTURES["rgb 8"]).save(paths[0])
    frames = read_frames(str(paths[0]))
    assert rehearse(str(paths[1]), frames) == []
    write_frames(str(paths[1]), frames)
    with PIL.open(paths[1]) as image:
        assert image.info.get("dpi", (1, 1)) == (1, 1)
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info)


def test_resources_of_photoshop(carried):
    assert read_picture(str(carried / "jpg-jpg.jpg")).photoshop == RESOURCES
    assert read_picture(str(carried / "jpg-tif.tif")).photoshop == RESOURCES
    lost = rehearse("out.png", read_frames(str(carried / "in.jpg")))
    assert lost == ["Photoshop's resources (IPTC)"]


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


CHUNKS = {
    b"cICP": b"\x09\x10\x00\x01",
    b"mDCV": bytes(range(24)),
    b"cLLI": bytes(range(8)),
    b"sBIT": b"\5\6\5",
    b"gAMA": struct.pack(">I", 100000),
    b"bKGD": bytes(6),
    b"prVt": b"of some program, safe to copy",
}


def test_png_chunks(tmp_path):
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    PIL.fromarray(PICTURES["rgb 8"]).save(source)
    data = source.read_bytes()
    extra = b"".join(chunk(*one) for one in (CHUNKS | {b"prVT": b"unsafe"}).items())
    source.write_bytes(data[:33] + extra + data[33:])
    frames = read_frames(str(source))
    assert rehearse(str(target), frames) == ["PNG prVT"]
    write_frames(str(target), frames)
    result = target.read_bytes()
    assert all(chunk(*one) in result for one in CHUNKS.items())
    told = rehearse("out.jpg", frames)
    assert set(told) == {f"PNG {name.decode()}" for name in (*CHUNKS, b"prVT")}


def test_what_segments_of_jpeg_are_not_kept_is_told(tmp_path):
    path = tmp_path / "in.jpg"
    extra = b"\xff\xeb" + struct.pack(">H", 10) + b"JP\0\1more"
    PIL.fromarray(PICTURES["gray 8"]).save(path, extra=extra)
    assert rehearse("out.jpg", read_frames(str(path))) == ["JPEG APP11 JP"]


def test_what_is_too_long_for_jpeg_is_left_out_and_told(tmp_path):
    text = "µ" * 40_000
    tifffile.imwrite(
        tmp_path / "in.tif",
        PICTURES["gray 8"],
        description=text.encode(),
        metadata=None,
        resolution=(250_000, 250_000),
        resolutionunit="INCH",
        extratags=[(315, 2, 0, "somebody", True)],
    )
    frames = read_frames(str(tmp_path / "in.tif"))
    assert rehearse(str(tmp_path / "out.jpg"), frames) == ["tag 270 of 80001 bytes"]
    write_frames(str(tmp_path / "out.jpg"), frames)
    with PIL.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[315] == "somebody"
        assert image.getexif()[282] == 250_000


OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME><Image ID="Image:0"><Pixels ID="Pixels:0" '
    'SizeX="56" SizeY="40" SizeZ="1" PhysicalSizeX="0.65" PhysicalSizeY="1.3e-1" '
    'PhysicalSizeXUnit="µm" Type="uint8"/></Image></OME>'
)


def test_sizes_of_larger_pictures(tmp_path):
    directory = {
        270: Entry(2, OME.encode() + b"\0"),
        282: Entry(5, struct.pack("<II", 4_000_000_000, 4_000_000)),
        283: Entry(5, struct.pack("<II", 5, 2)),
        296: Entry(3, b"\1\0"),
        33922: Entry(12, struct.pack("<12d", *range(12))),
        34264: Entry(12, struct.pack("<16d", *range(16))),
        CAMERA: {40962: Entry(3, b"\x38\0"), 40963: Entry(4, b"\x28\0\0\0")},
    }
    path = str(tmp_path / "in.tif")
    packet = b'<rdf tiff:ImageWidth="56"><exif:PixelYDimension>40</exif:PixelYDimension></rdf>'
    tifffile.imwrite(path, PICTURES["gray 8"], metadata=None)
    (picture,) = read_frames(path)
    picture = replace(picture, exif=write_block(directory), xmp=packet)
    larger = enlarge(picture, 3)
    tags = read_block(larger.exif)
    text = tags[270].data.decode()
    assert 'SizeX="168" SizeY="120" SizeZ="1"' in text
    assert f'PhysicalSizeX="{0.65 / 3!r}" PhysicalSizeY="{0.13 / 3!r}"' in text
    assert 'PhysicalSizeXUnit="µm"' in text
    x, y = tags[282].numbers, tags[283].numbers
    assert x[0] / x[1] == pytest.approx(3000, rel=1e-6)
    assert y.tolist() == [15, 2]
    assert tags[33922].numbers.tolist() == [0, 3, 2, 3, 4, 5, 18, 21, 8, 9, 10, 11]
    assert tags[34264].numbers[:6] == pytest.approx([0, 1 / 3, 2, 3, 4 / 3, 5 / 3])
    assert [int(tags[CAMERA][code].numbers[0]) for code in (40962, 40963)] == [168, 120]
    assert larger.xmp == packet.replace(b"56", b"168").replace(b"40", b"120")
