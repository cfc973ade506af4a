"""The model of a trained reaction diffusion: its file, its noise levels, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fastepll.models.diffusion import CHROMA, FORM, KIND, ReactionDiffusion, shipped
from fastepll.solver.diffusion import grid, reach

SIGMAS = np.array([0.02, 0.05, 0.2])
RNG = np.random.default_rng(0)
ARRAYS = {
    "sigmas": SIGMAS,
    "analysis": RNG.standard_normal((3, 2, 5, 12)),
    "values": RNG.standard_normal((3, 2, 5, 7)),
    "synthesis": RNG.standard_normal((3, 2, 6, 5)),
    "reaction": RNG.random((3, 2)),
    "reach": 4.0,
}


def test_parameters_between_levels_are_linear_in_log_sigma():
    model = ReactionDiffusion((2, 3), **ARRAYS)
    for sigma, low, share in ((0.001, 0, 0), (0.02, 0, 0), (0.1, 1, 0.5), (0.2, 2, 0), (3.0, 2, 0)):
        steps = model.steps(sigma)
        assert len(steps) == model.n_steps == 2
        for i, step in enumerate(steps):

            def mixed(name, i=i, low=low, share=share):
                array = ARRAYS[name][:, i]
                return array[low] + share * (array[min(low + 1, 2)] - array[low])

            assert step.patch_shape == (2, 3)
            np.testing.assert_allclose(step.analysis * sigma, mixed("analysis"), rtol=1e-12)
            np.testing.assert_allclose(step.values, mixed("values"), rtol=1e-12)
            np.testing.assert_allclose(step.synthesis / sigma, mixed("synthesis"), rtol=1e-12)
            assert (step.reach, step.reaction) == pytest.approx((4.0, mixed("reaction")))


def test_a_file_keeps_float32(tmp_path):
    arrays = ARRAYS | {"reaction": np.zeros((3, 2)), "halvings": [1, 0], "guided": True}
    model = ReactionDiffusion((2, 3), metadata={"license": "CC0-1.0"}, **arrays)
    model.save(tmp_path / "a.npz")
    again = ReactionDiffusion.load(tmp_path / "a.npz")
    assert (again.patch_shape, again.metadata) == ((2, 3), {"license": "CC0-1.0"})
    assert (again.halvings, again.guided) == ((1, 0), True)
    assert all(step.guided for step in again.steps(0.1))
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array.astype(np.float32))
    damaged = bytearray((tmp_path / "a.npz").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "b.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"b\.npz"):
        ReactionDiffusion.load(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigmas", SIGMAS[::-1]),
        ("sigmas", SIGMAS - 0.02),
        ("sigmas", SIGMAS[:2]),
        ("analysis", ARRAYS["analysis"][..., 1:]),
        ("analysis", ARRAYS["analysis"][0]),
        ("values", ARRAYS["values"][..., :1]),
        ("values", np.full((3, 2, 5, 7), np.nan)),
        ("synthesis", ARRAYS["synthesis"].swapaxes(2, 3)),
        ("reaction", np.zeros(2)),
        ("reach", 0.0),
        ("halvings", np.array([0.5, 0])),
        ("halvings", np.array([0, -1])),
        ("halvings", np.array([0, 5])),
        ("halvings", np.zeros(3)),
        ("reach", np.inf),
        ("guided", 2),
        ("guided", np.zeros(2)),
        ("guided", 1),  # and yet a reaction
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, value):
    with pytest.raises(
        ValueError, match=r"sigmas|analysis|values|synthesis|reaction|reach|halvings|guided"
    ):
        ReactionDiffusion((2, 3), **(ARRAYS | {name: value}))


def test_the_shipped_one():
    model = shipped()
    assert model.patch_shape == (8, 8)
    assert model.halvings == (2, 1, 1, 0, 0)
    assert (reach(), grid()) == (96, 4)  # 4 * 10 + 2 * 10 + 2 * 10 + 7 + 7, and 2 more
    assert model.metadata["license"] == "LicenseRef-BSDS-NonCommercial"
    of_image = model.arrays["analysis"][..., :64]
    assert np.abs(of_image.sum(-1)).max() < 1e-5  # no response to a constant
    assert not model.guided


def test_the_shipped_one_of_chroma():
    model = shipped(CHROMA)
    assert (model.patch_shape, model.halvings, model.guided) == ((8, 8), (1, 0), True)
    assert reach(guided=True) == 28  # 2 * 10 + 7, and 1 more
    assert model.metadata["license"] == "LicenseRef-BSDS-NonCommercial"
    both = model.arrays["analysis"].reshape(*model.arrays["analysis"].shape[:3], 2, 64)
    assert np.abs(both.sum(-1)).max() < 1e-5  # nor to one of the guide


@pytest.mark.parametrize(
    ("kind", "shape", "arrays"),
    [
        ("mixture", (2, 3), ARRAYS),
        (KIND, (-2, -3), ARRAYS),
        (KIND, (2, 3, 1), ARRAYS),
        (KIND, (), ARRAYS),
        (KIND, (2, 3), {"sigmas": SIGMAS}),
        (KIND, (2, 3), ARRAYS | {"more": SIGMAS}),
        (KIND, (2, 3), ARRAYS | {"analysis": np.zeros((3, 2, 5, 0))}),
    ],
)
def test_hostile_files_are_refused(tmp_path, kind, shape, arrays):
    values = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    FORM.save(tmp_path / "a.npz", kind, shape, values, {}, overwrite=False)
    with pytest.raises(ValueError, match=r"a\.npz is not a usable model file"):
        ReactionDiffusion.load(tmp_path / "a.npz")


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_noise_levels_are_checked(sigma):
    with pytest.raises(ValueError, match="sigma"):
        ReactionDiffusion((2, 3), **ARRAYS).steps(sigma)
