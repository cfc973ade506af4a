"""Every validation of what users pass in, and nothing else."""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._threads import MAX_THREADS
from fastepll.models import GaussianMixture, load_model
from fastepll.typing import BackendName, Poll, Quality

Model: TypeAlias = "str | os.PathLike[str] | GaussianMixture"

DTYPES = tuple(np.dtype(t) for t in ("float16", "float32", "float64", "uint8", "uint16"))
MAX_RATIO = 1e4  # of |intensity| to data_range: beyond, float32 arithmetic has no digits left


def check_image(image: ArrayLike, channel_axis: int | None = None) -> NDArray[Any]:
    """Return the image as an array of one of `DTYPES`, 2-D, or 3-D with a channel axis."""
    masked = "numpy.ma" in sys.modules and np.ma.is_masked(image)  # NumPy loads it when first used
    if masked:
        raise TypeError("image must have no masked pixels, got a masked array")
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise ValueError(f"image must be a rectangular array, got {error}") from None
    if array.dtype.newbyteorder("=") not in DTYPES:
        raise TypeError(
            f"image must be an array of {', '.join(map(str, DTYPES))}, "
            f"got {type(image).__name__} of dtype {array.dtype}"
        )
    axis = _integer("channel_axis", channel_axis)
    wanted = 2 if axis is None else 3
    if array.ndim != wanted:
        hint = "; for colour give channel_axis, -1 for (height, width, channels)"
        raise ValueError(
            f"image must be {wanted}-D with channel_axis {axis}, got shape {array.shape}"
            + (hint if array.ndim == 3 else "")
        )
    if axis is not None and not -3 <= axis < 3:
        raise ValueError(f"channel_axis must be in [-3, 2] for a 3-D image, got {axis}")
    if array.size == 0:
        raise ValueError(f"image must not be empty, got shape {array.shape}")
    return array


def check_data_range(data_range: float | None, array: NDArray[Any]) -> float:
    """Return the span of intensities that counts as 1; look at the intensities themselves too."""
    span = None if data_range is None else _real("data_range", data_range)
    if span is not None and not 1e-30 <= span <= 1e30:
        raise ValueError(f"data_range must be positive, in [1e-30, 1e30], got {data_range!r}")
    if array.dtype.kind == "u":
        return float(np.iinfo(array.dtype).max) if span is None else span
    total, largest = 0.0, 0.0
    for block in blocks(array):
        values = block.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("image must be finite, got NaN or infinite values")
        total += float(values.sum())
        largest = max(largest, float(values.max()), -float(values.min()))
    if span is None and not -1 <= (mean := total / array.size) <= 2:
        raise ValueError(
            f"data_range must be given for a float image outside [0, 1], got None and an image "
            f"with mean {mean:.4g}; if its white is 255, pass data_range=255"
        )
    if largest > MAX_RATIO * (span or 1.0):
        raise ValueError(
            f"image must stay within {MAX_RATIO:g} times data_range ({span or 1.0:g}), "
            f"got a value of magnitude {largest:.4g}"
        )
    return span or 1.0


def check_sigma(sigma: float | None, data_range: float) -> float | None:
    """Return the noise standard deviation in units of the data range, None to estimate it."""
    if sigma is None:
        return None
    value = _real("sigma", sigma)
    if not value >= 0:
        raise ValueError(f"sigma must be >= 0, got {sigma!r}")
    if value > 10 * data_range:
        raise ValueError(
            f"sigma must be at most 10 times data_range ({data_range:g}), got {sigma!r}: it is in "
            "the units of the image, so 25 on the 0-255 scale is 25/255 for an image in [0, 1]"
        )
    return value / data_range


def check_betas(betas: Sequence[float] | None, default: Sequence[float]) -> tuple[float, ...]:
    """Return the splitting weights; any order, as the loop takes them one after another."""
    if betas is None:
        return tuple(default)
    if isinstance(betas, (str, bytes)) or not isinstance(betas, (Sequence, np.ndarray)):
        raise TypeError(f"betas must be a sequence of numbers, got {type(betas).__name__}")
    if np.ndim(betas) != 1 or len(betas) == 0:
        raise ValueError(f"betas must be one-dimensional and not empty, got {betas!r}")
    values = tuple(_real("betas", beta) for beta in betas)
    if not all(1e-6 <= value <= 1e6 for value in values):
        raise ValueError(f"betas must be positive, each in [1e-6, 1e6], got {betas!r}")
    return values


def check_model(model: Model, array: NDArray[Any], channel_axis: int | None) -> GaussianMixture:
    """Return the mixture; its patches must be flat and fit into the image."""
    if not isinstance(model, (str, os.PathLike, GaussianMixture)):
        raise TypeError(
            f"model must be a name, a path or a GaussianMixture, got {type(model).__name__}"
        )
    mixture = model if isinstance(model, GaussianMixture) else load_model(model)
    shape = mixture.patch_shape
    if len(shape) != 2 or min(shape) < 2:
        raise ValueError(
            f"model must have patches of one plane, (p, q) with p, q >= 2, got patch_shape {shape}"
        )
    height, width = channels_last(array, channel_axis).shape[:2]
    if height < shape[0] or width < shape[1]:
        raise ValueError(
            f"image must be at least as large as the model's {shape[0]}x{shape[1]} patches, "
            f"got {height}x{width} pixels"
        )
    return mixture


def check_quality(quality: Quality) -> Quality:
    """Return the name of a known trade of accuracy for time."""
    _choice("quality", quality, get_args(Quality))
    return quality


def check_backend(backend: BackendName | None) -> BackendName | None:
    """Return the name of a known backend, or None."""
    if backend is not None:
        _choice("backend", backend, get_args(BackendName))
    return backend


def check_threads(n_threads: int | None) -> int | None:
    """Return the number of threads asked for, or None."""
    count = _integer("n_threads", n_threads)
    if count is not None and not 1 <= count <= MAX_THREADS:
        raise ValueError(f"n_threads must be in [1, {MAX_THREADS}], got {count}")
    return count


def check_progress(progress: Poll | None) -> Poll | None:
    """Return the callback, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {type(progress).__name__}")
    return progress


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """View of a checked image as (height, width, channels)."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def blocks(array: NDArray[Any], size: int = 1 << 20) -> Iterator[NDArray[Any]]:
    """Views that cover the array, of about so many elements each, to bound temporaries."""
    for outer in array if array.ndim == 3 and array[0].size > size else (array,):
        rows = max(1, size // max(1, outer[0].size))
        yield from (outer[start : start + rows] for start in range(0, len(outer), rows))


def _real(name: str, value: object) -> float:
    """Finite float from a number that is not a bool, else TypeError or ValueError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def _integer(name: str, value: int | None) -> int | None:
    """Int from anything that is one and not a bool, or None, else TypeError."""
    if value is None:
        return None
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be an integer or None, got {type(value).__name__}")


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """TypeError or ValueError unless the value is one of the choices."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
