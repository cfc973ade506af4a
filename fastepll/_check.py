"""Every validation of what users pass in, and nothing else."""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._as_array import as_array
from fastepll._threads import MAX_THREADS
from fastepll.models import GaussianMixture, load_model
from fastepll.typing import BackendName, Poll

if TYPE_CHECKING:
    from fastepll.priors.adapted import PatchModel
    from fastepll.priors.base import PatchDenoiser, PatchDensity

Model: TypeAlias = "str | os.PathLike[str] | GaussianMixture | PatchDenoiser | PatchDensity"

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "uint16", "int8", "int16", "int32", "uint32")
DTYPES = tuple(np.dtype(t) for t in FLOATS + INTEGERS)
MAX_PASSES = 1000


def check_image(
    image: ArrayLike,
    channel_axis: int | None = None,
    name: str = "image",
    *,
    stack: bool = False,
    alpha: bool = False,
) -> NDArray[Any]:
    """Return the image as an array of one of `DTYPES`, 2-D, or 3-D with a channel axis.

    With ``stack`` it has more axes, in front of the height; with ``alpha`` at least two channels.
    """
    array = check_dtype(name, image)
    axis = check_axis(channel_axis, stack=stack)
    wanted = 2 if axis is None else 3
    if array.ndim < wanted or (array.ndim > wanted and not stack):
        hints = ["for colour give channel_axis, -1 for (height, width, channels)"]
        hints = hints[: array.ndim == 3 and axis is None]
        if array.ndim > wanted:
            hints.append("for several images give stack=True")
        raise ValueError(
            f"{name} must be {wanted}-D{' or more' * stack} with channel_axis {axis}, "
            f"got shape {array.shape}" + "".join(f"; {hint}" for hint in hints)
        )
    check_channels(name, array.shape, axis, alpha=alpha)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def check_axis(channel_axis: int | None, *, stack: bool = False) -> int | None:
    """Return the axis of the channels, None for gray; of a stack it is not known to be one yet."""
    axis = integer("channel_axis", channel_axis)
    if axis is not None and not stack and not -3 <= axis < 3:
        raise ValueError(f"channel_axis must be in [-3, 2] for a 3-D image, got {axis}")
    return axis


def check_channels(
    name: str, shape: Sequence[int], axis: int | None, *, alpha: bool = False
) -> None:
    """Raise ValueError unless an array of that shape has such an axis, with alpha if wanted."""
    n = len(shape)
    if axis is not None and not -n <= axis < n:
        raise ValueError(f"channel_axis must be in [{-n}, {n - 1}], got {axis}")
    if alpha and (axis is None or shape[axis] < 2):
        raise ValueError(
            f"{name} must have at least 2 channels, the last of them alpha, for alpha=True, "
            f"got shape {tuple(shape)} with channel_axis {axis}"
        )


def check_flag(name: str, value: bool) -> bool:
    """Return a bool that is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def check_shape(
    shape: Sequence[int],
    channel_axis: int | None,
    *,
    stack: bool = False,
    alpha: bool = False,
) -> tuple[int, int, int]:
    """Return the height, width and number of channels to restore of the images to come."""
    wanted = 2 if channel_axis is None else 3
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
        raise TypeError(f"shape must be a sequence of integers, got {type(shape).__name__}")
    if len(shape) < wanted or (len(shape) > wanted and not stack):
        raise ValueError(f"shape must have {wanted} numbers{' or more' * stack}, got {shape!r}")
    sides = [check_count("shape", side, 1, sys.maxsize) for side in shape]
    check_channels("shape", sides, channel_axis, alpha=alpha)
    n_channels = 1 if channel_axis is None else sides.pop(channel_axis)
    return sides[-2], sides[-1], n_channels - alpha


def check_out(out: NDArray[Any], array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that the result for a checked image is written to."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an array or None, got {type(out).__name__}")
    if out.dtype != array.dtype:
        raise TypeError(f"out must be of the image's dtype {array.dtype}, got {out.dtype}")
    if out.shape != array.shape:
        raise ValueError(f"out must have the image's shape {array.shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    return out


def check_betas(betas: Sequence[float]) -> tuple[float, ...]:
    """Return the splitting weights; any order, as the loop takes them one after another."""
    return check_numbers("betas", betas, 1e-6, 1e6)


def check_numbers(name: str, values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Return a number for each pass of the prior, all in [low, high]."""
    if hasattr(values, "__array__"):
        values = as_array(name, values)  # type: ignore[assignment]
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of numbers, got {type(values).__name__}")
    if np.ndim(values) != 1 or not 1 <= len(values) <= MAX_PASSES:
        raise ValueError(
            f"{name} must be one-dimensional, of 1 to {MAX_PASSES} numbers, got {values!r}"
        )
    return tuple(check_number(name, value, low, high) for value in values)


