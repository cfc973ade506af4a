"""The tree that is found is the best of all, and the one that the data came from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastepll.generative import BayesianNetwork, ChowLiuTree
from fastepll.generative.factorised.chow_liu_tree import mutual_information

RNG = np.random.default_rng(0)


def edges(parents):
    return {frozenset((i, int(p))) for i, p in enumerate(np.ravel(parents)) if p >= 0}


def test_no_tree_has_greater_likelihood():
    """Among all 4^2 labelled trees of four variables of 2 to 4 levels."""
    levels = (2, 4, 3, 2)
    cells = RNG.choice(48, 300, p=RNG.dirichlet(np.full(48, 0.3)))
    x = np.stack(np.unravel_index(cells, levels), axis=1)
    best = ChowLiuTree.fit(x, levels=levels, smoothing=0.0).log_prob(x).sum()
    found = []
    for above in itertools.product(range(4), repeat=3):  # parents of 1, 2, 3, rooted at 0
        parents = [[], *[[p] for p in above]]
        try:
            model = BayesianNetwork.fit(x, parents, levels=levels, smoothing=0.0)
        except ValueError:  # a cycle
            continue
        found.append(model.log_prob(x).sum())
    assert len(found) == 16
    assert best == pytest.approx(max(found), rel=1e-12)


def test_finds_the_tree_that_the_data_came_from():
    d = 20
    parents = [[], *[[int(RNG.integers(i))] for i in range(1, d)]]
    tables = [[0.4, 0.6], *[[[0.8, 0.2], [0.3, 0.7]]] * (d - 1)]
    truth = BayesianNetwork.from_tables(parents, tables)
    x = truth.sample(20_000, rng=1)
    found = ChowLiuTree.fit(x)
    assert edges(found.graph.parents) == {frozenset((i, p[0])) for i, p in enumerate(parents) if p}
    gap = truth.log_prob(x).mean() - found.log_prob(x).mean()
    assert abs(gap) < 39 / 20_000  # half the parameters over n, twice


def test_mutual_information():
    x = np.array([[0, 0, 0], [0, 0, 1], [1, 2, 0], [1, 2, 1]])
    found = mutual_information(x, np.array([2, 3, 2]))
    log2 = np.log(2)
    np.testing.assert_allclose(found, [[log2, log2, 0], [log2, log2, 0], [0, 0, log2]], atol=1e-15)
