"""What the last listing of public names has is still there: as it was, wider, or deprecated."""

from __future__ import annotations

import importlib
import warnings
from functools import reduce

import pytest

from .public_api import incompatible, lines_of, older_keywords, read_listing

LISTING = read_listing()
NEEDS = {
    "fastepll.dask": "dask",
    "fastepll.torch": "torch",
    "fastepll.train": "torch",
    "fastepll.priors.torch_density": "torch",
}


@pytest.fixture(autouse=True)
def _deprecation_is_allowed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.mark.parametrize("room", [heading for heading in LISTING if heading != "modules"])
def test_public_names_stay(room, request):
    if room in NEEDS:
        pytest.importorskip(NEEDS[room])
    if room == "fastepll.deepinv":
        request.getfixturevalue("deepinv")
    module = importlib.import_module(room)
    changed = []
    for name, signature in LISTING[room].items():
        try:
            thing = reduce(getattr, name.split("."), module)
        except AttributeError as error:
            changed.append(f"{name}: {error}")
            continue
        if signature:
            now = next(lines_of("", thing))
            why = incompatible(signature, now, older_keywords(thing)) if now else "cannot be called"
            changed += [f"{name}: {why}"] if why else []
    assert changed == []


@pytest.mark.parametrize("name", LISTING["modules"])
def test_modules_can_be_imported(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "fastepll":
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("(a, b=1)", "(a, b=1, *, c=2)", None),
        ("(a, *, b)", "(a, b=1, **rest)", None),
        ("(a, b=1)", "(b=1, a=2)", "positional parameters were ['a', 'b']"),
        ("(a, *, b=1)", "(a, *, c=1)", "b is gone"),
        ("(a, *, b=1)", "(a, *, b=2)", "b was 1 by default"),
        ("(a, *, b=1)", "(a, *, b)", "b was 1 by default"),
        ("(a)", "(a, /)", "a is no longer a keyword"),
        ("(a)", "(a, *, b)", "['b'] must be given"),
        ("(x, *, y=1)", "(a, *, b=1)", None),
        ("(x, *, y=1)", "(a, *, b=2)", "y was 1 by default"),
    ],
)
def test_what_counts_as_a_change(old, new, why):
    assert incompatible(old, new, {"x": "a", "y": "b"}) == why
