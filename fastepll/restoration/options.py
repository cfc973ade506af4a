"""The options that restoring functions share: their types, defaults and documentation, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from functools import wraps
from textwrap import indent
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar

if TYPE_CHECKING:
    from fastepll.priors.choice import Model
    from fastepll.solver.settings import Settings
    from fastepll.typing import BackendName, DataRange, Poll, Quality

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class ArrayOptions(TypedDict, total=False):
    """Of an array and what computes with it."""

    channel_axis: int | None
    n_threads: int | None
    backend: BackendName | None


class AdaptOptions(ArrayOptions, total=False):
    """Of `fastepll.adapt`."""

    stack: bool
    spatial_axes: int
    data_range: DataRange


class ImageOptions(ArrayOptions, total=False):
    """Of an image and the prior of its patches."""

    model: Model


class ProbabilityOptions(ImageOptions, total=False):
    """Of what a prior says of an image."""

    data_range: DataRange


class BatchOptions(ImageOptions, total=False):
    """Of the passes over the images of an array."""

    quality: Quality | Settings
    stack: bool
    alpha: bool


class PoissonOptions(BatchOptions, total=False):
    """Of `fastepll.denoise_poisson`."""

    spatial_axes: int


class DenoiserOptions(PoissonOptions, ProbabilityOptions, total=False):
    """Of `fastepll.Denoiser`."""


class RestoreOptions(BatchOptions, ProbabilityOptions, total=False):
    """Of `fastepll.restore` and of the functions that are named after its tasks."""

    progress: Poll | None


DEFAULTS: dict[str, Any] = {
    "model": "gray-8x8-200",
    "quality": "balanced",
    "channel_axis": None,
    "stack": False,
    "spatial_axes": 2,
    "alpha": False,
    "data_range": None,
    "n_threads": None,
    "backend": None,
    "progress": None,
}
"""Their values where they are not given, in the order of signatures."""

DOCS = {
    "model": """\
model : str, path, GaussianMixture or other prior
    Prior of patches: a name of `fastepll.list_models`, a file, the mixture itself, or any
    object with ``patch_shape`` and either ``denoise(patches, sigma, estimator)`` or
    ``log_prob(patches)`` and ``score(patches)``, its gradient (`fastepll.priors`). Those that
    are no mixture are asked patch by patch in NumPy: of ``quality`` the grid and the schedule
    hold for them.""",
    "quality": """\
quality : {"exact", "learned", "high", "balanced", "fast", "preview"} or Settings
    "exact" computes the published method. The others take fewer patches, approximate the choice
    of components and correct the low frequencies by the image at half its size, in a schedule
    tuned for each noise level: "high" restores best, "balanced" about as well as "exact" in a
    small part of its time, "fast" and "preview" a little worse and faster still. "learned" is
    "fast" and then steps of a trained reaction diffusion (`fastepll.models.ReactionDiffusion`),
    which restore white Gaussian noise better than any of them; it wants a prior of gray patches
    and images of 8x8 or more. In colour the steps of chroma are guided by the luminance; where
    there are not three channels, the mean of them alone has steps. In `fastepll.restore` and the
    tasks it is "high". Its steps were trained on photographs for non-commercial use, whatever the
    prior (LICENSE).
    `fastepll.Settings` says in numbers what they do, and gives any other trade; of an operator
    other than the identity it decides the grid of patches, the choice of components and the
    number of passes alone.""",
    "channel_axis": """\
channel_axis : int, optional
    Axis of the channels, of the array and of the result. A prior of colour patches (height,
    width, channels) restores them together, one of gray patches one by one in the orthonormal
    opponent planes of `fastepll.images.opponent_planes`. None: the image is gray.""",
    "stack": """\
stack : bool
    Whether the axes before those of an image count images, (..., height, width) without the
    axis of the channels, which may lie anywhere. Each is restored by itself, as a call of its
    own would; sigma may be an array of one number for each, or of one map for each.""",
    "spatial_axes": """\
spatial_axes : int
    2 for images (height, width), 3 for volumes (depth, height, width) or frames (time, height,
    width) that are restored together, by the patches of the planes in all three directions. A
    volume has the same noise everywhere, ``quality`` other than "learned", one size, and as many
    voxels along each axis as a patch has along its longer side.""",
    "alpha": """\
alpha : bool
    Whether the last channel is an alpha channel: it is returned as it is, the others as if it
    were not there. The result must have the shape of the array.""",
    "data_range": """\
data_range : float or "auto", optional
    The intensity step from black to white. None: 255 for uint8, 65535 for uint16 (with a
    warning if no value is above 16383), 1 for floats, where values that contradict it are
    refused: those outside [-1, 2] by more than 5 times the noise, a mean outside it, sigma
    above 1; of a measurement that is no image, those that no image in [-1, 2] gives. Other
    integers need it. "auto", of all images of a stack together: for integers 2ⁿ - 1 with the
    least even n >= 8 such that neither two values nor a value and 0 are further apart (255,
    1023, 4095, 16383, 65535, …); for floats 1 if that would not be refused, else the distance
    of the 0.1 and the 99.9 % quantile.""",
    "n_threads": """\
n_threads : int, optional
    None: FASTEPLL_NUM_THREADS, else OMP_NUM_THREADS, else the processors at hand. The result
    does not depend on it.""",
    "backend": """\
backend : {"native", "numba", "reference", "torch"}, optional
    None: the first of these that is installed. "torch" is for a GPU.""",
    "progress": """\
progress : callable, optional
    Called with the fraction done, in [0, 1], a few times a second; an exception that it raises
    ends the call.""",
}
"""Their documentation."""

HERE = "{options}"  # a line of a docstring, in whose place they are documented


def takes(options: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function that takes ``**options`` of a typed dictionary have them spelt out.

    Its signature and its documentation name each, and it gets all of them, with their defaults.
    """
    types = options.__annotations__

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        own = inspect.signature(function)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=DEFAULTS[name],
                annotation=getattr(types[name], "__forward_arg__", types[name]),
            )
            for name in DEFAULTS
            if name in types
        ]
        signature = own.replace(parameters=parameters)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            return function(*given.args, **given.kwargs)

        call.__signature__ = signature  # type: ignore[attr-defined]
        if function.__doc__ is not None:
            call.__doc__ = _documented(function.__doc__, signature.parameters)
        return call

    return wrap


def documents(options: type) -> Callable[[type[T]], type[T]]:
    """Document in a class the options that its constructor `takes`."""

    def wrap(cls: type[T]) -> type[T]:
        if cls.__doc__ is not None:
            cls.__doc__ = _documented(cls.__doc__, options.__annotations__)
        return cls

    return wrap


def _documented(text: str, names: Container[str]) -> str:
    """The docstring with those of the options in place of `HERE`."""
    line = next(line for line in text.splitlines() if line.strip() == HERE)
    margin = line[: line.index(HERE)]
    return text.replace(
        line, indent("\n".join(DOCS[name] for name in DOCS if name in names), margin)
    )
