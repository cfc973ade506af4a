"""Comparing what two computations restore, where rounding may choose between equals.

A patch is estimated with the component of least cost. Where the two best differ by less than
float32 can tell, either is right, and the pixels of the patch then differ by far more than
rounding. Pixels that such a patch reaches are left out; it counts as one only if float64 finds a
margin below `TIE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
from scipy.ndimage import maximum_filter

from fastepll.backends import Backend, PassCall, get_backend, reference
from fastepll.backends.passes import Pass
from fastepll.models import GaussianMixture

from .conftest import BACKENDS
from .scenes import rms

TIE = 2e-3  # of cost, which is minus twice the log density: 1e-3 nats
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Seen:
    """A pass of the prior: what it was given, and the components that it chose."""

    image: Array
    model: GaussianMixture
    step: Pass
    chosen: Array


@contextmanager
def watching() -> Iterator[list[Seen]]:
    """The passes of every backend, in order."""
    passes: list[Seen] = []

    def see(backend: Backend, image: Array, model: Any, step: Pass) -> None:
        chosen = backend.select(image, model, step, n_threads=1)
        passes.append(Seen(image.astype(np.float64), model, step, chosen))

    def one(plain: Callable[..., Array]) -> Callable[..., Array]:
        def prior_pass(self: Backend, image: Array, model: Any, step: Pass, **rest: Any) -> Array:
            see(self, image, model, step)
            return plain(self, image, model, step, **rest)

        return prior_pass

    def several(plain: Callable[..., None]) -> Callable[..., None]:
        def prior_passes(self: Backend, calls: list[PassCall], model: Any, **rest: Any) -> None:
            for call in calls:
                see(self, call.image, model, call.step)
            plain(self, calls, model, **rest)

        return prior_passes

    with ExitStack() as stack:
        for kind in {type(get_backend(name)) for name in BACKENDS}:
            if hasattr(kind, "prior_passes"):  # of which its prior_pass is one
                change = mock.patch.object(kind, "prior_passes", several(kind.prior_passes))
            else:
                change = mock.patch.object(kind, "prior_pass", one(kind.prior_pass))
            stack.enter_context(change)
        yield passes


def fragile(image: Array, model: GaussianMixture, step: Pass) -> Array:
    """Patches, (rows, columns) of the grid, whose estimate may jump if costs err a little.

    Another component may be the best; of a top mean, others may be taken; of a cascade, others may
    be considered.
    """
    rows, cols = reference.grid(image, model, step)
    patches, _ = reference.extract(image, model.patch_shape, (rows, cols))
    n_taken = 1 if step.estimator == "map" else reference.TOP_COMPONENTS
    tie = TIE if n_taken == 1 else TIE / 10  # nothing tells afterwards which of them did jump
    taken = []
    for slack in (tie, -tie):
        margins = [max(margin + slack, 0.0) for margin in (step.margin, step.middle_margin)]
        moved = replace(step, margin=margins[0], middle_margin=margins[1])
        cost = reference.costs(patches, model, moved)
        ranked = np.sort(np.pad(cost, ((0, 0), (0, 1)), constant_values=np.inf), axis=1)
        last = min(n_taken - (slack > 0), model.k)
        limit = np.minimum(ranked[:, last], ranked[:, 0] + reference.TOP_MARGIN) + slack
        taken.append(cost <= limit[:, None])
    return np.any(taken[0] != taken[1], axis=1).reshape(len(rows), len(cols))


def reached(jumps: Array, image: Array, model: GaussianMixture, step: Pass) -> Array:
    """Pixels of those patches."""
    result = np.zeros(image.shape[-2:], bool)
    rows, cols = reference.grid(image, model, step)
    p, q = model.patch_shape[:2]
    for i, j in np.argwhere(jumps):
        result[rows[i] : rows[i] + p, cols[j] : cols[j] + q] = True
    return result


def assert_pass_agrees(
    backend: Backend, image: Array, model: GaussianMixture, step: Pass, atol: float, **rest: Any
) -> Array:
    """A pass gives what the reference gives, and so does the selection, which is returned."""
    x = image.astype(backend.dtype)
    plane, wide = x.astype(np.float64), {key: np.float64(value) for key, value in rest.items()}
    jumps = fragile(plane, model, step)
    chosen = backend.select(x, model, step, n_threads=2)
    right = reference.backend.select(plane, model, step, n_threads=1)
    assert chosen.dtype == np.int32
    np.testing.assert_array_equal(chosen[~jumps], right[~jumps])
    ours = backend.prior_pass(x, model, step, n_threads=2, **rest)
    theirs = reference.backend.prior_pass(plane, model, step, n_threads=1, **wide)
    assert ours.dtype == backend.dtype
    if step.estimator == "map":  # what was chosen says which of them did jump
        jumps &= chosen != right
    left_out = reached(jumps, plane, model, step)
    assert left_out.mean() < 0.1, f"{left_out.mean():.0%} of the pixels have near ties"
    np.testing.assert_allclose(ours[..., ~left_out], theirs[..., ~left_out], rtol=0, atol=atol)
    return chosen


def assert_alike(
    ours: Callable[[], Array], theirs: Callable[[], Array], atol: float, spreads: bool = False
) -> None:
    """Both give the same image (..., height, width) by the same passes.

    For a loop over passes on one plane, or on the channels of a prior of colour patches. With
    ``spreads`` something between the passes takes a change to all pixels: after a near tie that
    fell otherwise there are no pixels left to compare one by one.
    """
    with watching() as our_passes:
        our_image = ours()
    with watching() as their_passes:
        their_image = theirs()
    for passes in (our_passes, their_passes):  # size by size, which may have been done together
        passes.sort(key=lambda seen: -seen.image.size)
    changed: dict[tuple[int, ...], Array] = {}  # pixels of images of that shape
    for a, b in zip(our_passes, their_passes, strict=True):
        shape, sides = a.image.shape[-2:], [2 * p - 1 for p in a.model.patch_shape[:2]]
        mask = changed.get(shape, np.zeros(shape, bool))
        changed[shape] = mask = maximum_filter(mask, sides)
        jumps = a.chosen != b.chosen
        if jumps.any():
            wrong = jumps & ~fragile(a.image, a.model, a.step)
            wrong_at = reached(wrong, a.image, a.model, a.step)
            assert not (wrong_at & ~mask).any(), "components that are not equally good were chosen"
            changed[shape] = mask | spreads | reached(jumps, a.image, a.model, a.step)
    left_out = np.zeros(our_image.shape[-2:], bool)
    for mask in changed.values():  # those of halved images spread to twice the size, and one more
        scale = left_out.shape[0] // mask.shape[0]
        rows, cols = (np.arange(n) // scale for n in left_out.shape)
        here = mask[np.minimum(rows, len(mask) - 1)][:, np.minimum(cols, mask.shape[1] - 1)]
        left_out |= here if scale == 1 else maximum_filter(here, 4 * scale + 1)
    difference = np.abs(our_image.astype(np.float64) - their_image)
    most = difference[..., ~left_out].max(initial=0)
    assert most <= atol, f"differs by {most} where no near tie reaches"
    assert rms(difference) < max(atol, 1e-3), f"differs by {rms(difference)} RMS"
