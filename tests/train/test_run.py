"""Whole training runs: result, resume, command, bad settings."""

from __future__ import annotations

import argparse
import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastepll.models import GaussianMixture  # noqa: E402
from fastepll.train import checkpoints, command, train_mixture  # noqa: E402
from fastepll.train.options import TrainOptions  # noqa: E402
from fastepll.train.patches import list_images, stream_patches  # noqa: E402
from fastepll.train.trainer import Trainer  # noqa: E402

SMALL = dict(
    n_components=3,
    patch_shape=(3, 4),
    n_patches=3000,
    holdout=1,
    warm_steps=12,
    batch=600,
    iterations=10,
    finish=6,
    refresh=3,
)


def test_model_fits_the_patches(folder):
    model = train_mixture(folder, progress=False, **SMALL)
    assert (model.k, model.d, model.patch_shape) == (3, 12, (3, 4))
    assert model.eigenvalues[:, -1].max() == 0.0
    assert np.ptp(model.weights) > 0.01
    paths = [folder / name for name in ("0.png", "1.png", "2.png")]
    kept = set(model.metadata["held_out_images"])
    block = np.concatenate(
        list(stream_patches([p for p in paths if p.name not in kept], (3, 4), 3000, flips=True))
    )
    found = model.log_prob(block).mean() + 0.5 * np.log(12) + 11 * np.log(256 / 255)
    assert found == pytest.approx(model.metadata["train_log_likelihood"], abs=0.05)
    pooled = block.T.astype(float) @ block / len(block)
    np.testing.assert_allclose(
        np.einsum("k,kij->ij", model.weights, model.covariances), pooled, atol=0.02 * pooled.max()
    )


def test_colour_model_fits_the_patches(folder):
    settings = {**SMALL, "patch_shape": (2, 3, 3), "holdout": 0}
    model = train_mixture(folder, progress=False, **settings)
    assert (model.k, model.d, model.patch_shape) == (3, 18, (2, 3, 3))
    assert "RGB" in model.metadata["training_data"]
    assert model.eigenvalues[:, -1].max() == 0.0
    np.testing.assert_allclose(abs(model.eigenvectors[:, :, -1]), 18**-0.5, rtol=1e-12)
    block = np.concatenate(list(stream_patches(list_images(folder), (2, 3, 3), 3000, flips=True)))
    found = model.log_prob(block).mean() + 0.5 * np.log(18) + 17 * np.log(256 / 255)
    assert found == pytest.approx(model.metadata["train_log_likelihood"], abs=0.05)
    pooled = block.T.astype(float) @ block / len(block)
    np.testing.assert_allclose(
        np.einsum("k,kij->ij", model.weights, model.covariances), pooled, atol=0.02 * pooled.max()
    )


@pytest.mark.parametrize("stop", [7, 12, 18, 25])
def test_resume_is_bit_identical(folder, tmp_path, stop):
    options, paths, file = TrainOptions(**SMALL), list_images(folder), tmp_path / "state.npz"
    whole = Trainer(paths, options)
    while whole.position < options.steps:
        whole.step()
    part = Trainer(paths, options)
    for _ in range(stop):
        part.step()
    assert part.at_boundary
    checkpoints.save(part, file)
    again = Trainer(paths, options)
    checkpoints.restore(again, file)
    while again.position < options.steps:
        again.step()
    assert torch.equal(again.mixture.weights, whole.mixture.weights)
    assert torch.equal(again.mixture.covariances, whole.mixture.covariances)
    np.testing.assert_equal(again.history, whole.history)


def test_threads_do_not_change_the_result(folder):
    results, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        trainer = Trainer(list_images(folder), TrainOptions(**SMALL))
        trainer.chunk = 512
        for _ in range(16):
            trainer.step()
        results.append(trainer.mixture.covariances)
    torch.set_num_threads(before)
    assert torch.equal(*results)


def test_command_writes_model_history_and_checkpoint(folder, tmp_path):
    out, parser = tmp_path / "model.npz", argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [
        str(folder),
        str(out),
        "--n-components",
        "2",
        "--patch-shape",
        "3",
        "3",
        "3",
        "--precision",
        "int16",
        "--n-patches",
        "500",
        "--warm-steps",
        "3",
        "--iterations",
        "2",
        "--finish",
        "1",
        "--history",
        str(tmp_path / "log.csv"),
        "--checkpoint",
        str(tmp_path / "state.npz"),
        "--note",
        "free images",
        "--license",
        "CC0-1.0",
        "--quiet",
    ]
    assert command.run(parser.parse_args(words)) == 0
    model = GaussianMixture.load(out)
    assert model.metadata["note"] == "free images"
    assert model.metadata["license"] == "CC0-1.0"
    assert "--patch-shape 3 3 3 --n-patches 500 --warm-steps 3" in model.metadata["command"]
    rows = list(csv.reader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row[1] for row in rows] == ["stage", *["warm"] * 3, *["full"] * 2, "finish"]
    with pytest.raises(ValueError, match="exists"):
        command.run(parser.parse_args(words))
    assert command.run(parser.parse_args([*words, "--overwrite", "--resume"])) == 0
    again = GaussianMixture.load(out)
    assert np.array_equal(again.eigenvalues, model.eigenvalues)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(n_patches=20), "n_patches must be at least 30, got 20"),
        (dict(n_components=0), "n_components must be at least 1, got 0"),
        (dict(device="gpu"), "device must be"),
        (dict(device="meta"), "device must be"),
        (dict(device="cuda:99"), "is not there"),
        (dict(patch_shape=(1, 8)), "patch_shape must be two ints"),
        (dict(patch_shape=(8,)), r"patch_shape must be two ints .*, got \(8,\)"),
        (dict(patch_shape=(8, 8, 2)), r"and a 3 for colour, got \(8, 8, 2\)"),
        (dict(patch_shape=(8, 8, 3, 3)), "and a 3 for colour"),
        (dict(floor=-1.0), "floor must be in"),
        (dict(resume=True), "resume needs a checkpoint"),
    ],
)
def test_bad_settings(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        train_mixture(folder, progress=False, **{**SMALL, **settings})


def test_settings_of_the_wrong_kind(folder):
    with pytest.raises(TypeError, match="n_patches must be an int, got float"):
        train_mixture(folder, **{**SMALL, "n_patches": 1e4})


def test_foreign_checkpoint_is_refused(folder, tmp_path):
    file, paths = tmp_path / "state.npz", list_images(folder)
    checkpoints.save(Trainer(paths, TrainOptions(**SMALL)), file)
    with pytest.raises(ValueError, match="of another run: seed differ"):
        checkpoints.restore(Trainer(paths, TrainOptions(**SMALL, seed=1)), file)
    file.write_bytes(b"PK no checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoints.restore(Trainer(paths, TrainOptions(**SMALL)), file)


def test_options_are_there_without_torch(python):
    code = (
        "import argparse, sys; from fastepll.train import command; "
        "command.add_arguments(argparse.ArgumentParser()); print('torch' in sys.modules)"
    )
    assert python(code).communicate(timeout=60)[0].strip() == "False"
