"""What models of tables refuse, from users and from files."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import (
    BayesianNetwork,
    ChowLiuTree,
    CyclicGraphError,
    Independent,
    JointTable,
    MarkovChain,
    NaiveBayes,
)

X = np.array([[0, 1, 2], [1, 0, 0]])


def test_a_cycle_is_shown():
    with pytest.raises(CyclicGraphError, match=r"no cycle, got 1 → 2 → 1$"):
        BayesianNetwork.fit(X, [[], [0, 2], [1]])
    with pytest.raises(CyclicGraphError, match=r"got 0 → 0$"):
        BayesianNetwork.fit(X, [[0], [], []])
    with pytest.raises(CyclicGraphError, match=r"got 1 → 3 → 2 → 1$"):
        BayesianNetwork.fit(np.zeros((1, 5), int), [[], [2], [3, 0], [1], [3]])


@pytest.mark.parametrize(
    ("parents", "told"),
    [
        ([[], [0]], "parents must be of 3 variables"),
        ([[], [0], [3]], "parents must be from 0 to 2"),
        ([[], [0], [0, 0]], r"parents\[2\] must be different"),
        ([[], [0.5], []], r"parents\[1\] must hold integers"),
    ],
)
def test_parents(parents, told):
    with pytest.raises(ValueError, match=told):
        BayesianNetwork.fit(X, parents)


def test_sizes():
    with pytest.raises(ValueError, match=r"joint table would have 33554432 cells, 268435456 bytes"):
        JointTable.fit(np.zeros((1, 25), int))
    with pytest.raises(ValueError, match=r"table of variable 25 would have 33554432 cells"):
        BayesianNetwork.fit(np.zeros((1, 26), int), [*[[]] * 25, list(range(25))])
    with pytest.raises(ValueError, match=r"the tables would have 33554478 cells"):
        BayesianNetwork.fit(np.zeros((1, 25), int), [*[[]] * 23, [*range(23)], [*range(23)]])
    with pytest.raises(ValueError, match=r"table of all pairs would have 400000000 cells"):
        ChowLiuTree.fit(np.zeros((1, 10_000), int))
    with pytest.raises(ValueError, match="memory must be 1 to 24, got 60000"):
        MarkovChain.fit(X, memory=60_000)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        ([[0, 2]], r"x\[0, 1\] must be an integer from 0 to 1, got 2"),
        ([[0, -1]], r"x\[0, 1\] must be an integer from 0 to 1, got -1"),
        ([[0.5, 0]], r"x\[0, 0\] must be an integer from 0 to 1, got 0.5"),
        ([[np.nan, 0]], "x must be finite"),
        ([0, 1], "x must have shape"),
        (np.zeros((0, 2)), "x must have at least one row"),
    ],
)
def test_data(x, told):
    for fit in (JointTable.fit, Independent.fit, MarkovChain.fit, ChowLiuTree.fit):
        with pytest.raises(ValueError, match=told):
            fit(x, levels=2)
    with pytest.raises(ValueError, match="from 2 to 32768, got 1 to 1"):
        Independent.fit([[0, 0]], levels=1)
    with pytest.raises(ValueError, match="levels must be one number or have shape"):
        Independent.fit([[0, 0]], levels=[2, 2, 2])
    with pytest.raises(ValueError, match="smoothing must be finite and >= 0"):
        Independent.fit([[0, 0]], smoothing=-1.0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"levels": [2.5, 2, 3]}, "levels must hold integers"),
        ({"levels": [1e300, 2, 3]}, "levels must hold integers"),
        ({"levels": [np.nan, 2, 3]}, "levels must be finite"),
        ({"order": [0.0, 0.0, 1.0]}, "order must be a permutation"),
        ({"memory": 1.5}, "memory must hold integers"),
        ({"memory": [1.0]}, "memory must be 1 to"),
        ({"tables": np.ones(3)}, r"tables must have shape \(12,\)"),
        ({"tables": np.ones(12)}, "each distribution in tables must sum to 1, got"),
        ({"tables": -np.ones(12)}, "tables must not be negative"),
    ],
)
def test_arrays_of_a_file(changed, told):
    good = MarkovChain.fit(X).parameters()
    with pytest.raises(ValueError, match=told):
        MarkovChain((3,), **{**good, **changed})


def test_shapes_of_a_network():
    with pytest.raises(ValueError, match=r"tables\[1\] must have shape \(2, 2\), got \(2,\)"):
        BayesianNetwork.from_tables([[], [0]], [[0.5, 0.5], [0.5, 0.5]])
    two = BayesianNetwork.fit(X, [[], [0], [0, 1]]).parameters()
    with pytest.raises(ValueError, match="variable 2 of a tree must have at most one parent"):
        ChowLiuTree((3,), **two)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"prior": [0.5, 0.6]}, "prior must be positive and sum to 1"),
        ({"prior": [0.0, 1.0]}, "prior must be positive and sum to 1"),
        ({"prior": []}, "prior must be positive"),
        ({"probabilities": np.full((2, 3), 1.5)}, "probabilities must be from 0 to 1"),
        ({"probabilities": np.full((3, 3), 0.5)}, r"probabilities must have shape \(2, 3\)"),
    ],
)
def test_naive_bayes(changed, told):
    good = {"prior": [0.5, 0.5], "probabilities": np.full((2, 3), 0.5)}
    with pytest.raises(ValueError, match=told):
        NaiveBayes((3,), **{**good, **changed})
    x = np.eye(3)
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)"):
        NaiveBayes.fit(x, [0, 1])
    with pytest.raises(ValueError, match="class 0 has no datum"):
        NaiveBayes.fit(x, [1, 1, 2], smoothing=0.0)
    model = NaiveBayes((3,), **good)
    with pytest.raises(TypeError, match="known must be boolean"):
        model.posterior(x, known=[1, 0, 0])
    with pytest.raises(ValueError, match="known must have shape"):
        model.posterior(x, known=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="label must be from 0 to 1"):
        model.sample_of(2, 1, rng=0)
    with pytest.raises(ValueError, match="x must hold 0 and 1 alone"):
        model.posterior(x / 2)
