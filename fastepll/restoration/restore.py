"""restore: an array of measurements through any linear operator in, the restored array out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import history_as_callback
from fastepll._validation.arguments import check_flag
from fastepll._validation.measurements import (
    check_callback,
    check_measurement,
    check_single,
    check_start,
)
from fastepll._validation.sigma import Sigma, check_sigma
from fastepll.images.batch import empty_images
from fastepll.images.channels import channels_last
from fastepll.images.conversion import Conversion
from fastepll.operators import Operator, check_adjoint
from fastepll.restoration.iteration import Iteration
from fastepll.restoration.job import Job, Watch, planes_of
from fastepll.restoration.objective import objective
from fastepll.restoration.options import RestoreOptions, takes
from fastepll.solver.restore_schedule import FLOOR
from fastepll.typing import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Unpack


@history_as_callback
@takes(RestoreOptions)
def restore(
    y: ArrayLike,
    operator: Operator,
    sigma: float | ArrayLike | None = None,
    *,
    betas: Sequence[float] | None = None,
    start: ArrayLike | None = None,
    callback: Callable[[Iteration], object] | None = None,
    check: bool = True,
    **options: Unpack[RestoreOptions],
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
    betas : sequence of float, optional
        Weights of the splitting, one pass each, in units of 1 / data_range². None: see the notes.
    start : array_like, optional
        First image, in the shape and units of the result. None: ``operator.guess``. Not with
        ``stack`` or ``alpha``, nor is ``callback``.
    callback : callable, optional
        Called with an `Iteration` after each pass. If it returns True, the image so far is the
        result; an exception that it raises ends the call.
    check : bool
        Test once that the operator's adjoint is one (`fastepll.operators.check_adjoint`; the
        operators of this package need no test).
    {options}

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
    if not isinstance(operator, Operator):
        raise TypeError(
            f"operator must be an Operator (from_linear_operator makes one of others), "
            f"got {type(operator).__name__}"
        )
    job, axis = Job.of(options, betas), options["channel_axis"]
    several = check_flag("stack", options["stack"])
    if several or job.alpha:
        check_single(start, callback, alpha=job.alpha, same=operator.in_shape == operator.out_shape)
    check_callback(callback)
    array = check_measurement(y, axis, operator.out_shape, stack=several, alpha=job.alpha)
    if check and not operator.tested:
        check_adjoint(operator)
    make = partial(empty_images, array, axis, len(operator.out_shape), operator.in_shape)
    result = make()
    first = None if start is None else channels_last(check_start(start, result.shape), axis)

    def watch(conversion: Conversion, noise: Sigma) -> Watch | None:
        if callback is None:
            return None
        told, least = callback, FLOOR * conversion.data_range
        objective_of = partial(
            objective,
            y=array,
            operator=operator,
            sigma=np.maximum(noise, least),
            model=job.model,
            channel_axis=axis,
            data_range=conversion.data_range,
            n_threads=job.n_threads,
            backend=options["backend"],
        )

        def tell(i: int, n: int, beta: float, images: Sequence[FloatArray]) -> bool:
            image = make()
            conversion.join(planes_of(images), channels_last(image, axis))
            return told(Iteration(i, n, beta, image, objective_of)) is True

        return tell

    job.restore(
        channels_last(array, axis),
        channels_last(result, axis),
        operator,
        check_sigma(sigma),
        start=first,
        watch=watch,
    )
    return result
