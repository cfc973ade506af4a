"""The examples of the pages in docs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "other-libraries.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="no docs beside the tests")
def test_other_libraries(deepinv):
    pytest.importorskip("skimage")
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried > 20
