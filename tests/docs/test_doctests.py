"""The examples in docstrings, of every module whose libraries are installed."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import fastepll

ROOT = Path(fastepll.__file__).parent
PARTS = [path.relative_to(ROOT.parent).with_suffix("").parts for path in ROOT.rglob("*.py")]
MODULES = sorted(".".join(parts).removesuffix(".__init__") for parts in PARTS)


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[-1] != "__main__"])
def test_examples(name, monkeypatch, tmp_path, request):
    if name.startswith("fastepll.deepinv"):
        request.getfixturevalue("deepinv")
    monkeypatch.chdir(tmp_path)  # where examples may write
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))
    assert doctest.testmod(module).failed == 0
