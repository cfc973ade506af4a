"""Kernels and masks from files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.measurements import check_kernel
from fastepll.cli.pictures import PictureError, read_picture


def read_kernel(path: str, key: str | None, *, normalize: bool) -> NDArray[np.float64]:
    """Kernel from .npy, an array of .npz, or a gray picture, which is always normalised."""
    if is_array(path):
        values = read_array(path, key)
    else:
        values, normalize = read_picture(path).pixels, True
    if values.ndim != 2:
        raise PictureError(f"cannot use {path}: a kernel has 2 axes, got shape {values.shape}")
    try:
        kernel = check_kernel(values, None)
    except (TypeError, ValueError) as error:
        raise PictureError(f"cannot use {path}: {error}") from None
    if normalize:
        total = kernel.sum()
        if abs(total) < 1e-9 * np.abs(kernel).sum():
            raise PictureError(f"cannot use {path}: a kernel with sum 0 cannot be normalised")
        kernel = kernel / total
    return kernel


def read_mask(path: str, *, invert: bool) -> NDArray[np.bool_]:
    """Mask from .npy, .npz or a picture: True, unknown, where a channel is not 0.

    What is transparent was not painted: a picture with alpha is taken as it looks on black.
    """
    if path.lower().endswith((".jpg", ".jpeg")):
        raise PictureError(f"cannot use {path}: JPEG changes a mask's pixels; use .png")
    values, alpha = read_array(path, None) if is_array(path) else None, None
    if values is None:
        picture = read_picture(path)
        values, alpha = picture.pixels, picture.alpha
    if values.dtype.kind not in "buif" or values.ndim not in (2, 3):
        raise PictureError(
            f"cannot use {path}: a mask has 2 axes of numbers, got shape {values.shape} of "
            f"{values.dtype}"
        )
    mask: NDArray[np.bool_] = (values != 0) if values.ndim == 2 else (values != 0).any(axis=-1)
    if alpha is not None:
        mask &= alpha != 0
        if not (mask.any() or invert) and (alpha == 0).any() and alpha.any():
            raise PictureError(
                f"cannot use {path}: what is painted is black, which is known, and so is what is "
                "transparent; paint in white"
            )
    return ~mask if invert else mask


def is_array(path: str) -> bool:
    """Whether the name says that NumPy wrote it."""
    return path.lower().endswith((".npy", ".npz"))


def read_array(path: str, key: str | None) -> NDArray[Any]:
    """Array of a .npy file, or that of a .npz file with this name, or its only one."""
    names: list[str] = []
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            names = loaded.files
            if key is None and len(names) == 1:
                key = names[0]
            if key in names:
                array: NDArray[Any] = loaded[key]
                return array
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # damaged files raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise PictureError(f"cannot read {path}: {reason}") from None
    known = ", ".join(names[:20])
    wanted = "choose an array with --kernel-key" if key is None else f"no array {key}"
    raise PictureError(f"cannot use {path}: {wanted}: {known}")
