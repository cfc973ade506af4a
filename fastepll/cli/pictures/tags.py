"""The tags of TIFF files: which stay true, and what of them other formats hold elsewhere."""

from __future__ import annotations

import json

from fastepll.cli.pictures.exif import Directory, Entry, read_block
from fastepll.cli.pictures.picture import Picture
from fastepll.cli.pictures.png import lost_chunks

XMP, PHOTOSHOP, ICC, DESCRIPTION, SOFTWARE = 700, 34377, 34675, 270, 305
X, Y, UNIT = 282, 283, 296  # of the resolution
UNITS = {2: 1.0, 3: 2.54}  # inch, centimetre; per inch
PIXELS = frozenset(
    set(range(254, 533))
    - {*range(269, 273), 274, X, Y, *range(285, 288), UNIT, SOFTWARE, 306, 315, 316, 318, 319}
    - {333, 337}
)
"""Tags that say how pixels are laid out in the file, which its writer writes anew; between them are
those of name, description, make, orientation, resolution, dates, author and colour."""
PLACES = frozenset((330, *range(33628, 33632), 34412, 37724, 50215, 65420, 65421))
"""Tags that hold places in the old file or its pixels: of MetaMorph, Zeiss, Photoshop ..."""


def taken(tags: Directory, code: int) -> bytes | None:
    """The bytes of an entry, which is taken out."""
    entry = tags.pop(code, None)
    return entry.data if isinstance(entry, Entry) else None


def shapeless(text: Entry) -> Entry:
    """The description without the shape that tifffile writes there, and does not need."""
    if text.data.startswith(b"shape=("):
        return Entry(2, b"")
    if not text.data.startswith(b'{"shape"'):
        return text
    try:
        known = json.loads(text.data.rstrip(b"\0"))
        del known["shape"]
    except (ValueError, KeyError):
        return text
    return Entry(2, json.dumps(known).encode() + b"\0" if known else b"")


def dpi_of(tags: Directory) -> tuple[float, float] | None:
    """Pixels per inch, where the tags have them with a unit."""
    unit, *per = (tags.get(code) for code in (UNIT, X, Y))
    inches = UNITS.get(int(unit.numbers[0]) if isinstance(unit, Entry) else 2)
    pairs = [one.numbers for one in per if isinstance(one, Entry) and one.kind == 5]
    if inches is None or len(pairs) < 2 or not all(pair[1] and pair[0] for pair in pairs):
        return None
    x, y = (float(pair[0]) / float(pair[1]) * inches for pair in pairs)
    return x, y


def tags_of(picture: Picture, lost: list[str]) -> Directory:
    """The entries for a page: the EXIF block's, and what other formats hold elsewhere."""
    tags = {code: one for code, one in read_block(picture.exif).items() if code not in PIXELS}
    elsewhere = {XMP: picture.xmp, PHOTOSHOP: picture.photoshop, ICC: picture.icc}
    for code, blob in elsewhere.items():
        if blob is not None:
            tags[code] = Entry(1 if code == XMP else 7, blob)
    if picture.comment is not None and DESCRIPTION in tags:
        lost.append("the comment, beside a description")
    elif picture.comment is not None:
        tags[DESCRIPTION] = Entry(2, picture.comment.rstrip(b"\0") + b"\0")
    if picture.native.get("jpeg"):
        lost.append("extended XMP")
    lost += lost_chunks(picture)
    return tags
