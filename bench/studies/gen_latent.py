"""Variational autoencoders of digits and patches: recipes, and what their study measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from digits import SEED, digits
from measures import SHAPE, patches
from numpy.typing import ArrayLike, NDArray

from fastepll.generative import VAE, ProbabilisticPCA
from fastepll.generative.latent.marginal import (
    annealed,
    from_encoder,
    from_prior,
)
from fastepll.generative.latent.vae import Objective
from fastepll.priors import PatchVAE
from fastepll.train.descent import Descent, Run

Progress = Callable[[Run], None] | None
Values = dict[str, Any]
Rows = NDArray[np.float64]

DIGITS = Descent(
    iterations=60_000,
    batch=200,
    learning_rate=2e-3,
    warmup=500,
    weight_decay=0.1,
    clip=100.0,
    average=0.9995,
    every=2000,
)
SLOWER = replace(DIGITS, iterations=34_000, batch=100)
PATCHES = Descent(
    iterations=70_000,
    batch=200,
    learning_rate=3e-3,
    warmup=500,
    clip=100.0,
    average=0.9995,
    every=2000,
)
N_PATCHES, N_HELD_OUT = 500_000, 10_000


def of_digits(
    objective: Objective, how: Descent, checkpoint: Path | None, progress: Progress
) -> VAE:
    """Fit to the training digits; the held-out ones choose the weights."""
    train, held_out, _ = digits()
    model = VAE.fit(
        train,
        shape=(28, 28),
        n_latents=50,
        width=500,
        depth=2,
        objective=objective,
        how=how,
        held_out=held_out,
        checkpoint=checkpoint,
        progress=progress,
    )
    told = {"data": f"MNIST, binarised once with seed {SEED}; the first 50 000 of training"}
    return VAE((28, 28), {**model.metadata, **told, **notes(objective, how)}, **model.parameters())


def of_patches(
    likelihood: Any, how: Descent, checkpoint: Path | None, progress: Progress
) -> PatchVAE:
    """Fit to training patches; others of the same images choose the weights."""
    objective = Objective("iwae", 5, warmup=how.iterations // 8)
    prior = PatchVAE.fit(
        patches("train", N_PATCHES, flips=True),
        patch_shape=SHAPE,
        n_latents=32,
        width=256,
        depth=2,
        likelihood=likelihood,
        objective=objective,
        how=how,
        held_out=patches("train", N_HELD_OUT, seed=1),
        checkpoint=checkpoint,
        progress=progress,
    )
    told = {"data": f"bsds300/train, {N_PATCHES} patches, dequantised, mirrored"}
    return PatchVAE(
        SHAPE, {**prior.metadata, **told, **notes(objective, how)}, **prior.parameters()
    )


def notes(objective: Objective, how: Descent) -> dict[str, Any]:
    """Metadata of how a model was trained."""
    return {
        "objective": str(objective),
        "how": str(how),
        "command": "bench/studies/generative.py --train",
    }


def vae(checkpoint: Path | None = None, progress: Progress = None, how: Descent = DIGITS) -> VAE:
    """Digits by the evidence lower bound: 26 minutes on one core."""
    return of_digits(Objective(warmup=how.iterations // 30), how, checkpoint, progress)


def vae_iwae(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = SLOWER
) -> VAE:
    """Digits by the importance-weighted bound of 5 samples: 30 minutes on one core."""
    return of_digits(Objective("iwae", 5, warmup=how.iterations // 30), how, checkpoint, progress)


def patch_vae(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = PATCHES
) -> PatchVAE:
    """Patches, Gaussian given the latent variables: 30 minutes on one core."""
    return of_patches("gaussian", how, checkpoint, progress)


def patch_vae_t(
    checkpoint: Path | None = None, progress: Progress = None, how: Descent = PATCHES
) -> PatchVAE:
    """Patches, Student-t given the latent variables: 30 minutes on one core."""
    return of_patches("student-t", how, checkpoint, progress)


RECIPES: dict[str, Callable[..., Any]] = {
    "vae": vae,
    "vae-iwae": vae_iwae,
    "patch-vae": patch_vae,
    "patch-vae-t": patch_vae_t,
}


def elbo_terms(model: Any, x: ArrayLike, *, n_samples: int = 10) -> Values:
    """Mean reconstruction, divergence and bound over data, and the bound's standard error."""
    found = model.elbo(x, 0, n_samples=n_samples)
    return {
        "reconstruction": float(found.reconstruction.mean()),
        "divergence": float(found.divergence.mean()),
        "elbo": float(found.values.mean()),
        "error": float(found.values.std(ddof=1) / np.sqrt(len(found.values))),
    }


def encoder_gap(
    model: Any, x: ArrayLike, *, n_chains: int = 16, n_steps: int = 500, n_samples: int = 100
) -> Values:
    """How far the evidence lower bound is below log p by annealing from the encoder.

    Of that, *bound* is what is left below the importance-weighted bound of as many samples as the
    chains have steps in all. Nats per datum; *error* is that of the chains.
    """
    log_p = annealed(model, x, 0, n_chains=n_chains, n_steps=n_steps, start="encoder")
    many = from_encoder(model, x, 1, n_samples=n_chains * n_steps)
    elbo = model.elbo(x, 2, n_samples=n_samples).values
    return {
        "log p": log_p.mean,
        "error": log_p.mean_error,
        "elbo": float(elbo.mean()),
        "gap": float(log_p.mean - elbo.mean()),
        "bound": many.mean,
        "error of bound": many.mean_error,
    }


