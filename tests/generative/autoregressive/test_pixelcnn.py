"""What convolutions see: their masks, the blind spot of the plain ones, and its absence."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.generative import PixelCNN

torch = pytest.importorskip("torch")
from fastepll.generative.autoregressive.networks import convolutions  # noqa: E402

RNG = np.random.default_rng(0)
SIDE = 5
SEEN = {
    "A": np.arange(25) < 12,
    "B": np.arange(25) < 13,
    "above": np.arange(25) < 10,
    "above and row": np.arange(25) < 15,
    "left": np.isin(np.arange(25), [10, 11]),
    "left and pixel": np.isin(np.arange(25), [10, 11, 12]),
}
LAYERS = {
    "A": convolutions.MaskedConvolution(2, 3, SIDE, "A"),
    "B": convolutions.MaskedConvolution(2, 3, SIDE, "B"),
    "above": convolutions.UpperConvolution(2, 3, 2, SIDE, 1),
    "above and row": convolutions.UpperConvolution(2, 3, 3, SIDE, 0),
    "left": convolutions.LeftConvolution(2, 3, 2, 1),
    "left and pixel": convolutions.LeftConvolution(2, 3, 3, 0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_is_the_masked_convolution(name):
    layer = LAYERS[name].double()
    weights = torch.cat([value.flatten(2) for value in layer.parameters() if value.dim() == 4], 2)
    assert weights.shape == (3, 2, SEEN[name].sum())
    kernel = torch.zeros(3, 2, 25, dtype=torch.float64)
    kernel[:, :, torch.from_numpy(SEEN[name])] = weights.detach()
    x = torch.from_numpy(RNG.standard_normal((2, 2, 7, 6)))
    wanted = torch.nn.functional.conv2d(x, kernel.unflatten(2, (SIDE, SIDE)), layer.bias, padding=2)
    torch.testing.assert_close(layer(x), wanted, rtol=1e-12, atol=1e-14)


def seen(model, i, j):
    """Pixels that the log odds of one depend on, (h, w)."""
    x = torch.from_numpy(RNG.random((6, model.d))).requires_grad_()
    place = i * model.shape[1] + j
    (gradient,) = torch.autograd.grad(model.logits(model.network, x)[:, place].sum(), x)
    return (gradient != 0).any(0).reshape(model.shape).numpy()


def model(gated, n_blocks):
    return PixelCNN.begin((3, 10), 0, gated=gated, n_blocks=n_blocks, width=8, side=3, dropout=0.0)


def before(i, j):
    return (np.arange(30) < 10 * i + j).reshape(3, 10)


@pytest.mark.parametrize("n_blocks", [2, 12])
def test_masked_convolutions_have_a_blind_spot(n_blocks):
    """Above and to the right, however deep they are."""
    blind = before(1, 0) & ~seen(model(False, n_blocks), 1, 0)
    assert np.argwhere(blind).tolist() == [[0, j] for j in range(4, 10)]
    blind = before(2, 3) & ~seen(model(False, n_blocks), 2, 3)
    assert {(1, 7), (1, 8), (1, 9)} <= {(i, j) for i, j in np.argwhere(blind).tolist()}


@pytest.mark.parametrize("place", [(0, 9), (1, 0), (2, 3), (2, 9)])
def test_gated_stacks_see_all_that_comes_before(place):
    np.testing.assert_array_equal(seen(model(True, 6), *place), before(*place))
