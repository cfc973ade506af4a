"""The one loop that trains the laboratory's networks: Adam on the mean of a loss over batches.

Everything random in a step follows from the seed and the step's number alone, so that a run that
was interrupted goes on from its checkpoint bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from fastepll.train import descent_checkpoint as files
from fastepll.train.descent import Descent, Run

if TYPE_CHECKING:
    import torch

    Data: TypeAlias = "torch.Tensor | Callable[[np.random.Generator, int], torch.Tensor]"


class Loss(Protocol):
    """What is descended."""

    def __call__(self, rows: torch.Tensor, generator: torch.Generator, /) -> torch.Tensor:
        """Loss of each row, or their mean, in nats; the generator for what is random in it."""


def descend(
    module: torch.nn.Module,
    data: Data,
    loss: Loss,
    how: Descent,
    *,
    held_out: torch.Tensor | None = None,
    held_out_loss: Loss | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[Run], None] | None = None,
    before: Callable[[int], None] | None = None,
) -> Run:
    """Fit a module.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters are changed.
    data : tensor (n, ...), or callable
        Rows, of which each epoch takes all once in an order of its own; or what draws a number of
        them with a NumPy generator.
    loss : callable
        Takes rows and a torch generator to a loss in nats of each (or their mean).
    held_out : tensor, optional
        Rows by which the best parameters are chosen, with ``held_out_loss`` (default: the loss,
        with a generator that is the same at every look).
    checkpoint : path, optional
        File that is written every ``checkpoint_seconds`` and at the end, and gone on from.
    progress : callable, optional
        Called after each step.
    before : callable, optional
        Called before each step with the number of those done, for a loss that changes with it.

    Raises
    ------
    ValueError
        The checkpoint is none, or that of another module or other options.
    FloatingPointError
        The loss is no longer finite.
    """
    import torch

    run = Run(module, how, _adam(module, how))
    if how.average:
        run.average = _copy(module)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        files.restore(run, path)
    saved = time.monotonic()
    while run.i < how.iterations:
        if before is not None:
            before(run.i)
        _step(run, data, loss)
        if run.i % how.every == 0 or run.i == how.iterations:
            _look(run, held_out, held_out_loss or loss)
        if path is not None and time.monotonic() - saved > checkpoint_seconds:
            files.save(run, path)
            saved = time.monotonic()
        if progress is not None:
            progress(run)
    if path is not None:
        files.save(run, path)
    with torch.no_grad():
        kept = run.best or run.average
        for name, parameter in module.named_parameters():
            if name in kept:
                parameter.copy_(kept[name])
    return run


def _adam(module: torch.nn.Module, how: Descent) -> torch.optim.Adam:
    """Its state is there from the start, for a checkpoint to fill."""
    import torch

    optimizer = torch.optim.AdamW(
        module.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay, fused=True
    )
    for parameter in module.parameters():
        optimizer.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def _step(run: Run, data: Data, loss: Loss) -> None:
    """One step."""
    import torch

    how = run.how
    generator = torch.Generator().manual_seed(how.seed * 1_000_003 + run.i)
    for group in run.optimizer.param_groups:
        group["lr"] = how.rate(run.i)
    run.module.train()
    value = loss(_batch(run, data), generator).mean()
    told = float(value.detach())
    if not math.isfinite(told):
        raise FloatingPointError(f"the loss is {told} at step {run.i}")
    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(value)
    if how.clip < math.inf:
        torch.nn.utils.clip_grad_norm_(run.module.parameters(), how.clip)
    run.optimizer.step()
    run.i += 1
    run.total += told
    decay = min(how.average, run.i / (run.i + 9))  # short at first
    with torch.no_grad():
        for name, parameter in run.module.named_parameters():
            if name in run.average:
                run.average[name].lerp_(parameter, 1 - decay)


def _batch(run: Run, data: Data) -> torch.Tensor:
    """Rows of a step."""
    import torch

    how = run.how
    if callable(data):
        return data(np.random.default_rng([how.seed, run.i]), how.batch)
    size = min(how.batch, len(data))
    epoch, k = divmod(run.i, len(data) // size)
    if run.order is None or run.order[0] != epoch:
        run.order = epoch, np.random.default_rng([how.seed, epoch]).permutation(len(data))
    return data[torch.from_numpy(run.order[1][k * size : (k + 1) * size])]


def _look(run: Run, held_out: torch.Tensor | None, loss: Loss) -> None:
    """Note the losses, and the parameters if they are the best."""
    import torch

    steps = run.i - (run.history[-1][0] if run.history else 0)
    found = math.nan
    if held_out is not None:
        now = _copy(run.module)
        kept = run.average or now
        _put(run.module, kept)
        run.module.eval()
        generator = torch.Generator().manual_seed(run.how.seed)
        with torch.no_grad():
            parts = [
                loss(rows, generator).mean() * len(rows) for rows in torch.split(held_out, 1000)
            ]
        found = float(sum(parts)) / len(held_out)
        _put(run.module, now)
        if found < min((row[2] for row in run.history), default=math.inf):
            run.best = {name: value.clone() for name, value in kept.items()}
    run.history.append((run.i, run.total / steps, found))
    run.total = 0.0


def _copy(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Values of the parameters."""
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def _put(module: torch.nn.Module, values: Mapping[str, torch.Tensor]) -> None:
    """Set the parameters."""
    import torch

    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(values[name])
