"""Options that several commands share, and what they mean to the library."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, get_args

from fastepll.cli.pictures import Picture
from fastepll.typing import BackendName, Quality

MASK = "picture (not JPEG) or .npy of the size of IN: unknown where it is neither 0 nor transparent"
"""What ``--help`` says of a mask."""


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all restorations of picture files share."""
    add = parser.add_argument
    add(
        "inputs",
        metavar="IN",
        nargs="+",
        help="PNG, JPEG or TIFF, gray or RGB, of 1 to 16 bit (1 to 7 are stretched to 8, 9 to 15 "
        "to 16), TIFF of other integers and floats too; alpha channels stay as they are",
    )
    add(
        "output",
        metavar="OUT",
        help="picture to write, in the format of its name, or a folder, for any number of IN",
    )
    add("--figure", metavar="PNG", help="before | after, as a picture (for OUT a folder: a folder)")
    add("--report", metavar="HTML", help="before and after with a slider, as a page for a browser")
    add(
        "--data-range",
        type=data_range,
        metavar="STEP",
        help="from black to white (255, 65535; 1 for floats), or auto, to take it from the values",
    )
    add("--stack", action="store_true", help="restore every page or frame of a TIFF")
    add("--overwrite", action="store_true", help="replace what exists")
    add("--quiet", action="store_true", help="print nothing but warnings and errors")


def data_range(text: str) -> float | str:
    """The number, or auto."""
    return text if text == "auto" else float(text)


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options of how any image is restored."""
    add = parser.add_argument
    add("--model", default="gray-8x8-200", help="name or file of the prior (%(default)s)")
    add("--quality", choices=get_args(Quality), default="balanced", help="(%(default)s)")
    add("--backend", choices=get_args(BackendName), help="(the fastest installed)")
    add("--threads", type=int, metavar="N", help="(all processors)")


def add_sigma(
    parser: argparse.ArgumentParser, default: float | None, *, absent: str = "estimated"
) -> None:
    """Add the noise; ``absent`` says what happens without it and a default."""
    parser.add_argument(
        "--sigma",
        type=float,
        default=default,
        help="standard deviation of the noise in the values of the file: of 255 for 8 bits, of "
        f"65535 for 16 bits ({absent if default is None else '%(default)s'})",
    )


def add_kernel(
    parser: argparse.ArgumentParser, *, required: bool, before: str = "", absent: str = ""
) -> None:
    """Options that say which kernel blurred, what for, and what is taken without one."""
    parser.add_argument(
        "--kernel",
        metavar="FILE",
        required=required,
        help=before + ".npy, .npz or a gray picture of the kernel" + absent,
    )
    parser.add_argument(
        "--kernel-key", metavar="NAME", help="array of the .npz file (the only one)"
    )
    parser.add_argument(
        "--normalize",
        action="store_true",
        help="divide the kernel by its sum (of a picture always)",
    )


def keywords(frames: Sequence[Picture], arguments: argparse.Namespace) -> dict[str, Any]:
    """What all tasks are called with."""
    of_volume = getattr(arguments, "volume", False)
    axes = {"spatial_axes": 3} if of_volume else {"stack": len(frames) > 1}
    return axes | {
        "model": arguments.model,
        "quality": arguments.quality,
        "channel_axis": -1 if frames[0].pixels.ndim == 3 else None,
        "data_range": arguments.data_range,
        "n_threads": arguments.threads,
        "backend": arguments.backend,
    }
