"""Restoration through any linear operator: an array of measurements in, the image out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import Portable, kept
from fastepll._threads import resolve_threads
from fastepll._validation.arguments import (
    check_backend,
    check_betas,
    check_flag,
    check_progress,
    check_threads,
)
from fastepll._validation.images import check_fit
from fastepll._validation.measurements import (
    check_callback,
    check_measurement,
    check_stack,
    check_start,
)
from fastepll._validation.sigma import check_sigma, sigma_of_images
from fastepll.backends import backend_for
from fastepll.images.batch import each_image
from fastepll.images.channels import Planes, channels_last, from_planes, planes_for, to_plane
from fastepll.operators import Operator, check_adjoint
from fastepll.operators.weighted import whiten
from fastepll.priors.choice import Model, check_model
from fastepll.restoration.denoiser import as_plane
from fastepll.restoration.measurement import examine
from fastepll.restoration.objective import objective
from fastepll.solver.half_quadratic import joined, restorations
from fastepll.solver.multiscale import split
from fastepll.solver.restore_schedule import FLOOR, task_settings
from fastepll.solver.settings import Settings, check_settings
from fastepll.typing import BackendName, DataRange, FloatArray, Poll, Quality


@dataclass(frozen=True, eq=False)
class Iteration(Portable):
    """What a callback of `restore` gets after each pass.

    Attributes
    ----------
    iteration : int
        Number of the pass, from 0.
    n_iterations : int
        Passes in all.
    beta : float
        Weight of the splitting, in units of 1 / data_range².
    image : numpy.ndarray
        The image so far, a copy, as `restore` would return it.
    objective : float
        `fastepll.objective` of the image, computed when it is asked for, which takes longer than a
        pass.
    """

    iteration: int
    n_iterations: int
    beta: float
    image: NDArray[Any]
    _objective: Callable[[ArrayLike], float] = field(repr=False)

    @kept
    def objective(self) -> float:
        """See the class."""
        return self._objective(self.image)


def restore(
    y: ArrayLike,
    operator: Operator,
    sigma: float | ArrayLike | None = None,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    alpha: bool = False,
    data_range: DataRange = None,
    betas: Sequence[float] | None = None,
    start: ArrayLike | None = None,
    callback: Callable[[Iteration], object] | None = None,
    history: list[Iteration] | None = None,
    check: bool = True,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
) -> NDArray[Any]:
    """Restore an image of which A x with white Gaussian noise was measured, by EPLL.

    Parameters
    ----------
    y : array_like
        What was measured, of the operator's ``out_shape``, or with one more axis of channels.
        Of a dtype that `fastepll.denoise` takes; finite; not changed.
    operator : Operator
        A, for one plane: one of `fastepll.operators`, what `from_linear_operator` makes of
        another library's, or your own subclass of `Operator`.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of y. May be 0; what is less than 2e-4 of the
        data range counts as that. An array of the operator's ``out_shape`` is one for each value
        measured, in all channels; inf where that tells nothing. None: `fastepll.estimate_sigma` of
        y, where that is an image (``operator.response``) and a mask leaves enough of it.
    model, quality, n_threads, backend, progress
        As for `fastepll.denoise`. Of ``quality`` the grid of patches is taken, of `Settings` also
        the choice of components and the number of passes.
    channel_axis : int, optional
        Axis of the channels, of y and of the result. A acts on each alike; they are restored as
        `fastepll.denoise` does. None: y is gray.
    stack : bool
        Whether the axes of y before those of ``out_shape`` count images, as for
        `fastepll.denoise`. The operator is that of each.
    alpha : bool
        As for `fastepll.denoise`; the result must have the shape of y.
    data_range : float or "auto", optional
        The intensity step from black to white of the image, as for `fastepll.denoise`; of floats,
        values of y are refused that no image in [-1, 2] gives with that noise. "auto" is for
        operators whose measurement is an image.
    betas : sequence of float, optional
        Weights of the splitting, one pass each, in units of 1 / data_range². None: see the notes.
    start : array_like, optional
        First image, in the shape and units of the result. None: ``operator.guess``. Not with
        ``stack`` or ``alpha``; nor are ``callback`` and ``history``.
    callback : callable, optional
        Called with an `Iteration` after each pass. If it returns True, the image so far is the
        result; an exception that it raises ends the call.
    history : list, optional
        An `Iteration` for each pass is appended to it.
    check : bool
        Test once that the operator's adjoint is one (`fastepll.operators.check_adjoint`; the
        operators of this package need no test).

    Returns
    -------
    numpy.ndarray
        A new array of the operator's ``in_shape`` and the channels, with the dtype and units of y.
        Integers are rounded and clipped to their dtype, floats are not clipped.

    Raises
    ------
    TypeError
        An argument of the wrong kind.
    ValueError
        An argument of the right kind but a wrong shape or value, or an operator whose adjoint is
        none; the message names it.

    See Also
    --------
    fastepll.deblur, fastepll.inpaint, fastepll.super_resolve, fastepll.denoise

    Notes
    -----
    Half-quadratic splitting of ``λ/2 ‖Ax - y‖² - Σᵢ log p(Pᵢx)``: for each beta one pass of the
    prior for noise of variance 1/β gives the average x̃ of the patch estimates, then x solves
    ``(AᵀA + cσ²β) x = Aᵀy + cσ²β x̃``. With c = 1, λ is the number of patches over a pixel divided
    by σ². That is what ``betas`` gives, in which case no pass raises the objective for its beta but
    for the rows and columns at the border, which fewer patches see.

    Without ``betas`` the passes are those of `fastepll.solver.restore_schedule`, which explains
    them: 1/√β falls from errors like those of the start to less than the noise, c is below 1, and
    each pass starts from an image that goes on in the direction of the last. ``operator.kind`` says
    which row of a table tuned on training photographs holds, ``operator.scale`` what sigma means to
    the image.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011.

    S. Parameswaran, C.-A. Deledalle, L. Denis, T. Q. Nguyen, Accelerating GMM-based patch priors
    for image restoration: three ingredients for a 100x speed-up, IEEE TIP 2018.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> from fastepll.operators import Diagonal
    >>> clean = np.zeros((48, 48))
    >>> clean[:, 24:] = 1.0
    >>> gain = np.linspace(0.2, 1, 48)[:, None] * np.ones(48)
    >>> noise = 0.05 * np.random.default_rng(0).standard_normal(clean.shape)
    >>> y = gain * clean + noise
    >>> restored = fastepll.restore(y, Diagonal(gain), 0.05)
    >>> bool(np.std(restored - clean) < 0.5 * np.std(y / gain - clean))
    True
    """
    mixture = check_model(model)
    if not isinstance(operator, Operator):
        raise TypeError(
            f"operator must be an Operator (from_linear_operator makes one of others), "
            f"got {type(operator).__name__}"
        )
    if check_flag("stack", stack) or check_flag("alpha", alpha):
        same = operator.in_shape == operator.out_shape
        check_stack(start, callback, history, alpha=alpha, same=same)
        if check and not operator.tested:
            check_adjoint(operator)
        one = partial(
            restore,
            operator=operator,
            model=mixture,
            quality=quality,
            betas=betas,
            check=False,
            n_threads=n_threads,
            backend=backend,
        )
        return each_image(
            one,
            y,
            sigma,
            n_axes=len(operator.out_shape),
            channel_axis=channel_axis,
            stack=stack,
            alpha=alpha,
            data_range=data_range,
            response=operator.response,
            progress=progress,
        )
    array = check_measurement(y, channel_axis, operator.out_shape)
    n_channels = 1 if channel_axis is None else array.shape[channel_axis]
    check_fit((*operator.in_shape, n_channels), mixture)
    (checked,) = sigma_of_images(check_sigma(sigma), (), operator.out_shape)
    source = channels_last(array, channel_axis)
    threads = resolve_threads(check_threads(n_threads))
    span, level, relative = examine(source, operator, checked, data_range, n_threads=threads)
    white = whiten(operator, relative, FLOOR)
    check_settings(quality, mixture)
    weights = None if betas is None else check_betas(betas)
    check_callback(callback)
    report = check_progress(progress)
    engine = backend_for(mixture, check_backend(backend))

    mix = planes_for(n_channels, mixture)
    colours = Colours(array, operator, mix, channel_axis, span=span, dtype=engine.dtype)
    first = None
    if start is not None:
        first = colours.split(check_start(start, colours.shape), operator.in_shape)
    if check and not operator.tested:
        check_adjoint(operator)
    settings = task_settings(
        quality, operator, white.sigma, mixture.patch_shape, weights, least=white.least
    )
    n, groups = len(settings.noise), mix.groups

    def poll(c: int) -> Callable[[int, float], None] | None:
        def tell(i: int, fraction: float) -> None:
            done = (i * len(groups) + c + fraction) / (n * len(groups))
            if report is not None and done < 1:  # 1 is said once, at the end
                report(done)

        return None if report is None else tell

    measured = [white.apply(plane) for plane in colours.split(array, operator.out_shape)]
    runs = [
        restorations(
            [measured[k] for k in group],
            white.operator,
            mixture,
            max(white.sigma * float(mix.gains[group[0]]), FLOOR),
            settings,
            start=None if first is None else joined([first[k] for k in group], mixture),
            backend=engine,
            n_threads=threads,
            poll=poll(c),
        )
        for c, group in enumerate(groups)
    ]
    objective_of = partial(
        objective,
        y=array,
        operator=operator,
        sigma=np.maximum(level, FLOOR * span),
        model=mixture,
        channel_axis=channel_axis,
        data_range=span,
        n_threads=threads,
        backend=backend,
    )
    images: tuple[FloatArray, ...] = ()
    for i, images in enumerate(zip(*runs, strict=True)):
        if callback is not None or history is not None:
            state = Iteration(i, n, 1 / settings.noise[i], colours.join(images), objective_of)
            if history is not None:
                history.append(state)
            if callback is not None and callback(state) is True:
                break
    if report is not None:
        report(1.0)
    return images[0] if colours.same else colours.join(images)


class Colours:
    """The planes of a measurement for a model, scaled to [0, 1], and images from such planes."""

    def __init__(
        self,
        y: NDArray[Any],
        operator: Operator,
        mix: Planes,
        channel_axis: int | None,
        *,
        span: float,
        dtype: type[np.floating[Any]],
    ) -> None:
        self.axis, self.span, self.dtype, self.out_dtype = channel_axis, span, dtype, y.dtype
        self.mix = mix
        self.same = channel_axis is None and span == 1 and y.dtype == dtype  # a plane is the result
        shape = list(operator.in_shape)
        if channel_axis is not None:
            axis = channel_axis if channel_axis >= 0 else channel_axis + 3
            shape.insert(axis, len(mix.gains))
        self.shape = tuple(shape)

    def split(self, values: NDArray[Any], shape: tuple[int, ...]) -> list[FloatArray]:
        """Planes of that shape from a measurement or an image with its channels."""
        source = channels_last(values, self.axis)
        if values.ndim == 2 and (plane := as_plane(source, self.span, self.dtype)) is not None:
            return [plane]
        flat = source.reshape(-1, 1, len(self.mix.gains))
        planes = []
        for weights in self.mix.analysis:
            plane = np.empty(flat.shape[:2], self.dtype)
            planes.append(to_plane(flat, weights / self.span, plane).reshape(shape))
        return planes

    def join(self, images: Sequence[FloatArray]) -> NDArray[Any]:
        """New image with its channels."""
        result = np.empty(self.shape, self.out_dtype)
        view = channels_last(result, self.axis)
        planes = [plane for image in images for plane in split(image)]
        from_planes(planes, self.mix.synthesis * self.span, view)
        return result
