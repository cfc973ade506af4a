"""What the recurrent, attending and convolutional models share, by enumeration of small images."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from fastepll import generative
from fastepll.generative import CausalAttention, PixelCNN, RecurrentModel
from fastepll.generative.autoregressive.base import Autoregressive
from fastepll.train.descent import Descent

torch = pytest.importorskip("torch")
SHAPE = (3, 3)
N = 9
ALL = (np.arange(2**N)[:, None] >> np.arange(N)) & 1
RNG = np.random.default_rng(0)
CELLS = {"n_layers": 2, "width": 6, "head": 8, "dropout": 0.1}
BLOCKS = {"n_blocks": 2, "width": 8, "dropout": 0.1}
TOKENS = BLOCKS | {"n_heads": 4, "head": 12}
SIZES = {
    "gru-of-rows": (RecurrentModel, CELLS | {"lstm": 0, "strip": 3, "before": 3}),
    "lstm-of-pixels": (RecurrentModel, CELLS | {"lstm": 1, "strip": 1, "before": 4}),
    "attention-of-rows": (
        CausalAttention,
        TOKENS | {"strip": 3, "before": 5},
    ),
    "attention-of-pixels": (CausalAttention, TOKENS | {"strip": 1, "before": 1}),
    "masked": (PixelCNN, BLOCKS | {"gated": 0, "side": 3}),
    "gated": (PixelCNN, BLOCKS | {"gated": 1, "side": 3}),
}


def spread(kind, settings):
    """A model whose weights are large enough for its pixels to depend on one another."""
    model = kind.begin(SHAPE, 1, **settings)
    arrays = model.parameters()
    for name in sorted(arrays.keys() - set(kind.settings)):
        arrays[name] = arrays[name] + RNG.normal(0, 0.4, arrays[name].shape).astype("f")
    return kind(SHAPE, {"seed": 1}, **arrays)


MODELS = {name: spread(*given) for name, given in SIZES.items()}
each = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@each
def test_sums_to_one(model):
    p = np.exp(model.log_prob(ALL))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.max() < 0.9


@each
def test_output_depends_on_nothing_at_or_after(model):
    jacobian = torch.autograd.functional.jacobian(
        lambda x: model.logits(model.network, x), torch.from_numpy(RNG.random((4, N)))
    )
    jacobian = jacobian.abs().amax((0, 2))  # of all outputs (4, N) by all inputs (4, N)
    assert (jacobian.triu() == 0).all()
    assert (jacobian > 0).sum() == N * (N - 1) // 2


@each
@pytest.mark.parametrize("begin", [0, 4, 6, 9])
def test_goes_on_as_the_whole_network_does(model, begin):
    x = RNG.integers(2, size=(150, N)).astype(float)
    given = x.copy()
    found = model._complete(x, begin, np.random.default_rng(5))
    wanted = Autoregressive._complete(model, x.copy(), begin, np.random.default_rng(5))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found[:, :begin], given[:, :begin])
    np.testing.assert_array_equal(x, given)


def test_samples_as_often_as_probable():
    model, n = MODELS["gru-of-rows"], 10_000
    often = np.bincount(model.sample(n, rng=0).astype(int) @ (1 << np.arange(N)), minlength=2**N)
    wanted = n * np.exp(model.log_prob(ALL))
    big = wanted > 20
    assert big.sum() > 20
    assert np.abs((often - wanted)[big] / np.sqrt(wanted[big])).max() < 4.5


@each
def test_comes_back_from_a_file(model, tmp_path):
    model.save(tmp_path / "model.npz")
    for read in (generative.load(tmp_path / "model.npz"), copy.copy(model)):
        assert (type(read), read.n_parameters) == (type(model), model.n_parameters)
        assert dict(read.metadata) == {"seed": 1}
        np.testing.assert_array_equal(read.log_prob(ALL), model.log_prob(ALL))
        np.testing.assert_array_equal(read.represent(ALL), model.represent(ALL))


WIDTHS = {"masked": 9 * 16, "gated": 9 * 8, "gru-of-rows": 6, "lstm-of-pixels": 6}


@pytest.mark.parametrize("name", MODELS)
def test_represents_what_comes_before_pixels(name):
    """All but the last one."""
    last, first = np.eye(N)[[-1, 0]]
    nothing, one, other = MODELS[name].represent([np.zeros(N), last, first])
    assert nothing.shape == (WIDTHS.get(name, 8),)
    np.testing.assert_allclose(one, nothing, rtol=1e-12, atol=1e-14)
    assert np.abs(other - nothing).max() > 0.01


def noisy_rows(n, rng):
    """Copies of a random row, with each pixel flipped with probability 0.1."""
    return rng.integers(2, size=(n, 1, 3)) ^ (rng.random((n, 3, 3)) < 0.1)


P_ROWS = np.array(
    [
        sum(
            0.1 ** (flips := (row ^ image).sum()) * 0.9 ** (N - flips)
            for row in ((np.arange(8)[:, None] >> np.arange(3)) & 1)
        )
        / 8
        for image in ALL.reshape(-1, 3, 3)
    ]
)
FITS = {
    "recurrent": lambda **how: RecurrentModel.fit(width=24, head=24, strip=1, before=3, **how),
    "attention": lambda **how: CausalAttention.fit(
        n_blocks=1, width=16, n_heads=2, head=16, strip=3, **how
    ),
    "pixelcnn": lambda **how: PixelCNN.fit(n_blocks=1, width=12, **how),
    "gated": lambda **how: PixelCNN.fit(gated=True, n_blocks=1, width=12, **how),
}


@pytest.mark.parametrize("name", FITS)
def test_learns_a_distribution(name):
    x = noisy_rows(2000, np.random.default_rng(1))
    how = Descent(iterations=120, batch=100, learning_rate=0.03, clip=1.0, average=0.9)
    model = FITS[name](x=x, how=how)
    assert P_ROWS.sum() == pytest.approx(1)
    divergence = P_ROWS @ (np.log(P_ROWS) - model.log_prob(ALL))
    assert 0 < divergence < 0.1


class Stopped(Exception):
    """What interrupts a run."""


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("kind", [RecurrentModel, CausalAttention, PixelCNN])
def test_dropout_goes_on_bit_for_bit(kind, bfloat16, tmp_path):
    how = Descent(iterations=8, batch=20, every=4, seed=2)
    given = {"x": noisy_rows(60, RNG), "how": how, "dropout": 0.3, "bfloat16": bfloat16}
    given |= {"strip": 3} if kind is CausalAttention else {}

    def stop(run):
        if run.i == 5:
            raise Stopped

    state = torch.random.get_rng_state()
    whole = kind.fit(**given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", iter(np.arange(0, 1e6, 100)).__next__)  # saves each step
        with pytest.raises(Stopped):
            kind.fit(**given, checkpoint=tmp_path / "run.npz", progress=stop)
    rest = kind.fit(**given, checkpoint=tmp_path / "run.npz")
    np.testing.assert_array_equal(rest.log_prob(ALL), whole.log_prob(ALL))
    assert torch.equal(torch.random.get_rng_state(), state)


@each
def test_bfloat16_is_near(model):
    module = copy.deepcopy(model.network).float().train()
    rows = torch.from_numpy(ALL).float()
    fine, coarse = (
        model.training_loss(bfloat16=flag)(module, rows, torch.Generator().manual_seed(3))
        for flag in (False, True)
    )
    assert fine.dtype == coarse.dtype == torch.float32
    assert 1e-4 < (fine / coarse - 1).abs().mean() < 0.05


BAD = [
    ("gru-of-rows", {"strip": 2.0}, "strip must divide the 3 pixels of a row, got 2"),
    ("gru-of-rows", {"strip": 1.5}, "strip must be an integer, got 1.5"),
    ("gru-of-rows", {"width": 1e9}, r"width must be in \[1, 4096\]"),
    ("gru-of-rows", {"width": 4096.0}, "must hold numbers of shape"),
    ("gru-of-rows", {"n_layers": 0}, r"n_layers must be in \[1, 64\]"),
    ("gru-of-rows", {"lstm": 2}, r"lstm must be in \[0, 1\]"),
    ("gru-of-rows", {"before": np.nan}, "before must be finite"),
    ("attention-of-rows", {"n_heads": 3.0}, "n_heads must divide width = 8, got 3"),
    ("attention-of-rows", {"n_blocks": 3.0}, "arrays must be"),
    ("masked", {"side": 4}, "side must be odd, got 4"),
    ("masked", {"dropout": 1.0}, r"dropout must be in \[0, 0.9\]"),
    ("masked", {"gated": 1}, "arrays must be"),
]


@pytest.mark.parametrize(("name", "wrong", "told"), BAD)
def test_refuses_settings_of_files(name, wrong, told):
    arrays = MODELS[name].parameters() | {key: np.array(value) for key, value in wrong.items()}
    with pytest.raises(ValueError, match=told):
        type(MODELS[name])(SHAPE, **arrays)


def test_refuses_options():
    x = np.zeros((4, 3, 3))
    with pytest.raises(ValueError, match="cell must be one of 'gru', 'lstm', got 'rnn'"):
        RecurrentModel.fit(x, cell="rnn")
    with pytest.raises(ValueError, match="strip must be in"):
        CausalAttention.fit(x)
    with pytest.raises(TypeError, match="bfloat16 must be a bool"):
        PixelCNN.fit(x, bfloat16=1)
    with pytest.raises(ValueError, match=r"shape must be that of images, \(h, w\), got \(9,\)"):
        PixelCNN.fit(x.reshape(4, 9))
    with pytest.raises(ValueError, match="x must hold 0 and 1 alone"):
        PixelCNN.fit(x + 0.5, n_blocks=1, width=4)
