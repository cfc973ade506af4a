"""`bench/versions.py` says which code ran."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import fastepll

PATH = Path(__file__).parents[2] / "bench" / "versions.py"
pytestmark = pytest.mark.skipif(
    not PATH.exists() or shutil.which("git") is None, reason="needs a checkout and git"
)


@pytest.fixture
def versions():
    spec = importlib.util.spec_from_file_location("versions", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    for name in ("fastepll/__init__.py", "csrc/gmm.cpp", "docs/page.md"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("text")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def test_a_package_in_a_checkout_has_its_commit_and_names_what_changed(versions, checkout):
    words = ["git", "-C", checkout, "rev-parse", "HEAD"]
    head = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    found = versions.code(checkout / "fastepll", checkout)
    assert found == {"fastepll": fastepll.__version__, "commit": head[:12], "changed": []}
    (checkout / "docs" / "page.md").write_text("other")  # not code
    assert versions.code(checkout / "fastepll", checkout) == found
    (checkout / "csrc" / "gmm.cpp").write_text("other")
    (checkout / "fastepll" / "new.py").write_text("new")
    changed = versions.code(checkout / "fastepll", checkout)["changed"]
    assert sorted(changed) == ["csrc/gmm.cpp", "fastepll/new.py"]
    core = checkout / "fastepll" / "_core.so"
    core.write_text("core")
    os.utime(core, (1, 1))
    assert (
        "csrc, after the core was built"
        in versions.code(checkout / "fastepll", checkout)["changed"]
    )


def test_an_installed_package_has_a_commit_only_if_it_is_the_same(versions, checkout, tmp_path):
    installed = tmp_path / "site-packages" / "fastepll"
    shutil.copytree(checkout / "fastepll", installed)
    assert versions.code(installed, checkout)["commit"] is not None
    (installed / "__init__.py").write_text("other")
    found = versions.code(installed, checkout)
    assert (found["commit"], found["changed"]) == (None, [])


def test_words(versions):
    machine = {"cpu": "CPU", "isa": "avx2", "fastepll": "1.2", "commit": "abc", "changed": []}
    assert versions.in_words(machine) == "CPU, avx2; fastepll 1.2, commit abc"
    dirty = machine | {"changed": ["csrc/gmm.cpp"]}
    assert versions.in_words(dirty).endswith("commit abc with changes")
    assert versions.in_words(machine | {"commit": None}) == "CPU, avx2; fastepll 1.2"
    old = {"cpu": "CPU", "level": "avx2", "fastepll": "0+unknown"}
    assert versions.in_words(old) == "CPU, avx2; version not recorded"
