"""A pass still more naive than the reference: inverses, and loops over patches and components."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastepll.backends._basis import principal_axes
from fastepll.models import GaussianMixture


def mixture(patch_shape: tuple[int, int], k: int) -> GaussianMixture:
    """Full covariances, so a patch's mean is correlated with the rest."""
    rng = np.random.default_rng(7)
    d = patch_shape[0] * patch_shape[1]
    roots = rng.standard_normal((k, d, d)) * rng.uniform(0.02, 0.3, (k, 1, d))
    covariances = roots @ roots.transpose(0, 2, 1)
    return GaussianMixture.from_covariances(
        rng.dirichlet(np.full(k, 3.0)), covariances, patch_shape
    )


def naive_costs(model, step):
    """For each component, matrix and constant of the costs in turn; chosen is by the last."""
    axes = principal_axes(model)[1:]
    q = len(axes)
    screen, refine = min(step.n_screen, q), min(step.n_refine, q)
    edges = [{screen, refine, q} | {2**i for i in range(9) if screen < 2**i < refine}]
    if screen < 16 < refine:
        edges.append({16, refine, q})
    edges.append({refine, q})
    for weight, cov in zip(model.weights, model.covariances, strict=True):
        if step.selection == "exact":
            stages = [(cov + step.noise_var * np.eye(model.d), np.eye(model.d))]
        else:
            shared = axes @ cov @ axes.T
            stages = []
            for limits in map(sorted, edges):
                simple = np.zeros((q, q))
                simple[: limits[0], : limits[0]] = shared[: limits[0], : limits[0]]
                for a, b in pairwise(limits):
                    variance = np.mean([shared[i, i] for i in range(a, b)])
                    for i in range(a, b):
                        simple[i, i] = variance
                stages.append((simple + step.noise_var * np.eye(q), axes))
        yield [
            (basis.T @ np.linalg.inv(c) @ basis, np.linalg.slogdet(c)[1] - 2 * np.log(weight))
            for c, basis in stages
        ]


def naive_candidates(stages, z, step):
    """Costs of a patch in the last stage, and the components before and after each other one."""
    *early, last = ([z @ m @ z + c for m, c in stage] for stage in zip(*stages, strict=True))
    ratio = min(1, (z**2).sum() / (2 * (len(z) - 1) * step.noise_var))
    left = [list(range(len(last)))]
    for costs, margin in zip(early, (step.margin, step.middle_margin), strict=False):
        low = min(costs[k] for k in left[-1])
        left.append([k for k in left[-1] if costs[k] <= low + 2 * margin * ratio**2])
    return last, left


def naive_filter(model, k, step):
    """The filter as a matrix, and its weight."""
    values, vectors = model.eigenvalues[k], model.eigenvectors[k]
    gains = [value / (value + step.noise_var) for value in values]
    r = sum(value > step.rank_tolerance * step.noise_var for value in values)
    tail = sum(gains[r:]) / (model.d - 1 - r) if r < model.d - 1 else 0
    matrix = tail * np.eye(model.d)
    for i in range(r):
        matrix += (gains[i] - tail) * np.outer(vectors[:, i], vectors[:, i])
    return matrix, (1 + sum(gains)) ** -0.5 if step.weighting == "confidence" else 1


def naive_pass(image, model, step):
    """Patch by patch: average of the estimates, and best components on the grid."""
    sides = zip(image.shape, model.patch_shape, step.shift, strict=True)
    rows, cols = (
        [
            i
            for i in range(n - p + 1)
            if i in (0, n - p) or (i - s >= 0 and (i - s) % step.stride == 0)
        ]
        for n, p, s in sides
    )
    p, q = model.patch_shape
    stages = list(naive_costs(model, step))
    filters = [naive_filter(model, k, step) for k in range(model.k)]
    total, count = np.zeros(image.shape), np.zeros(image.shape)
    chosen = np.empty((len(rows), len(cols)), int)
    for a, b in np.ndindex(chosen.shape):
        i, j = rows[a], cols[b]
        patch = image[i : i + p, j : j + q].ravel()
        z = patch - patch.mean()
        cost, left = naive_candidates(stages, z, step)
        ranked = sorted(left[-1], key=lambda k: (cost[k], k))
        chosen[a, b] = best = ranked[0]
        taken = ranked[:4] if step.estimator == "top_mean" else ranked[:1]
        taken = [k for k in taken if cost[k] <= cost[best] + 14]
        shares = np.array([np.exp((cost[best] - cost[k]) / 2) for k in taken])
        for k, share in zip(taken, shares / shares.sum(), strict=True):
            matrix, weight = filters[k]
            estimate = (matrix @ z + patch.mean()).reshape(p, q)
            for y, x in np.ndindex(p, q):
                u, v = abs(y - (p - 1) / 2) / (p / 2), abs(x - (q - 1) / 2) / (q / 2)
                here = share * weight * np.exp(-step.window_decay * (u**2 + v**2))
                total[i + y, j + x] += here * estimate[y, x]
                count[i + y, j + x] += here
    return total / count, chosen