def collapse(model: Any, x: ArrayLike) -> Values:
    """Active units, the variance of each unit's posterior mean, and the divergence of each."""
    q = model.encode(x)
    square = q.mean**2 + np.diagonal(q.root, axis1=1, axis2=2) ** 2 - 1
    log_scale = np.log(np.diagonal(q.root, axis1=1, axis2=2))
    return {
        "active": int(model.active_units(x).sum()),
        "of": model.n_latents,
        "variances": np.sort(q.mean.var(0))[::-1].tolist(),
        "divergences": np.sort((0.5 * square - log_scale).mean(0))[::-1].tolist(),
    }


def gradient_variances(
    model: Any, x: ArrayLike, *, n_samples: int = 4, repeats: int = 100
) -> Values:
    """Total variance of the encoder's gradient on one batch, by its two estimates.

    Relative to the squared length of the mean gradient (by reparameterisation).
    """
    import torch

    from fastepll.priors._vae.bounds import loss

    network = model.network.requires_grad_()
    rows = torch.from_numpy(model._checked(x))
    weights = list(network.encoder.parameters())
    found = {}
    for name in ("reparameterisation", "score"):
        objective = Objective(n_samples=n_samples, gradient=name)  # type: ignore[arg-type]
        draws = []
        for seed in range(repeats):
            generator = torch.Generator().manual_seed(seed)
            value = loss(network, rows, objective, generator).mean()
            parts = torch.autograd.grad(value, weights)
            draws.append(torch.cat([part.reshape(-1) for part in parts]).numpy())
        found[name] = np.array(draws)
    network.requires_grad_(requires_grad=False)
    length = (found["reparameterisation"].mean(0) ** 2).sum()
    return {name: float(draws.var(0, ddof=1).sum() / length) for name, draws in found.items()}


def marginal_variances(
    latents: Sequence[int] = (1, 2, 5, 10, 20, 30),
    counts: Sequence[int] = (10, 100, 1000, 10_000),
    *,
    d: int = 40,
    n: int = 20,
    repeats: int = 20,
    variance: float = 0.1,
) -> list[Values]:
    """Error of estimates of log p of probabilistic PCA, where it is known.

    The factors have such a scale that data have a variance of 1 for any number of latent variables.
    ``counts`` are samples, and for annealing the steps of each of 10 chains; the encoder has the
    posterior's mean and the independent variables of its diagonal, as a network would. *bias* and
    *deviation* are of one datum, over repeats, in nats.
    """
    rows = []
    for k in latents:
        rng = np.random.default_rng(k)
        factors = rng.standard_normal((d, k)) * np.sqrt((1 - variance) / k)
        model = ProbabilisticPCA((d,), mean=np.zeros(d), factors=factors, variance=variance)
        x = model.sample(n, rng)
        exact = model.log_prob(x)
        assert isinstance(exact, np.ndarray)
        for method, estimate in METHODS.items():
            for count in counts:
                values = np.array(
                    [estimate(model, x, seed, count).values for seed in range(repeats)]
                )
                rows.append(
                    {
                        "latents": k,
                        "method": method,
                        "samples": count,
                        "bias": float((values - exact).mean()),
                        "deviation": float(np.sqrt(values.var(0, ddof=1).mean())),
                    }
                )
    return rows


def diagonal(model: Any) -> Callable[[Rows], Any]:
    """An encoder of independent variables, which have the variances of the posterior."""

    def encoder(x: Rows) -> Any:
        q = model.encode(x)
        scale = np.sqrt((q.root**2).sum(2))
        return type(q)(q.mean, scale[:, :, None] * np.eye(scale.shape[1]))

    return encoder


METHODS: dict[str, Callable[[Any, Rows, int, int], Any]] = {
    "prior": lambda model, x, seed, n: from_prior(model, x, seed, n_samples=n),
    "encoder": lambda model, x, seed, n: from_encoder(
        model, x, seed, n_samples=n, encoder=diagonal(model)
    ),
    "annealing": lambda model, x, seed, n: annealed(
        model, x, seed, n_chains=10, n_steps=max(n // 10, 1)
    ),
}


def traversals(
    model: Any, x: ArrayLike, units: Sequence[int], *, reach: float = 3.0, steps: int = 9
) -> Rows:
    """Means of data (units, steps, d) as one latent variable of the datum x (1, …) is changed."""
    z = np.repeat(model.represent(x), len(units) * steps, axis=0).reshape(len(units), steps, -1)
    for i, unit in enumerate(units):
        z[i, :, unit] = np.linspace(-reach, reach, steps)
    return np.asarray(model.decode(z.reshape(len(units) * steps, -1)).reshape(*z.shape[:2], -1))


def interpolations(model: Any, x: ArrayLike, y: ArrayLike, *, steps: int = 9) -> Rows:
    """Means of data (n, steps, d) between data x and y (n, …), along lines of latent variables."""
    start, end = model.represent(x), model.represent(y)
    part = np.linspace(0, 1, steps)[:, None]
    z = (1 - part) * start[:, None] + part * end[:, None]
    return np.asarray(model.decode(z.reshape(-1, z.shape[2])).reshape(len(z), steps, -1))
