"""What `import fastepll` does and does not do."""

from __future__ import annotations

import inspect
import json
import re
from importlib.resources import files

import pytest

import fastepll

HEAVY = [
    "torch",
    "dask",
    "deepinv",
    "numba",
    "scipy",
    "sklearn",
    "skimage",
    "PIL",
    "tifffile",
    "tqdm",
    "h5py",
    "matplotlib",
]

WITHOUT_CORE = """
import sys
sys.modules["fastepll._core"] = None
sys.modules["numba"] = None
import numpy as np
import fastepll
from fastepll.backends import get_backend
from fastepll.backends.passes import Pass
assert get_backend().name == "reference"
try:
    get_backend("native")
except ValueError as error:
    print(error)
model = fastepll.GaussianMixture.from_covariances([1.0], [np.eye(9)], (3, 3))
image = np.random.default_rng(0).random((6, 7))
smooth = get_backend().prior_pass(image, model, Pass(noise_var=1.0), n_threads=1)
assert smooth.std() < 0.6 * image.std()
"""


@pytest.mark.parametrize("name", ["fastepll", "fastepll.priors"])
def test_import_is_light(python, name):
    process = python(f"import {name}, json, sys; print(json.dumps(list(sys.modules)))")
    modules = {name.split(".")[0] for name in json.loads(process.communicate(timeout=60)[0])}
    assert process.returncode == 0
    assert "fastepll" in modules
    assert modules.isdisjoint(HEAVY)


def test_works_without_core_and_numba(python):
    process = python(WITHOUT_CORE)
    message = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert "'native' cannot be used: the compiled extension is absent" in message


@pytest.mark.parametrize("name", sorted({*fastepll.__all__} - {"__version__"}))
def test_public_names_are_documented(name):
    """Every parameter under its name, and an example that the doctests run."""
    thing = getattr(fastepll, name)
    text = inspect.getdoc(thing)
    assert ">>> " in text
    head = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    words = [line for line in head.splitlines() if not line.startswith(" ")]
    documented = {part.strip(" *") for line in words for part in line.split(":")[0].split(",")}
    assert set(inspect.signature(thing).parameters) - documented == set()


def test_public_names_have_a_version():
    assert re.match(r"\d+[.+]", fastepll.__version__)


def test_packaged_files():
    package = files("fastepll")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("_core.pyi").is_file()
    assert package.joinpath("solver/denoise_schedule.json").is_file()
    for name in fastepll.list_models():
        assert package.joinpath(f"models/weights/{name}.npz").is_file()
