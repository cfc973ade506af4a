"""Training of an autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array
from fastepll.models.networks import arrays_of
from fastepll.priors._vae.bounds import loss
from fastepll.priors._vae.networks import Autoencoder
from fastepll.priors._vae.objective import Objective
from fastepll.priors._vae.sizes import Sizes, check_sizes
from fastepll.train.descend import descend
from fastepll.train.descent import Descent, Run

RAREST = 1e-2  # frequency of a value 1 that the decoder begins with


def train(
    sizes: Sizes,
    scaling: tuple[Array, Array],
    rows: Array,
    how: Descent,
    objective: Objective,
    *,
    held_out: Array | None,
    checkpoint: str | Path | None,
    progress: Callable[[Run], None] | None,
) -> dict[str, NDArray[np.float32]]:
    """Weights by name, of an autoencoder of these sizes and offset and spread, fitted to rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        network = Autoencoder(check_sizes(sizes), *scaling)
    if sizes.likelihood == "bernoulli":
        mean = torch.from_numpy(np.clip(rows.mean(0), RAREST, 1 - RAREST))
        with torch.no_grad():
            network.decoder.last.bias.copy_(torch.logit(mean))
    for layers in (network.encoder, network.decoder):
        layers.dropout = objective.dropout
    weight = 1.0

    def before(i: int) -> None:
        nonlocal weight
        weight = objective.weight(i)

    descend(
        network,
        torch.from_numpy(rows).float(),
        lambda x, generator: loss(network, x, objective, generator, weight),
        how,
        held_out=None if held_out is None else torch.from_numpy(held_out).float(),
        held_out_loss=lambda x, generator: loss(network, x, objective, generator),
        checkpoint=checkpoint,
        progress=progress,
        before=before,
    )
    return arrays_of(network)
