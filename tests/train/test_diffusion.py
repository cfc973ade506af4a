"""Training of the reaction diffusion: that the network is the model, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastepll.backends import get_backend
from fastepll.images.channels import opponent_planes
from fastepll.solver import diffusion as solver
from fastepll.train.descent import Descent

from ..scenes import scene

torch = pytest.importorskip("torch")
pytest.importorskip("numba")
training = pytest.importorskip("fastepll.train.diffusion")
networks = pytest.importorskip("fastepll.train.diffusion_network")

HOW = Descent(iterations=12, batch=4, learning_rate=5e-3, every=4, average=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("photographs")
    for i in range(3):
        rng = np.random.default_rng(i)
        image = 255 * scene(130, 140)[..., None] * rng.uniform(0.5, 1, 3)
        Image.fromarray(image.astype(np.uint8)).save(path / f"{i}.png")
    return path


@pytest.mark.parametrize("guided", [False, True])
def test_the_network_is_the_model_it_becomes(monkeypatch, guided):
    network = networks.DiffusionNetwork((2, 0, 1), 20, 5, guided=guided)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    rng = np.random.default_rng(0)
    image = 255 * rng.random((28, 32))
    noisy = image + 20 * rng.standard_normal(image.shape)
    with torch.no_grad():
        planes = (torch.from_numpy(each[None, None]).float() for each in (image, noisy))
        found = network(*planes, 20.0)[0, 0].numpy() / 255
    model, now = network.model({}), image / 255
    monkeypatch.setattr(solver, "shipped", lambda name="": model)
    options = {"backend": get_backend("reference"), "n_threads": 1, "guided": guided}
    solver.diffuse(now, noisy / 255, 20 / 255, np.empty_like(now), **options)
    np.testing.assert_allclose(found, now, rtol=0, atol=2e-5 * np.abs(now).max())


def test_goes_on_from_a_model():
    """With more steps before its own, and of its filters those that change anything."""
    first, other = (
        networks.DiffusionNetwork((0, 0), 20, 5),
        networks.DiffusionNetwork((1, 0, 0), 12, 5),
    )
    generator = torch.Generator().manual_seed(0)
    kept = np.sort(np.random.default_rng(0).permutation(20)[:12])
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        first.values[:, np.setdiff1d(np.arange(20), kept)] *= 1e-3
        first.own_values[:, :, np.setdiff1d(np.arange(20), kept)] = 0
    model = first.model({})
    other.take(model)
    again = other.model({})
    for name, axis in networks.FILTERS.items():
        expected = model.arrays[name].take(kept, axis + 1)
        np.testing.assert_allclose(again.arrays[name][:, 1:], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(again.arrays["synthesis"][:, 0], 0)
    np.testing.assert_array_equal(again.arrays["reaction"][:, 0], 0)
    assert again.halvings == (1, 0, 0)
    for halvings, n_filters, side in (
        ((0, 0), 21, 5),
        ((0, 1), 20, 5),
        ((0,), 20, 5),
        ((0, 0), 20, 4),
    ):
        with pytest.raises(ValueError, match=r"start must have at least \d+ filters"):
            networks.DiffusionNetwork(halvings, n_filters, side).take(model)
    with pytest.raises(ValueError, match="guided as here"):
        networks.DiffusionNetwork((0, 0), 20, 5, guided=True).take(model)


def test_gradients_of_influence_functions():
    rng = np.random.default_rng(0)
    responses, values = rng.uniform(-6, 6, (2, 3, 40)), rng.standard_normal((3, 41))
    given = [torch.tensor(each, requires_grad=True) for each in (responses, values)]
    assert torch.autograd.gradcheck(networks.Influence.apply, given, eps=1e-7, atol=1e-5)


def test_cosines_are_an_orthonormal_basis():
    basis = networks.cosines(5)
    np.testing.assert_allclose(basis @ basis.T, np.eye(25), atol=1e-14)
    np.testing.assert_allclose(basis[0], 0.2, rtol=1e-14)


def test_pieces_are_of_one_place():
    clean = 255 * scene(100, 110)
    for start, noisy, piece, before in training.pieces(
        clean, 25.0, "gray-8x8-200", 3, np.random.default_rng(0)
    ):
        assert start.shape == (96, 96)
        assert np.std(noisy - piece) == pytest.approx(25, rel=0.05)
        assert np.std(start - piece) < 12
        assert 0 < before.min() == before.max() < 144


def test_pieces_of_chroma_are_of_one_place():
    weights = np.array([0.9, 0.5, 0.7])
    clean, planes = (
        255 * scene(140, 150)[..., None] * weights,
        opponent_planes(3).analysis @ weights,
    )
    for share in (0.0, 1.0):
        rng = np.random.default_rng(0)
        pieces = training.chroma_pieces(clean, 25.0, "gray-8x8-200", 4, rng, strange=share)
        assert len(pieces) == 4
        for i, (start, guide, piece, before) in enumerate(pieces):
            assert start.shape == (128, 128)
            assert np.std(start - piece) < 6
            assert 9 < before.min() == before.max() < 144
            away = np.std(guide - piece * (planes[0] / planes[1 + i % 2]))
            assert (away < 6) == (share == 0)


@pytest.mark.parametrize(("chroma", "share"), [(False, 0.85), (True, 0.95)])
def test_training_learns_repeats_and_goes_on(folder, tmp_path, chroma, share):
    options = {"chroma": chroma, "halvings": (1, 0), "n_filters": 8, "side": 4, "how": HOW}
    whole = training.train_diffusion(folder, **options, license="CC0-1.0")
    clean, rng = 255 * scene(140, 150), np.random.default_rng(9)
    if chroma:
        clean = clean[..., None] * [0.9, 0.5, 0.7]
        pieces = training.chroma_pieces(clean, 25.0, "gray-8x8-200", 4, rng, strange=0.0)
    else:
        pieces = training.pieces(clean, 25.0, "gray-8x8-200", 4, rng)
    planes = torch.from_numpy(np.stack(pieces))
    network = networks.DiffusionNetwork((1, 0), 8, 4, guided=chroma)
    errors = []
    for model in (None, whole):
        if model is not None:
            network.take(model)
        with torch.no_grad():
            found = network(planes[:, :1], planes[:, 1:2], 25.0)
        errors.append(float((found - planes[:, 2:3]).square().mean()))
    assert errors[1] < share * errors[0]
    assert whole.metadata["license"] == "CC0-1.0"
    again = training.train_diffusion(folder, **options)
    checkpoint = tmp_path / "state.npz"

    class Stop(Exception):
        pass

    def stop(run):
        if run.i == 5:
            raise Stop

    with pytest.raises(Stop):
        training.train_diffusion(
            folder, **options, checkpoint=checkpoint, checkpoint_seconds=0, progress=stop
        )
    resumed = training.train_diffusion(folder, **options, checkpoint=checkpoint)
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        np.testing.assert_array_equal(resumed.arrays[name], array)


def test_what_cannot_be_trained_on_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="batch"):
        training.train_diffusion(folder, how=Descent(iterations=1, batch=3))
    Image.fromarray(np.zeros((95, 110), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="96x96"):
        training.train_diffusion(tmp_path, how=HOW)
