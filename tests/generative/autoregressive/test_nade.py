"""NADE's states that differ, against the plain formula with a hidden vector for each variable."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import NADE
from fastepll.generative.autoregressive import nade

torch = pytest.importorskip("torch")
D, H = 10, 4
RNG = np.random.default_rng(0)
MODEL = NADE(
    (D,),
    order=RNG.permutation(D),
    W=RNG.standard_normal((D, H)),
    V=RNG.standard_normal((D, H)),
    b=RNG.standard_normal(D),
    c=RNG.standard_normal(H),
)
ROWS = np.concatenate([RNG.integers(2, size=(6, D)), np.zeros((1, D)), np.ones((1, D))])
X = torch.from_numpy(ROWS)


def plain(module, x):
    """Logits by a hidden vector for each variable."""
    W, V, b, c = (module.get_parameter(name) for name in "WVbc")
    result = [None] * D
    for place, i in enumerate(MODEL.order):
        before = torch.from_numpy(MODEL.order[:place])
        result[i] = b[i] + torch.sigmoid(c + x[:, before] @ W[before]) @ V[i]
    return torch.stack(result, 1)


def module():
    return MODEL.build().double().requires_grad_()


@pytest.mark.parametrize("block", [1, 3, D, 24])
def test_is_the_plain_formula(monkeypatch, block):
    monkeypatch.setattr(nade, "BLOCK", block)
    wanted, found = (f(MODEL.network, X).numpy() for f in (plain, MODEL.logits))
    np.testing.assert_allclose(found, wanted, atol=1e-14)


@pytest.mark.parametrize("block", [1, 3, D])
def test_has_the_gradient_of_the_plain_formula(monkeypatch, block):
    monkeypatch.setattr(nade, "BLOCK", block)
    gradients = []
    for logits in (plain, MODEL.logits):
        network = MODEL.build().double()
        network.load_state_dict(MODEL.network.state_dict())
        loss = logits(network, X).square().sum()
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    for wanted, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_has_the_gradient_of_differences(monkeypatch):
    monkeypatch.setattr(nade, "BLOCK", 3)
    values = [value.clone().requires_grad_() for value in MODEL.network.parameters()]
    names = [name for name, _ in MODEL.network.named_parameters()]

    def logits(*values):
        network = MODEL.build().double()
        for name, value in zip(names, values, strict=True):
            delattr(network, name)
            network.register_buffer(name, value)
        network.get_parameter = network.get_buffer
        return MODEL.logits(network, X[:3])

    assert torch.autograd.gradcheck(logits, values)


def test_represents_by_the_last_hidden_vector():
    W, c = (MODEL.parameters()[name].astype(float) for name in "Wc")
    before = MODEL.order[:-1]
    wanted = 1 / (1 + np.exp(-(c + ROWS[:, before] @ W[before])))
    np.testing.assert_allclose(MODEL.represent(ROWS), wanted, rtol=1e-14)
