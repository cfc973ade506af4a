"""Picture files: PNG, JPEG and TIFF, read and written with what they carry."""

from fastepll.cli.pictures.enlarge import enlarge
from fastepll.cli.pictures.files import (
    INSTALL,
    check_output,
    read_frames,
    read_picture,
    rehearse,
    write_bytes,
    write_frames,
    write_picture,
)
from fastepll.cli.pictures.picture import Picture, PictureError

__all__ = [
    "INSTALL",
    "Picture",
    "PictureError",
    "check_output",
    "enlarge",
    "read_frames",
    "read_picture",
    "rehearse",
    "write_bytes",
    "write_frames",
    "write_picture",
]
