"""The prior of the covariances, and patches drawn anew during the warm start."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastepll.images.cosines import dct_basis  # noqa: E402
from fastepll.models import GaussianMixture  # noqa: E402
from fastepll.train import checkpoints, fit_mixture, train_mixture  # noqa: E402
from fastepll.train.em import Statistics, maximise, targets  # noqa: E402
from fastepll.train.options import TrainOptions  # noqa: E402
from fastepll.train.patches import list_images, stream_patches  # noqa: E402
from fastepll.train.trainer import Trainer  # noqa: E402

SMALL = dict(
    n_components=3,
    patch_shape=(3, 3),
    n_patches=900,
    warm_steps=10,
    batch=300,
    iterations=2,
    finish=2,
    refresh=2,
)


def drawn_statistics(seed):
    """Counts and scatter of three components of unlike size and contrast."""
    rng = np.random.default_rng(seed)
    vectors = [s * rng.standard_normal((n, 5)) for n, s in ((8, 0.1), (40, 1.0), (300, 9.0))]
    scatter = np.stack([v.T @ v for v in vectors])
    counts = np.array([len(v) for v in vectors], float)
    return Statistics(torch.from_numpy(counts), torch.from_numpy(scatter), 0.0, 348)


def test_m_step_is_its_closed_form():
    stats, nu, floor = drawn_statistics(0), 25.0, 1e-3
    found = maximise(stats, floor, nu)
    n, own = stats.counts.numpy(), stats.scatter.numpy() / stats.counts.numpy()[:, None, None]
    own = own + floor * np.eye(5)
    pooled = np.average(own, axis=0, weights=n)
    root = np.sqrt(np.diagonal(pooled))
    correlation = pooled / np.outer(root, root)
    for k in range(3):
        deviation = np.sqrt(np.diagonal(own[k]))
        target = correlation * np.outer(deviation, deviation)
        expected = (n[k] * own[k] + nu * target) / (n[k] + nu)
        np.testing.assert_allclose(found.covariances[k].numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(  # what the coefficients vary by is left alone
            np.diagonal(found.covariances[k].numpy()), np.diagonal(own[k]), rtol=1e-12
        )
    np.testing.assert_allclose(found.weights.numpy(), n / 348, rtol=1e-15)


def test_m_step_is_the_mode_of_the_posterior():
    """No covariance near it has more of log-likelihood + log of the inverse-Wishart density."""
    stats, nu = drawn_statistics(1), 12.0
    found = maximise(stats, 0.0, nu).covariances[0].numpy()
    n, scatter = float(stats.counts[0]), stats.scatter[0].numpy()
    target = targets(stats.scatter / stats.counts[:, None, None], stats.counts)[0].numpy()

    def log_posterior(cov):
        _, log_det = np.linalg.slogdet(cov)
        spread = np.trace(np.linalg.solve(cov, scatter + nu * target))
        return -0.5 * ((n + nu) * log_det + spread)

    rng, best = np.random.default_rng(2), log_posterior(found)
    for _ in range(50):
        step = rng.standard_normal((5, 5))
        near = found + 1e-2 * np.abs(found).mean() * (step + step.T)
        assert log_posterior(near) < best


def test_prior_raises_the_likelihood_of_patches_not_seen():
    """Of few patches, where it must by the excess of parameters over patches; never in training."""
    rng = np.random.default_rng(3)
    scales = 0.8 ** np.arange(23) * np.array([[1.0], [0.1]])
    z = rng.standard_normal((6000, 23)) * scales[np.arange(6000) % 2]
    z = z @ dct_basis((4, 6)).T  # cosine coefficients without correlation
    few, held = z[:400], z[1000:]
    options = dict(patch_shape=(4, 6), n_components=2, warm_steps=0, iterations=15, seed=1)
    plain, shrunk = (fit_mixture(few, **options, prior_weight=nu) for nu in (0.0, 100.0))

    def gap(model):
        return model.log_prob(few).mean() - model.log_prob(held).mean()

    assert shrunk.log_prob(held).mean() > plain.log_prob(held).mean() + 0.1
    assert 0 < gap(shrunk) < gap(plain) - 0.2
    assert shrunk.log_prob(few).mean() < plain.log_prob(few).mean()


def test_weight_of_the_prior_is_checked(folder):
    with pytest.raises(ValueError, match=r"prior_weight must be in \[0.0, 1000000000.0\], got -1"):
        train_mixture(folder, **SMALL, prior_weight=-1)
    with pytest.raises(ValueError, match="redraw must be at least 0, got -1"):
        train_mixture(folder, **SMALL, redraw=-1)
    with pytest.raises(TypeError, match="redraw must be an int, got float"):
        train_mixture(folder, **SMALL, redraw=1.5)


def test_draws_are_other_patches(folder):
    def draw(number):
        stream = stream_patches(list_images(folder), (3, 3), 900, seed=4, draw=number)
        return np.concatenate(list(stream))

    blocks = [draw(i) for i in (0, 1, 2)]
    assert np.array_equal(blocks[1], draw(1))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (blocks[i] == blocks[j]).all(axis=1).mean() < 0.01
        np.testing.assert_allclose(blocks[i].std(), blocks[j].std(), rtol=0.1)


def test_patches_are_drawn_anew(folder):
    trainer, seen = Trainer(list_images(folder), TrainOptions(**SMALL, redraw=4)), []
    while trainer.position < trainer.options.steps:
        seen.append((trainer.drawn, trainer.z.clone()))
        trainer.step()
    assert [number for number, _ in seen] == [0] * 4 + [1] * 4 + [2] * 6
    kinds = [z for _, z in seen]
    assert all(torch.equal(kinds[i], kinds[i - 1]) for i in (1, 2, 3, 5, 6, 7, 9, 10, 11, 13))
    assert not any(torch.equal(kinds[i], kinds[i - 1]) for i in (4, 8))
    noise = 255 * (kinds[12] - kinds[11])  # the finishing passes: the same patches, dequantised
    assert float(noise.square().mean()) == pytest.approx(1 / 12, rel=0.05)


@pytest.mark.parametrize("stop", [3, 4, 9, 10, 12, 13])
def test_resume_is_bit_identical(folder, tmp_path, stop):
    options = TrainOptions(**SMALL, redraw=4, prior_weight=20.0)
    paths, file = list_images(folder), tmp_path / "state.npz"
    whole, part, again = (Trainer(paths, options) for _ in range(3))
    while whole.position < options.steps:
        whole.step()
    while part.position < stop or not part.at_boundary:
        part.step()
    checkpoints.save(part, file)
    checkpoints.restore(again, file)
    while again.position < options.steps:
        again.step()
    assert torch.equal(again.mixture.weights, whole.mixture.weights)
    assert torch.equal(again.mixture.covariances, whole.mixture.covariances)
    np.testing.assert_equal(again.history, whole.history)


def test_command_of_the_metadata_repeats_the_run(folder):
    model = train_mixture(folder, progress=False, **SMALL, redraw=4, prior_weight=20.0)
    assert "--prior-weight 20.0 --redraw 4" in model.metadata["command"]
    assert isinstance(model, GaussianMixture)


def test_older_checkpoint_has_the_default_options(folder, tmp_path, monkeypatch):
    """A file from before an option was there goes on without it, and not with another value."""
    paths, file = list_images(folder), tmp_path / "state.npz"
    found = checkpoints._options
    without = lambda o: {k: v for k, v in found(o).items() if k != "redraw"}  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_options", without)
        checkpoints.save(Trainer(paths, TrainOptions(**SMALL)), file)
    checkpoints.restore(Trainer(paths, TrainOptions(**SMALL)), file)
    with pytest.raises(ValueError, match="of another run: redraw differ"):
        checkpoints.restore(Trainer(paths, TrainOptions(**SMALL, redraw=3)), file)


def test_passes_end_when_the_held_out_likelihood_stops_rising(folder, tmp_path):
    """And a resumed run ends where the whole one does, with the same bits."""
    settings = {**SMALL, "holdout": 1, "iterations": 40, "patience": 2}
    options, paths, file = TrainOptions(**settings), list_images(folder), tmp_path / "state.npz"
    whole, part, again = (Trainer(paths, options) for _ in range(3))
    while whole.position < whole.steps:
        whole.step()
    held = [row[3] for row in whole.history if row[1] == "full" and not np.isnan(row[3])]
    assert 0 < whole.passes == 2 * len(held) < 40  # refresh is 2
    assert max(held) == held[-3]
    assert max(held[-2:]) < held[-3]
    assert [row[1] for row in whole.history[-2:]] == ["finish"] * 2
    while part.stage != "finish":
        part.step()
    checkpoints.save(part, file)
    checkpoints.restore(again, file)
    while again.position < again.steps:
        again.step()
    assert torch.equal(again.mixture.covariances, whole.mixture.covariances)
    with pytest.raises(ValueError, match="patience needs a holdout, got patience 1, holdout 0"):
        TrainOptions(patience=1)