def check_number(name: str, value: float, low: float, high: float) -> float:
    """Return a real number in [low, high] as a float."""
    number = real(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value!r}")
    return number


def check_count(name: str, value: int, low: int, high: int) -> int:
    """Return an integer in [low, high]."""
    count = integer(name, value)
    if count is None:
        raise TypeError(f"{name} must be an integer, got NoneType")
    if not low <= count <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], got {count}")
    return count


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise TypeError or ValueError unless the value is one of the choices."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_model(model: Model) -> PatchModel:
    """Return the mixture, or another prior adapted; patches have two sides, or channels too."""
    checked: PatchModel
    if isinstance(model, GaussianMixture):
        checked = model
    elif isinstance(model, (str, os.PathLike)):
        checked = _from_file(model) or load_model(model)
    else:
        from fastepll.priors.adapted import adapt

        checked = adapt(model)
    shape = checked.patch_shape
    if len(shape) not in (2, 3) or min(shape[:2]) < 2:
        raise ValueError(
            "model must have patches (p, q) or (p, q, channels) with p, q >= 2, "
            f"got patch_shape {shape}"
        )
    return checked


def _from_file(path: str | os.PathLike[str]) -> PatchModel | None:
    """The prior in a file that says it is one of `fastepll.priors`, None for all others."""
    if not os.fspath(path).lower().endswith(".npz") or not os.path.isfile(path):
        return None
    from fastepll.priors.storage import is_prior

    if not is_prior(path):
        return None
    from fastepll.priors import load
    from fastepll.priors.adapted import adapt

    return adapt(load(path))


def check_fit(shape: Sequence[int], model: PatchModel) -> None:
    """Raise ValueError unless a patch fits into an image (height, width, channels)."""
    patch = model.patch_shape
    if shape[0] < patch[0] or shape[1] < patch[1]:
        raise ValueError(
            f"image must be at least as large as the model's {patch[0]}x{patch[1]} patches, "
            f"got {shape[0]}x{shape[1]} pixels"
        )
    if len(patch) == 3 and shape[2] != patch[2]:
        raise ValueError(
            f"image must have the {patch[2]} channels of the model's patches, got {shape[2]}"
        )


def check_stride(stride: int, model: PatchModel) -> None:
    """Raise ValueError if a grid of that step leaves pixels between the model's patches."""
    if stride > min(model.patch_shape[:2]):
        raise ValueError(
            f"quality must have a stride of at most the side of the model's patches "
            f"{model.patch_shape[:2]}, got {stride}"
        )


def check_backend(backend: BackendName | None) -> BackendName | None:
    """Return the name of a known backend, or None."""
    if backend is not None:
        check_choice("backend", backend, get_args(BackendName))
    return backend


def check_threads(n_threads: int | None) -> int | None:
    """Return the number of threads asked for, or None."""
    count = integer("n_threads", n_threads)
    if count is not None and not 1 <= count <= MAX_THREADS:
        raise ValueError(f"n_threads must be in [1, {MAX_THREADS}], got {count}")
    return count


def check_progress(progress: Poll | None) -> Poll | None:
    """Return the callback, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {type(progress).__name__}")
    return progress


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """View of a checked image as (height, width, channels), of a stack with its axes in front."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def check_dtype(name: str, image: ArrayLike) -> NDArray[Any]:
    """Return intensities as an array of one of `DTYPES`."""
    array = as_array(name, image)
    if array.dtype.newbyteorder("=") not in DTYPES:
        raise TypeError(
            f"{name} must be an array of {', '.join(map(str, DTYPES))}, "
            f"got {type(image).__name__} of dtype {array.dtype}"
        )
    return array


def real_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Array of integers or floats, else TypeError or ValueError."""
    array = as_array(name, values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    return array


def real(name: str, value: object) -> float:
    """Finite float from a number that is not a bool, else TypeError or ValueError."""
    if hasattr(value, "__array__") and not isinstance(value, np.generic):  # 0-D, a tensor's say
        array = as_array(name, value)
        value = array[()] if array.ndim == 0 else value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def integer(name: str, value: int | None) -> int | None:
    """Int from anything that is one and not a bool, or None, else TypeError."""
    if value is None:
        return None
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be an integer or None, got {type(value).__name__}")
