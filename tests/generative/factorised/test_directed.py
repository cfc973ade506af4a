"""Models of conditional tables: they are distributions, and complete as their joint tables do."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll import generative
from fastepll.generative import (
    BayesianNetwork,
    ChowLiuTree,
    Independent,
    IntractableError,
    JointTable,
    MarkovChain,
    NaiveBayes,
)
from fastepll.generative.factorised import elimination

LEVELS = (2, 3, 2, 4, 2)
EVERY = np.stack(np.unravel_index(np.arange(96), LEVELS), axis=1)
LOOPS = [[3], [0, 3], [0], [], [1, 2]]  # 3 → 0 → 1, 2 → 4 and 3 → 1: no tree
RNG = np.random.default_rng(0)
X = EVERY[RNG.choice(96, 400, p=RNG.dirichlet(np.full(96, 0.3)))]
MODELS = {
    "joint": JointTable.fit(X, levels=LEVELS),
    "independent": Independent.fit(X, levels=LEVELS),
    "chain": MarkovChain.fit(X, levels=LEVELS, order=[2, 0, 4, 1, 3]),
    "second order": MarkovChain.fit(X, levels=LEVELS, memory=2),
    "network": BayesianNetwork.fit(X, LOOPS, levels=LEVELS),
    "tree": ChowLiuTree.fit(X, levels=LEVELS),
}
BAYES = NaiveBayes.fit(X % 2, X[:, 1])


@pytest.fixture(params=[*MODELS, "bayes"])
def case(request):
    """A model, all its data, and their probabilities."""
    if request.param == "bayes":
        every = np.stack(np.unravel_index(np.arange(32), (2,) * 5), axis=1)
        return BAYES, every, np.exp(BAYES.log_prob(every))
    model = MODELS[request.param]
    return model, EVERY, np.exp(model.log_prob(EVERY))


def test_sums_to_one(case):
    assert case[2].sum() == pytest.approx(1, abs=1e-13)


def test_log_probability_is_the_sum_of_the_conditionals(case):
    model, every, p = case
    x, product = every.astype(float), np.ones(len(every))
    for k, i in enumerate(model.order):
        before = np.where(np.isin(np.arange(5), model.order[:k]), x, 0)
        table = model.conditional(before, i)
        np.testing.assert_allclose(table.sum(1), 1, rtol=1e-13)
        product *= table[np.arange(len(x)), every[:, i]]
    np.testing.assert_allclose(product, p, rtol=1e-12)


def within(counts, p, n):
    """Frequencies within five standard deviations of probabilities."""
    assert (np.abs(counts / n - p) <= 5 * np.sqrt(p * (1 - p) / n) + 1e-12).all()


def frequencies(drawn, levels):
    cells = np.ravel_multi_index(tuple(drawn.T.astype(int)), tuple(levels))
    return np.bincount(cells, minlength=np.prod(levels))


def test_samples_have_their_probabilities(case):
    model, every, p = case
    within(frequencies(model.sample(20_000, rng=1), every.max(0) + 1), p, 20_000)


@pytest.mark.parametrize("known", [[0], [4], [1, 4], [0, 2, 3], [3], [], [0, 1, 2, 3, 4]])
def test_completions_have_their_conditional_probabilities(case, known):
    model, every, p = case
    n, where = 8000, np.isin(np.arange(5), known)
    for x in every[[0, 21]]:
        agree = (every[:, where] == x[where]).all(1)
        rows = np.where(where, np.tile(x, (n, 1)), 1)  # what is not known has no part
        drawn = model.sample_given(rows, where, rng=2)
        np.testing.assert_array_equal(drawn[:, where], rows[:, where])
        within(frequencies(drawn, every.max(0) + 1), agree * p / p[agree].sum(), n)


def test_completions_of_different_rows_together(monkeypatch):
    """In chunks of a row, of a few, or all at once."""
    model, known = MODELS["network"], np.array([False, True, False, False, True])
    n, p = 24_000, np.exp(MODELS["network"].log_prob(EVERY))
    x = EVERY[RNG.choice(96, n)]
    monkeypatch.setattr(elimination, "CHUNK", 7 * 24 * 5)
    drawn = model.sample_given(x, known, rng=3)
    pair = x[:, 1] * 2 + x[:, 4]
    for value in range(6):
        rows = drawn[pair == value]
        agree = EVERY[:, 1] * 2 + EVERY[:, 4] == value
        within(frequencies(rows, LEVELS), agree * p / p[agree].sum(), len(rows))


def test_parameters_by_the_formula_and_by_count():
    for name, expected in {
        "independent": 1 + 2 + 1 + 3 + 1,
        "chain": 1 + 1 * 2 + 1 * 2 + 2 * 2 + 3 * 3,
        "network": 4 * 1 + 8 * 2 + 2 * 1 + 3 + 6 * 1,
    }.items():
        model = MODELS[name]
        assert model.n_parameters == model.graph.n_free == expected
        assert sum(model.table(i)[..., 1:].size for i in range(5)) == expected
    for name in ("second order", "tree"):
        assert MODELS[name].n_parameters == MODELS[name].graph.n_free
    assert MODELS["joint"].n_parameters == 95


def test_round_trips(case, tmp_path):
    model, every, _ = case
    model.save(tmp_path / "model.npz")
    again = generative.load(tmp_path / "model.npz")
    assert (type(again), again.shape) == (type(model), (5,))
    assert dict(again.metadata) == dict(model.metadata)
    np.testing.assert_array_equal(again.log_prob(every), model.log_prob(every))


def test_fit_counts():
    """Laplace's rule, and uniform where nothing was seen."""
    model = BayesianNetwork.fit([[0, 0], [0, 2], [0, 2]], [[], [0]], smoothing=1.0)
    np.testing.assert_allclose(model.table(0), [4 / 5, 1 / 5])
    np.testing.assert_allclose(model.table(1), [[2 / 6, 1 / 6, 3 / 6], [1 / 3, 1 / 3, 1 / 3]])
    bare = BayesianNetwork.fit([[0, 0], [0, 2], [0, 2]], [[], [0]], smoothing=0.0)
    np.testing.assert_allclose(bare.table(1), [[1 / 3, 0, 2 / 3], [1 / 3, 1 / 3, 1 / 3]])
    assert bare.log_prob([[0, 1]])[0] == -np.inf


