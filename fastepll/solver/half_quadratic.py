"""Half-quadratic splitting: the loop of EPLL around the passes of the prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fastepll.backends import prior_passes
from fastepll.operators._fourier import transforms_on
from fastepll.operators.pixels import Pixelwise
from fastepll.solver.diffusion import PASSES, diffuse
from fastepll.solver.multiscale import Size, count_scales, half_size, split
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models.adapted import PatchModel
    from fastepll.operators import Operator
    from fastepll.solver.restore_schedule import TaskSettings
    from fastepll.solver.settings import Settings


TOGETHER = 1 << 21  # values of an image whose sizes are restored together


def denoise_plane(
    noisy: FloatArray,
    model: PatchModel,
    sigma: float,
    settings: Settings,
    *,
    backend: Backend,
    n_threads: int,
    progress: Poll | None = None,
    out: FloatArray | None = None,
    work: FloatArray | None = None,
    spare: FloatArray | None = None,
    guide: FloatArray | None = None,
    origin: tuple[int, int] = (0, 0),
) -> FloatArray:
    """Denoise pixels in [0, 1]; arguments as in `fastepll.denoise`, but checked.

    A plane (height, width), or (channels, height, width) for a model of patches with channels.

    Minimises over x and the patches zᵢ, for each beta in turn starting from x = y,
    ``λ/2 ‖x - y‖² + Σᵢ (β/2 ‖Pᵢx - zᵢ‖² - log p(zᵢ))``: one pass of the prior gives the zᵢ and
    their per-pixel average x̃, then x = (1 - α) y + α x̃ with α = βσ²/(1 + βσ²): every pixel is
    trusted alike, where the published λ = d/σ² leaves noise in the outer rows and columns, which
    fewer than d patches see. Other settings than `Settings.from_betas` give the pass a noise
    variance that is not 1/β.

    ``settings.coarse`` > 0 then corrects the low frequencies by the image at half its size, in
    which the same noise has half the standard deviation, if that is not too small. A small image
    goes through its passes in all sizes together, since the smaller ones alone are too little work
    for several threads. Where ``settings.learned``, `fastepll.solver.diffusion.diffuse` follows; of
    chroma by the restored luminance, the ``guide``.

    The passes go to and fro between ``out``, which the last one writes to, and ``work``; a small
    image has its smaller sizes in ``spare``. They are planes like ``noisy`` that share no memory
    with it, made here where they are not given. ``origin`` is where a part of an image begins
    (`Settings.pass_`).
    """
    n = len(settings.noise)
    full = Size(
        noisy,
        [np.empty_like(noisy) if each is None else each for each in (out, work)],
        sigma,
        settings,
        origin,
    )
    if settings.selection == "exact" and settings.stride == 1:
        p, q = model.patch_shape[:2]
        full.hints = np.full((noisy.shape[-2] - p + 1, noisy.shape[-1] - q + 1), -1, np.int32)
    sizes, count = [full], count_scales(noisy.shape, model, settings)
    if count > 1 and noisy.size <= TOGETHER:
        room = (np.empty_like(noisy) if spare is None else spare).reshape(-1)
        while len(sizes) < count:  # three planes of a quarter of the size each time
            half = half_size(sizes[-1], room, model, backend=backend, n_threads=n_threads)
            sizes.append(half)
            room = room[3 * half.noisy.size :]
    passes = PASSES if settings.learned else 1.0  # of the work
    share = passes * (1.0 if len(sizes) == count else 0.75)  # in these sizes
    for i in range(n):

        def poll(fraction: float, i: int = i) -> None:
            done = share * (i + fraction) / n
            if progress is not None and done < 1:  # 1 is said once, at the end
                progress(done)

        prior_passes(
            [size.call(i) for size in sizes],
            model,
            poll=poll if progress is not None else None,
            backend=backend,
            n_threads=n_threads,
        )
    if len(sizes) < count:

        def poll_coarse(fraction: float) -> None:
            if progress is not None and fraction < 1:
                progress(share + (passes - share) * fraction)

        room = full.planes[1].reshape(-1)
        half = half_size(full, room, model, backend=backend, n_threads=n_threads)
        denoise_plane(
            half.noisy,
            model,
            half.sigma,
            half.settings,
            progress=poll_coarse if progress is not None else None,
            out=half.planes[0],
            work=half.planes[1],
            backend=backend,
            n_threads=n_threads,
        )
        sizes.append(half)
    for large, small in reversed([*pairwise(sizes)]):
        planes = (large.planes[0], small.planes[0], small.noisy)
        for plane, coarse, scratch in zip(*map(split, planes), strict=True):
            backend.add_coarse(plane, coarse, large.settings.coarse, scratch, n_threads=n_threads)
    if settings.learned:

        def poll_steps(fraction: float) -> None:
            if progress is not None and fraction < 1:
                progress(passes + (1 - passes) * fraction)

        diffuse(
            full.planes[0],
            noisy if guide is None else guide,
            sigma,
            full.planes[1],
            backend=backend,
            n_threads=n_threads,
            guided=guide is not None,
            poll=poll_steps,
        )
    if progress is not None:
        progress(1.0)
    return full.planes[0]


def restorations(
    measured: Sequence[FloatArray],
    operator: Operator,
    model: PatchModel,
    sigma: float,
    settings: TaskSettings,
    *,
    backend: Backend,
    n_threads: int,
    start: FloatArray | None = None,
    origin: tuple[int, int] = (0, 0),
    poll: Callable[[int, float], None] | None = None,
) -> Iterator[FloatArray]:
    """The image after each pass; arguments as in `fastepll.restore`, but checked.

    It is a plane (height, width) of which one plane was measured, or (channels, height, width) for
    a model of patches with channels. One that was given out is overwritten by the next but one.
    ``origin`` is where a part of an image begins (`Settings.pass_`).

    ``settings.noise`` are the variances 1/β of the passes themselves, not in units of sigma², and
    ``settings.blend`` the weights c of the prior. Each pass gives the average x̃ of the patch
    estimates of x + m (x - x'), x' the image a pass before and m ``settings.momentum``; then x
    solves ``(AᵀA + τ) x = Aᵀy + τ x̃`` with τ = cσ²β, at least `Operator.least_tau`. ``poll`` gets
    the number of the pass and the fraction of it.
    """
    theirs = [*measured] if start is None else [start]  # memory that is not written to
    if start is None:
        with transforms_on(n_threads):
            start = joined([operator.guess(y, sigma) for y in measured], model)
    x = np.ascontiguousarray(start, backend.dtype)
    first = x if any(np.may_share_memory(x, image) for image in theirs) else None
    del start, theirs
    pixelwise = isinstance(operator, Pixelwise)
    with transforms_on(n_threads):
        data = [y if pixelwise else operator.adjoint(y) for y in measured]
    previous = spare = None
    least = operator.least_tau
    for i in range(len(settings.noise)):
        step = settings.pass_(i, 1.0, origin)

        def tell(fraction: float, i: int = i) -> None:
            if poll is not None:
                poll(i, fraction)

        ahead = x
        if settings.momentum > 0 and previous is not None:
            ahead = np.subtract(x, previous, out=None if previous is first else previous)
            ahead *= x.dtype.type(settings.momentum)
            ahead += x
        average = backend.prior_pass(
            ahead,
            model,
            step,
            n_threads=n_threads,
            poll=None if poll is None else tell,
            out=spare,
        )
        tau = max(settings.blend[i] * sigma**2 / step.noise_var, least)
        if settings.momentum > 0:
            spare = None if ahead is x else ahead
        else:
            spare = None if x is first else x
        previous = x
        if isinstance(operator, Pixelwise):
            x = average
            for plane, rhs in zip(split(x), data, strict=True):
                operator.settle(plane, rhs, tau)
        else:
            each = zip(split(average), measured, data, split(x), strict=True)
            with transforms_on(n_threads):
                planes = [
                    operator.step(plane, tau, y=y, data=rhs, start=before)
                    for plane, y, rhs, before in each
                ]
            x = np.ascontiguousarray(joined(planes, model), backend.dtype)
        yield x


def joined(planes: Sequence[FloatArray], model: PatchModel) -> FloatArray:
    """The image of these planes that the backends want for the model."""
    return planes[0] if len(model.patch_shape) == 2 else np.stack(planes)
