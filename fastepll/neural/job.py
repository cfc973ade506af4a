"""A call of `fastepll.deep_image_prior`: the fit from its checked arguments to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from fastepll.neural.result import DeepImagePriorResult, FitIteration, Stopped
from fastepll.neural.stopping import Discrepancy, MovingVariance, Never, Rule
from fastepll.typing import Poll

SAVED = 30.0  # seconds from one checkpoint to the next
SPLITTING, LIKELIHOOD = 0.5, 0.25  # noise that these take the image to have, in units of sigma
NOMINAL = 1 / 255  # noise that the weight of a prior is for, where there is less or it is not known


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """What a call asks for; arguments as of `fastepll.deep_image_prior`, but checked."""

    measured: Measured
    preset: Preset
    average: float
    stop: str
    prior: Any
    prior_weight: float
    prior_sigma: float | None
    prior_by: str
    langevin: float
    guide: NDArray[np.float64] | None
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
                fit.step()
                if self.snapshots and fit.i % self.snapshots == 0:
                    snapshots[fit.i - 1] = self.image(fit.average)
                if self.checkpoint is not None and time.perf_counter() > saved + SAVED:
                    checkpoint.save(fit, self.checkpoint, run)
                    saved = time.perf_counter()
                if self.progress is not None:
                    self.progress(fit.i / n)
                if self.callback is not None and self.callback(self.told(fit)) is True:
                    stopped = "callback"
                    break
            if fit.done:
                stopped = "rule"
            if self.checkpoint is not None:
                checkpoint.save(fit, self.checkpoint, run)
        except KeyboardInterrupt:
            if not self.returns or not fit.i:
                raise
            stopped = "interrupt"
        return DeepImagePriorResult(
            image=self.image(fit.best),
            iteration=fit.i - 1 if fit.rule.best < 0 else fit.rule.best,
            stopped=stopped,
            losses=np.array(fit.losses),
            statistics=np.array(fit.statistics),
            snapshots=snapshots,
            n_parameters=cost.n_parameters,
            flops=cost.flops,
            seconds=time.perf_counter() - begin,
        )

    def image(self, found: torch.Tensor) -> NDArray[Any]:
        """As it is returned."""
        return self.measured.image(found[0].float().cpu().numpy())

    def told(self, fit: Fit) -> FitIteration:
        """What a callback gets."""
        average, output = fit.average, fit.output
        return FitIteration(
            fit.i - 1,
            self.preset.iterations,
            fit.losses[-1],
            fit.statistics[-1],
            (lambda: self.image(average), lambda: self.image(output)),
        )

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
            rule=self.rule(),
            average=self.average,
            penalty=self.penalty(),
            langevin=self.langevin,
            guide=None if self.guide is None else tensor(self.guide),
            half=self.half,
            seed=self.seed,
        )

    def rule(self) -> Rule:
        """When the fit is stopped."""
        sigma, stop = self.measured.sigma, self.stop
        if stop == "auto":
            stop = "variance" if sigma is None else "discrepancy" if sigma > 0 else "never"
        if stop == "discrepancy" and not sigma:
            raise ValueError(f"sigma must be > 0 for stop='discrepancy', got {sigma}")
        rules = {"discrepancy": Discrepancy, "variance": MovingVariance, "never": Never}
        rule: Rule = rules[stop]()
        return rule

    def penalty(self) -> Penalty | None:
        """The prior of patches."""
        if self.prior is None:
            return None
        measured = self.measured
        sigma = max(measured.sigma or 0.0, NOMINAL / measured.scale)  # in units of the fit
        noise = self.prior_sigma
        if self.prior_by == "splitting":
            level = SPLITTING * sigma * measured.scale if noise is None else noise
            return Splitting(self.prior, level, self.prior_weight, measured.scale)
        level = LIKELIHOOD * sigma * measured.scale if noise is None else noise
        d = float(np.prod(self.prior.patch_shape[:2]))
        nat = (
            2
            * sigma**2
            / (d * np.count_nonzero(np.broadcast_to(measured.weights, measured.planes.shape)))
        )
        return Likelihood(self.prior, level, self.prior_weight * nat, measured.scale)

    def settings(self) -> str:
        """All that decides what the fit computes, but for the measurement."""
        prior = None if self.prior is None else (type(self.prior).__name__, self.prior.patch_shape)
        weighting = self.prior_weight, self.prior_sigma, self.prior_by
        fitting = self.preset, self.average, self.stop, self.langevin, self.half, self.seed
        return repr((prior, weighting, fitting))
