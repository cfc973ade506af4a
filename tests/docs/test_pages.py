"""The examples of the pages in docs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="no docs beside the tests")


def test_other_libraries(deepinv):
    pytest.importorskip("skimage")
    failed, tried = doctest.testfile(str(DOCS / "other-libraries.md"), module_relative=False)
    assert failed == 0
    assert tried > 20


def test_priors():
    failed, tried = doctest.testfile(str(DOCS / "priors.md"), module_relative=False)
    assert failed == 0
    assert tried > 10
