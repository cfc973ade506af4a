"""Public objects as they travel: pickled, copied, hashed by joblib, tokenised by Dask."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastepll
from fastepll import priors
from fastepll.backends.passes import Pass
from fastepll.models.adapted import adapt
from fastepll.operators import (
    Blur,
    Diagonal,
    Downsample,
    Identity,
    Mask,
    Operator,
    from_linear_operator,
)
from fastepll.operators.weighted import whiten
from fastepll.train.descent import Descent

from .conftest import PACKAGE
from .scenes import noisy, scene, smooth_mixture

MODEL = smooth_mixture()
SHAPE = (24, 28)
Y = noisy(scene(*SHAPE), 0.1)
KERNEL = np.outer([1, 2, 1], [1, 1, 2]) / 16
RNG = np.random.default_rng(0)
QUICK = {"model": MODEL, "quality": "preview"}


class Own(Operator):
    """One that a user wrote, with a scale that he knows better."""

    def __init__(self):
        super().__init__(SHAPE, SHAPE)
        self.scale = 0.25

    def forward(self, x):
        return 0.25 * x[::-1]

    def adjoint(self, y):
        return 0.25 * y[::-1]


def states() -> list[fastepll.restoration.restore.Iteration]:
    history: list = []
    fastepll.restore(Y, Blur(KERNEL, SHAPE), 0.1, callback=history.append, **QUICK)
    return history


PATCHES = RNG.laplace(size=(300, 9)) @ RNG.standard_normal((9, 9)) / 20
FITS = {
    "ica": {"steps": 3},
    "sparse-coding": {"n_epochs": 1, "n_sources": 9},
    "karklin-lewicki": {"n_epochs": 1, "n_latents": 2},
    "gsm-mixture": {"n_covariances": 2},
    "student-t-mixture": {"start": smooth_mixture(3), "iterations": 2},
    "generalised-gaussian-mixture": {"start": smooth_mixture(3), "iterations": 1},
    "mini-dead-leaves": {"angles": 8, "iterations": 2},
    "vae": {"n_latents": 2, "width": 4, "how": Descent(iterations=2)},
    "conditional-scale-mixture": {"n_components": 2, "n_features": 2, "how": Descent(iterations=1)},
    "causal-network": {"hidden": 4, "n_mixture": 2, "how": Descent(iterations=1)},
    "symmetric-average": {"kind": "gsm"},
    "rnade": {"hidden": 4, "how": Descent(iterations=2)},
    "made-mog": {"hidden": 4, "how": Descent(iterations=2)},
    "maf": {"hidden": 4, "how": Descent(iterations=2)},
}


def prior(kind: str) -> priors.Prior:
    """One of that kind with little in it, fitted."""
    options = FITS.get(kind, {})
    if "how" in options:
        pytest.importorskip("torch")
    fitted = getattr(priors, priors.KINDS[kind]).fit(PATCHES, patch_shape=(3, 3), **options)
    return type(fitted)((3, 3), {"seed": 0, "list": [1]}, **fitted.parameters())


def operator(made: Operator):
    """What an operator does, in all that `restore` asks of it."""
    x = np.linspace(0, 1, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    y = made.forward(x)
    return [y, made.adjoint(y), made.solve(x, 0.1), made.guess(y, 0.1), made.scale, made.response]


def patches(made):
    """What a prior makes of patches."""
    noisy_ones = np.random.default_rng(1).standard_normal((4, int(np.prod(made.patch_shape))))
    return [made.log_prob(0.1 * noisy_ones), made.denoise(0.1 * noisy_ones, 0.1, "map")]


def image(made):
    """What a denoiser makes of an image."""
    return [made(Y)]


MATRIX = np.random.default_rng(2).standard_normal((40, 672)) / 10


def foreign():
    from scipy.sparse.linalg import aslinearoperator

    of_scipy = aslinearoperator(MATRIX)
    of_scipy.rmatvec(np.ones(len(MATRIX)))  # which it keeps the adjoint of
    return from_linear_operator(of_scipy, SHAPE)


OBJECTS = {
    "Denoiser": (lambda: fastepll.Denoiser(0.1, shape=SHAPE, **QUICK), image),
    "Denoiser by name": (lambda: fastepll.Denoiser(0.1, quality="preview", n_threads=1), image),
    "Denoiser, map": (
        lambda: fastepll.Denoiser(
            np.full(SHAPE, 0.1), model=prior("gsm"), data_range="auto", backend="reference"
        ),
        image,
    ),
    "GaussianMixture": (lambda: smooth_mixture(3), patches),
    "Settings": (lambda: fastepll.Settings(noise=[1, 0.5], blend=[1, 0.5]), lambda s: [s.noise]),
    "Pass": (lambda: Pass(noise_var=0.1), lambda p: [p.noise_var, p.shift]),
    "Identity": (lambda: Identity(SHAPE), operator),
    "Mask": (lambda: Mask(Y > 0.5), operator),
    "Diagonal": (lambda: Diagonal(Y), operator),
    **{
        f"Blur, {boundary}": (lambda b=boundary: Blur(KERNEL, SHAPE, b), operator)
        for boundary in ("valid", "periodic", "reflect")
    },
    "Downsample": (lambda: Downsample(KERNEL, SHAPE, 2), operator),
    "Composition": (lambda: Mask(Y > 0.5) @ Blur(KERNEL, SHAPE), operator),
    "weighted": (lambda: whiten(Blur(KERNEL, SHAPE), 1 + Y**2, 1e-4).operator, operator),
    "foreign": (foreign, operator),
    "own": (Own, operator),
    "Iteration": (
        lambda: states()[-1],
        lambda s: [s.iteration, s.n_iterations, s.beta, s.image, s.objective],
    ),
    "adapted": (lambda: adapt(prior("student-t-mixture")), patches),
    **{kind: (lambda kind=kind: prior(kind), patches) for kind in priors.KINDS},
}


def arrive(made):
    """The object in another process, where nothing is known of it."""
    return pickle.loads(pickle.dumps(made))


@pytest.mark.parametrize("travel", [arrive, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("name", OBJECTS)
def test_arrives_as_it_was(name, travel):
    make, behaviour = OBJECTS[name]
    made = make()
    before = travel(made)
    wanted = behaviour(made)
    for there in (before, travel(made)):  # unused, and used, with all that it keeps
        assert type(there) is type(made)
        for found, value in zip(behaviour(there), wanted, strict=True):
            np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("name", OBJECTS)
def test_tokens_and_hashes_are_those_of_what_it_was_made_of(name):
    tokenize = pytest.importorskip("dask.base").tokenize
    hashed = pytest.importorskip("joblib").hash
    make, behaviour = OBJECTS[name]
    made = make()
    for key in (lambda x: tokenize(x, ensure_deterministic=True), hashed, pickle.dumps):
        first = key(made)
        behaviour(made)
        assert key(made) == first, "after use"
        assert key(arrive(made)) == key(arrive(arrive(made)))
        if key is not pickle.dumps:  # which also says which objects are one
            assert key(arrive(made)) == first
            if name != "foreign" or key is hashed:  # Dask sees in SciPy's which parts are one
                assert key(copy.deepcopy(made)) == first


def test_different_objects_have_different_tokens():
    tokenize = pytest.importorskip("dask.base").tokenize
    objects = [make() for make, _ in OBJECTS.values()]
    objects += [Blur(KERNEL[:, ::-1], SHAPE), fastepll.Denoiser(0.2, **QUICK), smooth_mixture(4)]
    tokens = [tokenize(each) for each in objects]
    assert len(set(tokens)) == len(tokens)


def test_a_denoiser_by_name_is_small():
    assert len(pickle.dumps(fastepll.Denoiser(25))) < 1000
    assert len(pickle.dumps(Blur(KERNEL, (1000, 1000)))) < 1000


def test_a_kernel_is_told_of_once():
    with pytest.warns(UserWarning, match="kernel sums to 2"):
        blur = Blur(2 * KERNEL, SHAPE)
    np.testing.assert_array_equal(copy.deepcopy(blur).kernel, blur.kernel)  # warnings are errors


def test_in_another_process(tmp_path):
    code = "import pickle, sys; a, b = map(pickle.load, [sys.stdin.buffer] * 2); print(len(a(b)))"
    data = pickle.dumps(fastepll.Denoiser(0.1, **QUICK)) + pickle.dumps(Y)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        input=data,
        capture_output=True,
        cwd=tmp_path,  # not a checkout
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert done.stdout.split() == [b"24"]


@pytest.mark.parametrize("travel", [arrive, copy.deepcopy])
def test_models_of_deepinv(deepinv, travel):
    import torch

    from fastepll.deepinv import Denoiser, Reconstructor

    y = torch.from_numpy(Y[None, None])
    model = Denoiser(MODEL, quality="preview", data_range="auto")
    assert torch.equal(travel(model)(255 * y, 25.0), model(255 * y, 25.0))
    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(0.1))
    reconstructor = Reconstructor(model=MODEL, quality="preview")
    assert torch.equal(travel(reconstructor)(y, physics), reconstructor(y, physics))
    with pytest.raises(ValueError, match="data_range must be given"):
        reconstructor(255 * y, physics)
