"""What `import fastepll` does and does not do."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import os
import re
import shutil
from importlib.resources import files

import pytest

import fastepll

from .conftest import PACKAGE

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

# Without the finders of editable installs, which come before the folders of the path.
AS_IN_A_CHECKOUT = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if isinstance(finder, type)]
try:
    import fastepll
except ImportError as error:
    print(error)
else:
    print(fastepll.__file__)
"""


@pytest.fixture
def sources(tmp_path):
    """The package as a checkout has it."""
    package = tmp_path / "checkout" / "fastepll"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    return package


@pytest.fixture
def installed(tmp_path):
    """What is left of an installed package: its list of files, and its core."""
    folder = tmp_path / "installed"
    (folder / "fastepll-9.9.dist-info").mkdir(parents=True)
    (folder / "fastepll-9.9.dist-info" / "METADATA").write_text("Name: fastepll\nVersion: 9.9\n")
    (folder / "fastepll-9.9.dist-info" / "RECORD").write_text("fastepll/_core.abi3.so,,\n")
    (folder / "fastepll").mkdir()
    (folder / "fastepll" / "_core.abi3.so").touch()
    return folder


def test_sources_do_not_hide_an_installed_core(python, sources, installed):
    path = os.pathsep.join(map(str, (sources.parent, installed)))
    said = python(AS_IN_A_CHECKOUT, PYTHONPATH=path).communicate(timeout=60)[0]
    assert said.startswith(f"{sources} has no compiled core and hides the fastepll installed in ")
    assert f"{installed / 'fastepll'}, which has one" in said


def test_sources_work_where_no_core_is_installed(python, sources, installed):
    (installed / "fastepll" / "_core.abi3.so").unlink()
    path = os.pathsep.join(map(str, (sources.parent, installed)))
    said = python(AS_IN_A_CHECKOUT, PYTHONPATH=path).communicate(timeout=60)[0]
    assert said.strip() == str(sources / "__init__.py")


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


def test_version_is_that_of_the_installed_package():
    assert re.match(r"\d+\.\d+", fastepll.__version__)
    try:
        installed = importlib.metadata.version("fastepll")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("sources that are not installed")
    assert fastepll.__version__ == installed


def test_packaged_files():
    package = files("fastepll")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("_core.pyi").is_file()
    assert package.joinpath("solver/denoise_schedule.json").is_file()
    assert package.joinpath("cli/report/page.html").is_file()
    assert package.joinpath("cli/camera.png").is_file()
    assert "CC0-1.0" in package.joinpath("cli/camera.png.license").read_text("utf-8")
    for name in fastepll.list_models():
        assert package.joinpath(f"models/weights/{name}.npz").is_file()
