"""A call of `fastepll.deep_image_prior`: the fit from its checked arguments to its result."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fastepll.neural import checkpoint
from fastepll.neural.cost import Cost, check_memory, cost_of
from fastepll.neural.fit import Fit, Problem, padded
from fastepll.neural.measured import Measured
from fastepll.neural.measuring import measure_of
from fastepll.neural.penalties import Likelihood, Penalty, Splitting
from fastepll.neural.presets import Preset
from fastepll.neural.result import DeepImagePriorResult, FitIteration, RuleName, Stopped
from fastepll.neural.stopping import Discrepancy, MovingVariance, Never, Rule
from fastepll.typing import Poll

SAVED = 30.0  # seconds from one checkpoint to the next
NOMINAL = 1 / 255  # noise that the weight of a prior is for, where there is less or it is not known

RULES: dict[RuleName, Callable[[], Rule]] = {
    "discrepancy": Discrepancy,
    "variance": MovingVariance,
    "never": Never,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """What a call asks for; arguments as of `fastepll.deep_image_prior`, but checked.

    ``guide`` and ``restored`` are planes (channels, height, width): the network's input, if it is
    not noise, and what EPLL made of the measurement, if that has a ``share`` in the result.
    """

    measured: Measured
    preset: Preset
    average: float
    stop: RuleName | Literal["auto"]
    prior: Any
    prior_weight: float
    prior_sigma: float | None
    prior_by: str
    langevin: float
    guide: NDArray[np.float64] | None
    restored: NDArray[np.float64] | None
    share: NDArray[np.float64] | None
    device: torch.device
    half: bool
    seed: int
    snapshots: int
    checkpoint: Path | None
    returns: bool
    progress: Poll | None
    callback: Callable[[FitIteration], object] | None

    def run(self) -> DeepImagePriorResult:
        """Fit, and return the image with what was noted."""
        cost = self.cost()
        check_memory(cost, self.device)
        fit = self.fit()
        run = checkpoint.digest(fit, self.settings())
        if self.checkpoint is not None and self.checkpoint.exists():
            checkpoint.restore(fit, self.checkpoint, run)
        n: int = self.preset.iterations
        stopped: Stopped = "iterations"
        snapshots: dict[int, NDArray[Any]] = {}
        begin = saved = time.perf_counter()
        try:
            while fit.i < n and not fit.done:
                with uninterrupted():
                    fit.step()
                if self.snapshots and fit.i % self.snapshots == 0:
                    snapshots[fit.i - 1] = self.image(fit.average)
                if self.checkpoint is not None and time.perf_counter() > saved + SAVED:
                    checkpoint.save(fit, self.checkpoint, run)
                    saved = time.perf_counter()
                if self.tell(fit):
                    stopped = "callback"
                    break
            if fit.done:
                stopped = "rule"
            if self.progress is not None and fit.i < n:
                self.progress(1.0)
        except KeyboardInterrupt:
            stopped = "interrupt"
            if not self.returns or not fit.i:
                raise
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        finally:
            if self.checkpoint is not None and fit.i:
                checkpoint.save(fit, self.checkpoint, run)
        return DeepImagePriorResult(
            image=self.image(fit.best),
            iteration=fit.i - 1 if fit.rule.best < 0 else fit.rule.best,
            stopped=stopped,
            rule=self.rule,
            losses=self.measured.scale**2 * np.array(fit.losses),
            statistics=np.array(fit.statistics),
            snapshots=snapshots,
            n_parameters=cost.n_parameters,
            flops=cost.flops,
            seconds=time.perf_counter() - begin,
        )

    def image(self, found: torch.Tensor) -> NDArray[Any]:
        """As it is returned."""
        planes = found[0].double().cpu().numpy()
        if self.restored is not None and self.share is not None:
            planes += self.share * (self.restored - planes)
        return self.measured.image(planes)

    def tell(self, fit: Fit) -> bool:
        """Call back after an iteration; whether that ends the fit."""
        if self.progress is not None:
            self.progress(fit.i / self.preset.iterations)
        if self.callback is None:
            return False
        average, output = fit.average, fit.output
        seen = FitIteration(
            fit.i - 1,
            self.preset.iterations,
            self.measured.scale**2 * fit.losses[-1],
            fit.misfit * (1.0 if self.measured.sigma else self.measured.scale**2),
            fit.statistics[-1],
            (lambda: self.image(average), lambda: self.image(output)),
        )
        return self.callback(seen) is True

    def cost(self) -> Cost:
        """Of an iteration."""
        height, width = (padded(n, self.preset) for n in self.measured.operator.in_shape)
        n_in = None if self.guide is None else len(self.guide)
        n_out = len(self.measured.planes)
        return cost_of(self.preset, (height, width), n_out, n_in=n_in, half=self.half)

    def fit(self) -> Fit:
        """A fit that has not begun."""
        measured = self.measured

        def tensor(values: NDArray[np.float64]) -> torch.Tensor:
            return torch.as_tensor(values[None]).to(self.device, torch.float32)

        y = tensor(measured.planes)
        sigma = measured.sigma or 0.0
        problem = Problem(
            y=y,
            measure=measure_of(measured.operator, y),
            weights=tensor(measured.weights),
            variance=sigma**2 or 1.0,
            shape=measured.operator.in_shape,
        )
        return Fit(
            problem,
            self.preset,
            rule=RULES[self.rule](),
            average=self.average,
            penalty=self.penalty(),
            langevin=self.langevin,
            guide=None if self.guide is None else tensor(self.guide),
            half=self.half,
            seed=self.seed,
        )

    @property
    def rule(self) -> RuleName:
        """When the fit is stopped."""
        sigma, stop = self.measured.sigma, self.stop
        if stop == "auto":
            return "variance" if sigma is None else "discrepancy" if sigma > 0 else "never"
        return stop

    def penalty(self) -> Penalty | None:
        """The prior of patches."""
        if self.prior is None or self.prior_by == "input":
            return None
        measured = self.measured
        sigma = max(measured.sigma or 0.0, NOMINAL / measured.scale)  # in units of the fit
        share = {"splitting": 1.0, "likelihood": 0.25}[self.prior_by]
        level = share * sigma * measured.scale if self.prior_sigma is None else self.prior_sigma
        if self.prior_by == "splitting":
            weight = self.prior_weight * (sigma * measured.scale / level) ** 2
            return Splitting(self.prior, level, weight, measured.scale)
        n = np.count_nonzero(np.broadcast_to(measured.weights, measured.planes.shape))
        nat = 2 * sigma**2 / (n * math.prod(self.prior.patch_shape[:2]))
        return Likelihood(self.prior, level, self.prior_weight * nat, measured.scale)

    def settings(self) -> str:
        """All that decides what the fit computes, but for the measurement."""
        prior = None
        if self.prior is not None:
            patch = np.linspace(0, 0.1, self.prior.d)
            prior = self.prior.denoise(patch[None] - patch.mean(), 0.05, "map").tolist()
        weighting = self.prior_weight, self.prior_sigma, self.prior_by
        preset = replace(self.preset, iterations=1)
        fitting = preset, self.average, self.stop, self.langevin, self.half, self.seed
        return repr((prior, weighting, fitting))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let what SIGINT does wait until the block is done, so that a fit stays whole."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # signals do not come here, or do nothing
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(*came[0])
