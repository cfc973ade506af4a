"""Contexts of strips step by step, and the masks of the head that emits them."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import CausalAttention, RecurrentModel

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
SHARED = {"width": 12, "head": 10, "strip": 2, "before": 5, "dropout": 0.0}
MODELS = {
    "gru": RecurrentModel.begin((5, 6), 0, lstm=0, n_layers=2, **SHARED),
    "lstm": RecurrentModel.begin((5, 6), 0, lstm=1, n_layers=1, **SHARED),
    "attention": CausalAttention.begin((5, 6), 0, n_blocks=3, n_heads=3, **SHARED),
}
each = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@each
def test_steps_are_the_whole_sequence(model):
    """With what is kept: a state, or keys and values."""
    before = model._before(torch.from_numpy(RNG.integers(2, size=(7, 30)).astype(float)))
    with torch.no_grad():
        whole, state = model.network.contexts(before), None
        for i in range(15):
            context, state = model.network.step(before[:, i : i + 1], i, state)
            torch.testing.assert_close(context[:, 0], whole[:, i], rtol=1e-12, atol=1e-14)


def test_a_step_reads_the_pixels_before_its_strip():
    x = torch.arange(1.0, 31)[None]
    before = MODELS["gru"]._before(x)
    assert before.shape == (1, 15, 5)
    assert before[0, 0].tolist() == [0, 0, 0, 0, 0]
    assert before[0, 1].tolist() == [0, 0, 0, 1, 2]
    assert before[0, 14].tolist() == [24, 25, 26, 27, 28]


def test_masked_weights_are_no_parameters():
    """Of the head: 10 units, half of which see one pixel; of the rest torch has all."""
    network = MODELS["gru"].network
    head = sum(value.numel() for value in network.head.parameters())
    masked = 10 * 2 - 5 + 10 * 10 - (5 * 5 + 5 * 10) + 10 * 2 - (5 + 10) + 2 * 2 - 1
    cells = sum(value.numel() for value in network.cells.parameters())
    assert MODELS["gru"].n_parameters == cells + head - masked


def test_places_are_rows_and_columns():
    network = MODELS["attention"].network
    assert (network.rows.shape, network.columns.shape) == ((5, 12), (3, 12))
    torch.testing.assert_close(network.places()[7], network.rows[2] + network.columns[1])