def test_maximum_likelihood_on_the_right_graph_finds_the_tables():
    truth = MODELS["network"]
    found = BayesianNetwork.fit(truth.sample(100_000, rng=4), LOOPS, levels=LEVELS)
    np.testing.assert_allclose(found.tables, truth.tables, atol=0.03)


def test_impossible_evidence_is_an_error():
    chain = MarkovChain.fit([[0, 0, 0], [1, 1, 1]], smoothing=0.0)
    table = JointTable.fit([[0, 0, 0], [1, 1, 1]], smoothing=0.0)
    for model in (chain, table):
        with pytest.raises(ValueError, match="x has probability 0 where it is known"):
            model.sample_given([[0, 0, 1]], [True, False, True], rng=0)


def test_large_trees_are_completed_exactly_and_dense_graphs_not():
    """A star of 300 leaves: the weights of its centre are 1e-200 and less."""
    d = 301
    star = [[]] + [[0]] * (d - 1)
    tables = [[0.5, 0.5]] + [[[0.8, 0.2], [0.2, 0.8]]] * (d - 1)
    leaves = np.arange(d) > 0
    x = np.where(np.arange(d) % 2, 0, 1)[None].repeat(4000, 0)
    x[:, 1] = 1  # one more than half of the leaves: 4 to 1 twice
    drawn = BayesianNetwork.from_tables(star, tables).sample_given(x, leaves, rng=0)
    assert drawn[:, 0].mean() == pytest.approx(16 / 17, abs=0.02)

    rng = np.random.default_rng(0)
    parents = [*[[]] * 25, *[[i, j] for i in range(25) for j in range(i)]]
    some = rng.integers(2, size=(10, len(parents)))
    dense = BayesianNetwork.fit(some, parents, levels=2)
    known = np.arange(len(parents)) >= 25
    with pytest.raises(IntractableError, match=r"1\.\d+e\+06|cells.*resample_given"):
        dense.sample_given(some, known, rng=0)
    assert dense.sample_given(some, ~known, rng=0).shape == some.shape


def test_order_of_a_chain_does_not_change_what_it_says_backwards():
    """A first-order chain is the same distribution read from its other end."""
    forwards = MarkovChain.fit(X, levels=LEVELS, smoothing=0.0)
    backwards = MarkovChain.fit(X, levels=LEVELS, smoothing=0.0, order=[4, 3, 2, 1, 0])
    np.testing.assert_allclose(backwards.log_prob(X), forwards.log_prob(X), rtol=1e-12)
