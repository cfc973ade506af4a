"""The prior pass as products of matrices in torch, float32, for those who have a GPU.

Same mathematics as `fastepll.backends.reference`, for all components at once: nothing is pruned,
which a GPU makes up for and a processor does not. ``FASTEPLL_TORCH_DEVICE`` says where to compute
("cuda:1", "cpu"); else it is CUDA, else Apple's GPU, else the processor with torch's own threads,
and in the precision for products that torch is set to. Only the image travels. The steps of quality
"learned" are those of NumPy, on the processor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastepll.backends import _structured
from fastepll.backends._filters import wiener_matrices
from fastepll.backends._recent import RecentTables
from fastepll.backends.diffusion import diffuse
from fastepll.backends.reference import TOP_COMPONENTS, TOP_MARGIN, bands, grid, pixel_window
from fastepll.backends.reference import backend as reference
from fastepll.backends.scales import add_coarse, halve
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.backends.passes import Pass
    from fastepll.models import GaussianMixture

COST_BYTES = {"cpu": 1 << 23}  # of the costs of the patches that are worked on at a time
MOST_COST_BYTES = 1 << 27  # the same on other devices, which want large products
TOGETHER = 8  # components in one product
N_KEPT = 8  # kinds of pass of a model whose tables are kept
KEPT_BYTES = 1 << 26  # tables above this size are not kept (200 8x8x3 components: 59 MB)


class Stage(NamedTuple):
    """`fastepll.backends._structured.Structured` as tensors."""

    edges: list[int]
    whiten: Tensor  # (k, h, h)
    precision: Tensor  # (k, bands)
    constant: Tensor  # (k,)


class Tables(NamedTuple):
    """A mixture for one kind of pass, on a device."""

    axes: Tensor  # (d, q): pixels to coefficients
    screen: Stage | None
    middle: Stage | None
    last: Stage  # the costs that are compared
    gain: Tensor  # (k, d, d): Wiener filter on mean-free patches
    confidence: Tensor  # (k,): weight of an estimate
    window: NDArray[np.float64]  # (p, q): weight of the pixels of a patch


class Strip(NamedTuple):
    """Patches of some rows of the grid."""

    rows: Tensor
    cols: Tensor
    patches: Tensor  # (n, d), mean-free
    mean: Tensor  # (n, 1)


def device() -> torch.device:
    """Where to compute."""
    wanted = os.environ.get("FASTEPLL_TORCH_DEVICE")
    if not wanted:
        found = (name for name in ("cuda", "mps") if getattr(torch, name).is_available())
        return torch.device(next(found, "cpu"))
    try:
        one = torch.ones(1, device=wanted)
        one.item()  # not on "meta"
    except (RuntimeError, AssertionError) as error:  # no such name, or one that is not compiled in
        reason = str(error).splitlines()[0]
        raise ValueError(f"FASTEPLL_TORCH_DEVICE is {wanted!r}: {reason}") from None
    return one.device


def prepare(
    model: GaussianMixture, axes: NDArray[np.float64], step: Pass, where: torch.device
) -> Tables:
    """Tables for a kind of pass, in the axes (rows) of the mixture, computed in float64."""
    screen: list[int] = []
    middle: list[int] = []
    last = [model.d]
    if step.selection == "cascade":  # which leaves out how probable it is that the mean is 0
        axes = axes[1:]
        screen, middle, last = bands(step.n_screen, step.n_refine, len(axes))

    def stage(edges: list[int]) -> Stage:
        made = _structured.empty(model, edges)
        _structured.fill(made, slice(None), model, step.noise_var, axes)
        return Stage(
            edges,
            on(made.whiten[:, : edges[0], : edges[0]], where),
            on(made.precision, where),
            on(made.constant - made.constant.min(), where),  # costs near 0 have more digits
        )

    gain, confidence = wiener_matrices(model, slice(None), step)
    window = np.outer(*(pixel_window(p, step.window_decay) for p in model.patch_shape[:2]))
    return Tables(
        on(axes.T, where),
        stage(screen) if screen else None,
        stage(middle) if middle else None,
        stage(last),
        on(gain, where),
        on(confidence, where),
        window,
    )


def on(array: FloatArray, where: torch.device) -> Tensor:
    """A copy in float32 on a device."""
    return torch.from_numpy(np.array(array, np.float32, order="C")).to(where)


def strips(image: FloatArray, model: GaussianMixture, step: Pass, x: Tensor) -> Iterator[Strip]:
    """The patches of a pass, strip by strip, of the image as a tensor (channels, height, width)."""
    rows, cols = (torch.from_numpy(at).to(x.device) for at in grid(image, model, step))
    height, width = (torch.arange(n, device=x.device) for n in model.patch_shape[:2])
    most = COST_BYTES.get(x.device.type, MOST_COST_BYTES) // (4 * max(model.k, model.d))
    size = max(1, most // len(cols))
    for some in (rows[i : i + size] for i in range(0, len(rows), size)):
        patches = x[:, some[:, None, None, None] + height[:, None], cols[:, None, None] + width]
        patches = patches.movedim(0, -1).reshape(len(some) * len(cols), model.d)
        mean = patches.mean(dim=1, keepdim=True)
        yield Strip(some, cols, patches - mean, mean)


def stage_costs(stage: Stage, coefficients: Tensor) -> Tensor:
    """Cost of every patch under every component, (n, k)."""
    lead = coefficients[:, : stage.edges[0]]
    n, h = lead.shape
    bands = [coefficients[:, a:b].square().sum(dim=1) for a, b in pairwise(stage.edges)]
    cost = stage.constant.expand(n, -1)
    if bands:
        cost = torch.addmm(cost, torch.stack(bands, dim=1), stage.precision.T)
    norms = []
    for i in range(0, len(stage.whiten), TOGETHER):
        whitened = lead @ stage.whiten[i : i + TOGETHER].reshape(-1, h).T
        norms.append(whitened.square_().reshape(n, -1, h).sum(dim=2))
    return torch.cat(norms, dim=1).add_(cost)


def costs(strip: Strip, tables: Tables, step: Pass) -> Tensor:
    """Cost of every patch under every component, (n, k), infinite for those not considered."""
    coefficients = strip.patches @ tables.axes
    share = strip.patches.square().sum(dim=1, keepdim=True)
    share = (share / (2 * coefficients.shape[1] * step.noise_var)).clamp_(max=1).square_()
    left_out = torch.zeros((), dtype=torch.bool, device=share.device)
    for stage, margin in ((tables.screen, step.margin), (tables.middle, step.middle_margin)):
        if stage is not None:
            cost = stage_costs(stage, coefficients).masked_fill_(left_out, torch.inf)
            left_out = cost > cost.amin(dim=1, keepdim=True) + 2 * margin * share
    return stage_costs(tables.last, coefficients).masked_fill_(left_out, torch.inf)


def choose(cost: Tensor, step: Pass) -> tuple[Tensor, Tensor]:
    """Components of each patch, best first, and their probabilities, (n, m)."""
    count = 1 if step.estimator == "map" else min(TOP_COMPONENTS, cost.shape[1])
    chosen, lowest = [], []
    for _ in range(count):  # of equals the first, which topk does not promise
        best = cost.argmin(dim=1, keepdim=True)
        chosen.append(best)
        lowest.append(cost.gather(1, best))
        cost.scatter_(1, best, torch.inf)
    excess = torch.cat(lowest, dim=1)
    excess -= excess[:, :1].clone()
    likelihood = torch.where(excess <= TOP_MARGIN, torch.exp(-0.5 * excess), 0)
    return torch.cat(chosen, dim=1), likelihood / likelihood.sum(dim=1, keepdim=True)


def estimate(strip: Strip, tables: Tables, step: Pass) -> tuple[Tensor, Tensor]:
    """Sum over the components of a patch of weight times estimate, (n, d), and of weight, (n,)."""
    components, probabilities = choose(costs(strip, tables, step), step)
    shares = probabilities * tables.confidence[components]
    total = torch.zeros_like(strip.patches)
    rows, places = shares.nonzero(as_tuple=True)
    chosen, order = components[rows, places].sort(stable=True)
    rows, share = rows[order], shares[rows[order], places[order], None]
    ends = chosen.bincount(minlength=len(tables.gain)).cumsum(0).tolist()
    for gain, (begin, end) in zip(tables.gain, pairwise([0, *ends]), strict=True):
        if begin < end:
            here = rows[begin:end]  # no row twice
            filtered = strip.patches[here] @ gain + strip.mean[here]
            total.index_add_(0, here, filtered * share[begin:end])
    return total, shares.sum(dim=1)


class TorchBackend:
    """Float32 on a GPU, or wherever torch computes."""

    name: BackendName = "torch"
    dtype = np.float32
    log_probs = reference.log_probs
    halve = staticmethod(halve)
    add_coarse = staticmethod(add_coarse)
    diffuse = staticmethod(diffuse)

    def __init__(self) -> None:
        self.recent: RecentTables[Tables] = RecentTables(N_KEPT, KEPT_BYTES)

    @torch.inference_mode()
    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        step: Pass,
        *,
        n_threads: int,
        poll: Poll | None = None,
        blend: float = 1.0,
        noisy: FloatArray | None = None,
        out: FloatArray | None = None,
        hints: IntArray | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        where = device()
        tables = self._tables(model, step, where)
        x = on(image.reshape(-1, *image.shape[-2:]), where)
        total, weight = torch.zeros_like(x), torch.zeros_like(x[0])
        p, q = tables.window.shape
        for strip in strips(image, model, step, x):
            sums, weights = estimate(strip, tables, step)
            sums = sums.reshape(len(strip.rows), len(strip.cols), p, q, -1).movedim(-1, 0)
            weights = weights.reshape(len(strip.rows), -1)
            for a, b in np.ndindex(p, q):
                rows, cols = strip.rows[:, None] + a, strip.cols + b  # no pixel twice
                share = float(tables.window[a, b])
                total[:, rows, cols] += share * sums[:, :, :, a, b]
                weight[rows, cols] += share * weights
            if poll is not None:
                poll(float(strip.rows[-1] + p) / len(weight))
        result = (total / weight).reshape(image.shape)
        if noisy is not None:
            result = result.mul_(blend).add_(on(noisy, where), alpha=1 - blend)
        found: FloatArray = result.cpu().numpy()
        if out is None:
            return found
        out[...] = found
        return out

    @torch.inference_mode()
    def select(
        self, image: FloatArray, model: GaussianMixture, step: Pass, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        where = device()
        tables = self._tables(model, step, where)
        x = on(image.reshape(-1, *image.shape[-2:]), where)
        best = [
            costs(strip, tables, step).argmin(dim=1).reshape(len(strip.rows), -1)
            for strip in strips(image, model, step, x)
        ]
        found: IntArray = torch.cat(best).to(torch.int32).cpu().numpy()
        return found

    def _tables(self, model: GaussianMixture, step: Pass, where: torch.device) -> Tables:
        """`prepare`, or what it gave before."""
        return self.recent.get(
            model, step, lambda axes, kind: prepare(model, axes, kind, where), where
        )


backend = TorchBackend()
