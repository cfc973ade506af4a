"""The conda recipe says what pyproject.toml says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fastepll

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / ".ci" / "conda" / "recipe.yaml"
pytestmark = pytest.mark.skipif(not RECIPE.exists(), reason="needs the repository")


@pytest.fixture
def recipe():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(RECIPE.read_text(encoding="utf-8"))


@pytest.fixture
def project():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(texts):
    """Name and bound of each, of PyPI or conda."""
    return {tuple(re.fullmatch(r"([\w-]+)(?:\[\w+\])? ?(>=.+)?", text).groups()) for text in texts}


def test_versions(recipe, project):
    assert recipe["context"]["version"] == fastepll.__version__
    assert project["project"]["requires-python"] == f">={recipe['context']['python_min']}"


def test_requirements(recipe, project):
    run, host = (requirements(recipe["requirements"][part]) for part in ("run", "host"))
    assert run == requirements(project["project"]["dependencies"]) | {("python", None)}
    assert host - {("pip", None), ("python", None)} == requirements(
        project["build-system"]["requires"]
    )
    optional = {
        name.replace("pytorch", "torch"): bound
        for name, bound in requirements(recipe["requirements"]["run_constraints"])
    }
    extras = project["project"]["optional-dependencies"]
    assert optional.items() <= requirements([*extras["numba"], *extras["train"]])


def test_command(recipe, project):
    scripts = [f"{name} = {place}" for name, place in project["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts


def test_files_of_the_smoke_test_are_there(recipe):
    (files,) = [test["files"]["source"] for test in recipe["tests"] if "files" in test]
    assert [name for name in files if not (ROOT / name).exists()] == []
