"""One training run, step by step: mini-batch warm start, full passes, finishing passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastepll.images.cosines import dct_basis
from fastepll.train.em import (
    Candidates,
    Mixture,
    Statistics,
    candidates,
    factorise,
    maximise,
    reseed,
    statistics,
    without_less,
)
from fastepll.train.options import TrainOptions
from fastepll.train.patches import split_images, stream_patches

__all__ = ["Learnt", "Trainer", "check_device"]

UNIFORM_VARIANCE = 1 / 12 / 255**2
RUN = 600
SAMPLE = 20_000


def check_device(device: str) -> torch.device:
    """Return the torch device called `device`; ValueError unless it is the CPU or a CUDA GPU."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r} is not there: {torch.cuda.device_count()} GPUs found")
    return found


def _workers(count: int) -> ThreadPoolExecutor:
    """Threads in which torch itself uses one: cheaper than sharing each small operation."""
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    pool.submit(torch.get_num_threads).result()
    torch.set_num_threads(count)
    return pool


class Learnt(NamedTuple):
    """The arguments of `fastepll.GaussianMixture`."""

    weights: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    patch_shape: tuple[int, ...]


class Trainer:
    """One run over images or dequantised patches; everything random follows the step."""

    def __init__(
        self,
        source: Sequence[Path] | NDArray[np.float32],
        options: TrainOptions,
        device: str = "cpu",
    ) -> None:
        self.options, self.device = options, check_device(device)
        self.basis = torch.from_numpy(dct_basis(options.patch_shape)).float().to(self.device)
        on_gpu = self.device.type == "cuda"
        self.pool = None if on_gpu else _workers(torch.get_num_threads())
        self.chunk, self.block = (1 << 20, 1 << 18) if on_gpu else (1 << 14, 1 << 11)
        self.block = min(self.block, self.block * 64**2 // len(self.basis) ** 2)  # d² values each
        self.position, self.history = 0, list[tuple[int, str, float, float]]()
        self.running: Statistics | None = None
        self.pairs: list[Candidates] = []
        if isinstance(source, np.ndarray):
            self.paths, self.kept, self.dequantised = list[Path](), list[Path](), True
            self.z = torch.from_numpy(source).to(self.device) @ self.basis
        else:
            self.paths, self.kept = split_images(source, options.holdout, options.seed)
            self.dequantised = options.steps == options.finish
            self.z = self.load(self.paths, options.n_patches, dequantise=self.dequantised)
        self.drawn = 0
        count = min(options.n_patches, 200_000)
        self.held = self.load(self.kept, count, dequantise=True) if self.kept else None
        self.mixture = self.initial()

    @property
    def stage(self) -> str:
        """What the next step is: "warm", "full" or "finish"."""
        o = self.options
        if self.position < o.warm_steps:
            return "warm"
        return "full" if self.position < o.warm_steps + self.passes else "finish"

    @property
    def passes(self) -> int:
        """Full passes of the run: all, or those until the held-out likelihood stopped rising."""
        best, since = -math.inf, 0
        for position, stage, _, held in self.history:
            if stage != "full" or math.isnan(held):
                continue
            best, since = (held, 0) if held > best else (best, since + 1)
            if since and since == self.options.patience:
                return position - self.options.warm_steps
        return self.options.iterations

    @property
    def steps(self) -> int:
        """Length of the whole run, as far as it is known."""
        return self.options.warm_steps + self.passes + self.options.finish

    @property
    def at_boundary(self) -> bool:
        """Whether the state is complete without the candidate lists of earlier steps."""
        return self.stage == "warm" or self._pass % self.options.refresh == 0

    @property
    def _pass(self) -> int:
        """Index of the next full pass within its stage."""
        o = self.options
        return self.position - o.warm_steps - (self.passes if self.stage == "finish" else 0)

    def load(self, paths: Sequence[Path], n: int, *, dequantise: bool, draw: int = 0) -> Tensor:
        """Patches in the cosine basis, (n, d - 1) float32 on the device."""
        o, done = self.options, 0
        z = torch.empty(n, self.basis.shape[1], device=self.device)
        for block in stream_patches(
            paths,
            o.patch_shape,
            n,
            seed=o.seed,
            draw=draw,
            shrink=o.shrink,
            detail=o.detail,
            dequantise=dequantise,
            flips=o.flips,
        ):
            z[done : done + len(block)] = torch.from_numpy(block).to(self.device) @ self.basis
            done += len(block)
        return z

    def draw(self, position: int) -> int:
        """Which draw of patches step `position` sees; after the warm start it is the last one."""
        o = self.options
        return min(position, max(o.warm_steps - 1, 0)) // o.redraw if o.redraw else 0

    def seek(self, position: int) -> None:
        """Move to `position` of the run, with the patches that belong there."""
        self.position = position
        finishing = self.stage == "finish" and not self.dequantised
        if not finishing and self.draw(position) == self.drawn:
            return
        self.dequantised, self.drawn = self.dequantised or finishing, self.draw(position)
        if position < self.steps:
            self.z = torch.empty(0)  # not two draws in memory at once
            n, dequantise = self.options.n_patches, self.dequantised
            self.z = self.load(self.paths, n, dequantise=dequantise, draw=self.drawn)

    def initial(self) -> Mixture:
        """Every component starts as the moments of neighbouring patches: in space, or in value."""
        k, run, generator = self.options.n_components, min(RUN, len(self.z) // 2), self.generator()
        starts = torch.randint(len(self.z) - run, (k,), generator=generator).tolist()
        if self.paths:
            runs = torch.stack([self.z[s : s + run].double() for s in starts])
        else:  # an array may be in any order: the patches nearest to one, up to sign
            sample = torch.randperm(len(self.z), generator=generator)[:SAMPLE].to(self.device)
            pool = self.z[sample]
            distance = pool.square().sum(1) - 2 * (self.z[starts] @ pool.T).abs()
            runs = pool[distance.topk(run, largest=False).indices].double()
        local = runs.mT @ runs / run
        cov = local + 0.02 * local.mean(0)
        cov.diagonal(dim1=1, dim2=2).add_(self.floor_variance)
        return Mixture(torch.full((k,), 1 / k, dtype=torch.float64, device=self.device), cov)

    @property
    def floor_variance(self) -> float:
        """Variance added to every direction: next to none once the data carry their own."""
        return 1e-8 if self.dequantised else max((self.options.floor / 255) ** 2, 1e-8)

    def generator(self) -> torch.Generator:
        """Random numbers of the coming step, the same on every device."""
        return torch.Generator().manual_seed(self.options.seed * 1_000_003 + self.position)

    def step(self) -> float:
        """Do the next step; returns its mean log-likelihood under the mixture it started from."""
        stage = self.stage
        stats = self.warm_step() if stage == "warm" else self.full_pass()
        train = stats.log_likelihood / stats.n + self.offset
        self.position += 1
        measured = self.at_boundary and self.stage != "warm"
        held = self.held_out() if measured else math.nan
        self.history.append((self.position, stage, train, held))
        if stage != "finish" and self.stage == "finish":
            self.mixture = self.lifted()
        self.seek(self.position)
        return train

    def warm_step(self) -> Statistics:
        """Stepwise EM: statistics of one random batch enter a decaying average."""
        o, generator = self.options, self.generator()
        if self.position % 25 == 24 and reseed(self.mixture, o.min_weight, generator):
            self.running = None
        index = torch.randint(len(self.z), (min(o.batch, len(self.z)),), generator=generator)
        stats, _ = self.sweep(self.z[index.to(self.device)], self.mixture, None, o.drop)
        new = Statistics(stats.counts / stats.n, stats.scatter / stats.n, 0.0, 1)
        if self.running is None:
            self.running = new
        else:
            rate = (self.running.n + 1) ** -0.7
            self.running.add(new, 1 - rate, rate)
        prior = o.prior_weight / o.n_patches  # the counts of the average sum to one
        self.mixture = self.maximised(self.running, prior)
        return stats

    def full_pass(self) -> Statistics:
        """One iteration over all patches; candidate lists are renewed every `refresh` passes."""
        o = self.options
        fresh = self._pass % o.refresh == 0
        if fresh and self.stage == "full" and self._pass < o.iterations // 2:
            reseed(self.mixture, o.min_weight, self.generator())
        stats, self.pairs = self.sweep(self.z, self.mixture, None if fresh else self.pairs, o.drop)
        self.running = None
        self.mixture = self.maximised(stats, o.prior_weight)
        return stats

    def maximised(self, stats: Statistics, prior_weight: float) -> Mixture:
        """The M-step; covariances are those of the patches with their noise."""
        found = maximise(stats, self.floor_variance, prior_weight)
        if not self.options.sigma:
            return found
        return without_less(found, self.options.sigma**2 + self.floor_variance)

    def sweep(
        self, z: Tensor, mixture: Mixture, pairs: Sequence[Candidates] | None, drop: float
    ) -> tuple[Statistics, list[Candidates]]:
        """E-step over `z` chunk by chunk, one thread a chunk, summed in the order of the chunks."""
        factors, margin = factorise(mixture), self.options.margin

        def work(i: int, chunk: Tensor) -> tuple[Statistics, Candidates]:
            found = pairs[i] if pairs else candidates(chunk, factors, margin, self.block)
            return statistics(chunk, factors, found, drop), found

        chunks = torch.split(z, self.chunk)
        results = (self.pool.map if self.pool else map)(work, range(len(chunks)), chunks)
        k, d, _ = mixture.covariances.shape
        total, kept = Statistics.zeros(k, d, self.device), []
        for stats, found in results:
            total.add(stats)
            kept.append(found)
        return total, kept

    def lifted(self) -> Mixture:
        """The mixture of dequantised patches: the floor gives way to the uniform noise's 1/12."""
        if self.dequantised:
            return self.mixture
        values, vectors = torch.linalg.eigh(self.mixture.covariances)
        values = (values - self.floor_variance).clamp_min(0) + UNIFORM_VARIANCE
        return Mixture(self.mixture.weights, (vectors * values[:, None, :]) @ vectors.mT)

    @property
    def offset(self) -> float:
        """From the density of cosine coefficients to the benchmark's: last value dropped, /256."""
        d = self.basis.shape[0]
        return 0.5 * math.log(d) + (d - 1) * math.log(256 / 255)

    def held_out(self) -> float:
        """Mean log-likelihood of the dequantised held-out patches (nan without any)."""
        if self.held is None:
            return math.nan
        stats, _ = self.sweep(self.held, self.lifted(), None, drop=1.0)
        return stats.log_likelihood / stats.n + self.offset

    def result(self) -> Learnt:
        """The trained mixture, singular along the constant patch."""
        mixture = self.lifted()
        values, vectors = torch.linalg.eigh(mixture.covariances.cpu())
        values = (values - self.options.sigma**2).clamp_min(0)
        basis = dct_basis(self.options.patch_shape)
        k, d = len(values), len(basis)
        full = np.full((k, d, d), d**-0.5)
        full[:, :, :-1] = basis @ vectors.flip(2).numpy()
        spectrum = np.pad(values.flip(1).numpy(), ((0, 0), (0, 1)))
        weights = mixture.weights.cpu().numpy()
        return Learnt(weights / weights.sum(), full, spectrum, self.options.patch_shape)
