"""Exact completion along a directed graph: variables eliminated one by one, drawn in reverse.

For a chain this is filtering forwards and sampling backwards, for a tree belief propagation, for
few variables enumeration; the size of the largest table met decides whether it can be done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array
from fastepll._validation.tables import Integers
from fastepll.generative.base import IntractableError
from fastepll.generative.factorised.graph import CHUNK, Graph, draw

MOST = 1 << 20  # cells of a table that is met on the way


@dataclass(frozen=True, eq=False)
class Plan:
    """In what order variables are eliminated.

    Attributes
    ----------
    graph : Graph
    place : dict of int to int
        When each variable is eliminated.
    families : list of list of int
        Each variable and its parents as far as they are known or eliminated.
    cells : int
        Of all tables that are met.
    """

    graph: Graph
    place: dict[int, int]
    families: list[list[int]]
    cells: int


def complete(
    graph: Graph,
    logs: Array,
    x: Integers,
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Integers, NDArray[np.bool_]]:
    """Draw the unknown ancestors of what is known, in the proportions of their posterior.

    Parameters
    ----------
    graph : Graph
    logs : numpy.ndarray
        Log probabilities, laid out by the graph.
    x : numpy.ndarray, shape (n, d)
    known : numpy.ndarray, shape (d,)
    rng : numpy.random.Generator

    Returns
    -------
    x : numpy.ndarray, shape (n, d)
    settled : numpy.ndarray, shape (d,)
        What is known now; nothing that is not is an ancestor of it.

    Raises
    ------
    IntractableError
        A table of more than `MOST` cells would be needed.

    References
    ----------
    R. Dechter, Bucket elimination: a unifying framework for reasoning, Artificial Intelligence
    113, 1999.
    """
    settled = known.copy()
    for i in graph.order[::-1]:
        if settled[i]:
            settled[graph.parents[i][graph.parents[i] >= 0]] = True
    plan = planned(graph, known, settled)
    size = max(1, CHUNK // plan.cells)
    rows = np.empty_like(x)
    for k in range(0, len(x), size):
        rows[k : k + size] = _drawn(plan, logs, x[k : k + size], rng)
    return rows, settled


def planned(graph: Graph, known: NDArray[np.bool_], settled: NDArray[np.bool_]) -> Plan:
    """Eliminate next what makes the smallest table."""
    families = [[int(v) for v in (*graph.parents[i], i) if v >= 0] for i in np.flatnonzero(settled)]
    near: dict[int, set[int]] = {int(v): {int(v)} for v in np.flatnonzero(settled & ~known)}
    for family in families:
        hidden = [v for v in family if v in near]
        for v in hidden:
            near[v].update(hidden)

    def cells(v: int) -> int:
        return math.prod(int(graph.levels[u]) for u in near[v])

    cost = np.full(len(known), np.inf)
    for v in near:
        cost[v] = cells(v)
    place: dict[int, int] = {}
    total = 1
    for k in range(len(near)):
        v = int(cost.argmin())
        if cost[v] > MOST:
            raise IntractableError(
                f"an exact completion needs a table of {cost[v]:.3g} cells, at most {MOST} are "
                "held; approximately, by importance resampling: "
                "fastepll.generative.resample_given"
            )
        total += int(cost[v])
        place[v], cost[v] = k, np.inf
        for u in near[v] - {v}:
            near[u] |= near[v]
            near[u].discard(v)
            cost[u] = cells(u)
    return Plan(graph, place, families, total)


def _drawn(plan: Plan, logs: Array, x: Integers, rng: np.random.Generator) -> Integers:
    """Sum variables out in the order of the plan, then draw them in the reverse one."""
    levels, place = plan.graph.levels, plan.place
    buckets: list[list[tuple[list[int], Array]]] = [[] for _ in place]
    for family in plan.families:
        scope, values = _factor(plan, logs, family, x)
        if scope:
            buckets[place[scope[-1]]].append((scope, values))
    joint: list[tuple[list[int], Array]] = []
    for bucket in buckets:
        scope = sorted({v for part, _ in bucket for v in part}, key=lambda v: -place[v])
        total = np.zeros(1)
        for part, values in bucket:
            sizes = (int(levels[v]) if v in part else 1 for v in scope)
            total = total + values.reshape(-1, *sizes)
        joint.append((scope, total))
        if len(scope) > 1:
            message = np.logaddexp.reduce(total, axis=-1)
            buckets[place[scope[-2]]].append((scope[:-1], message))
    rows = x.copy()
    for scope, total in joint[::-1]:
        row = np.arange(len(x)) if len(total) > 1 else np.zeros(len(x), np.intp)
        rows[:, scope[-1]] = draw(total[(row, *(rows[:, v] for v in scope[:-1]))], rng)
    return rows


def _factor(plan: Plan, logs: Array, family: list[int], x: Integers) -> tuple[list[int], Array]:
    """Table of a variable at the known values: the others, last the first eliminated; its logs."""
    begin, end = plan.graph.offsets[family[-1] : family[-1] + 2]
    table = logs[begin:end].reshape(plan.graph.levels[family])
    scope = sorted((v for v in family if v in plan.place), key=lambda v: -plan.place[v])
    seen = [v for v in family if v not in plan.place]
    table = table.transpose([family.index(v) for v in (*seen, *scope)])
    return scope, table[tuple(x[:, v] for v in seen)] if seen else table[None]
