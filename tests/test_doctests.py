"""The examples in docstrings, of every module whose libraries are installed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fastepll

MODULES = [m.name for m in pkgutil.walk_packages(fastepll.__path__, "fastepll.", onerror=print)]


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
