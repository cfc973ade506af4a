"""JPEG files by Pillow, with EXIF, XMP, Photoshop's resources, profile and comment."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from fastepll.cli.pictures.exif import Entry, read_block, write_block
from fastepll.cli.pictures.picture import Picture, check_size
from fastepll.cli.pictures.png import lost_chunks

EXIF = b"Exif\0\0"
XMP, MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
READ = (b"JFIF\0", b"Adobe", b"ICC_PROFILE\0", EXIF)  # by Pillow or here
APP1, APP13 = b"\xff\xe1", b"\xff\xed"
IPTC = 33723  # in TIFF files
LONGEST = 65533  # bytes of a segment
LARGEST_SIDE = 65500


def decode_jpeg(data: bytes) -> list[Picture]:
    """The picture in the bytes of a JPEG file."""
    from PIL import Image, UnidentifiedImageError

    try:
        image: Any = Image.open(io.BytesIO(data), formats=("JPEG",))
    except UnidentifiedImageError:
        raise ValueError("damaged JPEG file") from None
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"JPEG of colour mode {image.mode}; gray or RGB wanted")
    width, height = image.size
    check_size((height, width, 3), 1, len(data))
    image.load()
    info, more, photoshop, left = image.info, [], b"", []
    for name, body in image.applist:
        if body.startswith(MORE_XMP):
            more.append(body)
        elif body.startswith(PHOTOSHOP):
            photoshop += body[len(PHOTOSHOP) :]
        elif name != "COM" and not body.startswith((XMP, *READ)):
            word = body[:24].partition(b"\0")[0].decode("ascii", "replace")
            left.append(f"JPEG {name} {word if word.isprintable() else ''}".rstrip())
    dpi, (x, y) = info.get("dpi"), info.get("jfif_density", (1, 1))
    if info.get("jfif_unit") == 0 and x != y:
        left.append(f"pixels of {y}:{x}")
    packets = [body[len(XMP) :] for _, body in image.applist if body.startswith(XMP)]
    if (frames := getattr(image, "n_frames", 1)) > 1:
        left.append(f"{frames - 1} further pictures")
    return [
        Picture(
            np.asarray(image),
            icc=info.get("icc_profile"),
            exif=info.get("exif", b"").removeprefix(EXIF) or None,
            dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
            xmp=packets[0] if packets else None,
            photoshop=photoshop or None,
            comment=info.get("comment"),
            native={"jpeg": more} if more else {},
            left=list(dict.fromkeys(left)),
        )
    ]


def encode_jpeg(frames: list[Picture], lost: list[str]) -> bytes:
    """Bytes of a JPEG file; what it cannot hold is told."""
    from PIL import Image

    (picture,) = frames
    lost += lost_chunks(picture)
    segments = [(APP1, body) for body in picture.native.get("jpeg", [])]
    if picture.xmp is not None:
        segments.insert(0, (APP1, XMP + picture.xmp))
    if (resources := picture.photoshop or resources_of(picture.exif)) is not None:
        segments.append((APP13, PHOTOSHOP + resources))
    extra = b""
    for marker, body in segments:
        if len(body) > LONGEST:
            lost.append(f"{len(body)} bytes of {'XMP' if marker == APP1 else 'IPTC'}")
        else:
            extra += marker + struct.pack(">H", len(body) + 2) + body
    options: dict[str, Any] = {"extra": extra}
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    if picture.comment is not None:
        options["comment"] = picture.comment[:LONGEST]
    if picture.exif is not None and (exif := fitting(picture.exif, lost)):
        options["exif"] = EXIF + exif
    if picture.dpi is not None:
        if max(picture.dpi) < 65535.5:
            options["dpi"] = picture.dpi
        elif 282 not in read_block(picture.exif):
            lost.append("the resolution")
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    image.save(buffer, "JPEG", quality=95, subsampling=0, **options)
    return buffer.getvalue()


def resources_of(exif: bytes | None) -> bytes | None:
    """The IPTC records of a TIFF file as the resources of Photoshop that JPEG has them in."""
    records = read_block(exif).get(IPTC)
    if not isinstance(records, Entry):
        return None
    length = len(records.data)
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", length) + records.data + b"\0" * (length % 2)


def fitting(exif: bytes, lost: list[str]) -> bytes:
    """The EXIF block without the longest of its tags, if it is too long for a segment."""
    directory = read_block(exif)
    while len(exif) + len(EXIF) > LONGEST and directory:
        lengths = {
            code: len(write_block(value)) if isinstance(value, dict) else len(value.data)
            for code, value in directory.items()
        }
        longest = max(lengths, key=lambda code: lengths[code])
        lost.append(f"tag {longest} of {lengths[longest]} bytes")
        del directory[longest]
        exif = write_block(directory)
    return exif
