"""The pages of docs: examples run, figures are those of the results, every name is listed."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fastepll.operators import Identity

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "generated" not in page.parts]
RUN = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]
PUBLIC = (
    "",
    ".operators",
    ".models",
    ".priors",
    ".neural",
    ".torch",
    ".train",
    ".dask",
    ".deepinv",
)

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="no docs beside the tests")


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_examples_run(page, request):
    text = page.read_text(encoding="utf-8")
    for package in ("dask", "skimage", "scipy"):
        if f"import {package}" in text or f"from {package}" in text:
            pytest.importorskip(package)
    if "from fastepll.generative import" in text:
        pytest.importorskip("scipy")
        pytest.importorskip("torch")
    if "import deepinv" in text:
        request.getfixturevalue("deepinv")
    plain = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)  # which would pass for output
    test = doctest.DocTestParser().get_doctest(plain, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_python_of_the_front_page_runs(page):
    image = np.random.default_rng(0).uniform(0.2, 0.8, (32, 32))
    kernel, mask = np.full((3, 3), 1 / 9), image < 0.3
    given = {"noisy": image, "image": image, "mask": mask, "blurred": image, "kernel": kernel}
    given |= {"y": image, "operator": Identity(image.shape), "volume": np.stack([image] * 8)}
    (code,) = re.findall("```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    exec(code.replace("sigma=2", "sigma=0.02"), given)
    results = [given[name] for name in re.findall(r"^(\w+) = ", code, re.MULTILINE)]
    assert len(results) >= 3
    assert all(result.shape[-2:] == image.shape for result in results)


@pytest.fixture
def report(monkeypatch):
    """bench/report.py, forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    yield importlib.import_module("report")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"report", "tables", "versions"}:
            del sys.modules[name]


def test_figures_are_those_of_the_results(report):
    stale = [
        page.name for page in report.pages() if report.filled(page.read_text()) != page.read_text()
    ]
    assert stale == [], "run: python bench/report.py"


def test_every_table_and_figure_has_a_page(report):
    shown = {
        found[1] for page in report.pages() for found in report.MARKED.finditer(page.read_text())
    }
    assert shown == set(report.WRITERS)


def test_every_mark_is_closed_and_is_no_block_of_html(report):
    for page in report.pages():
        begun = re.search(r"^ *<!-- [\w ]+ -->[^\n]", page.read_text(), re.MULTILINE)
        assert begun is None, page  # with a mark before them the words of a line are not Markdown
        left = report.MARKED.sub("", page.read_text())
        assert not re.search(r"<!-- (end )?[\w ]+ -->", left), page


@pytest.mark.parametrize("module", PUBLIC)
def test_api_lists_every_public_name(module, request):
    if module == ".deepinv":
        request.getfixturevalue("deepinv")
    if module in (".dask", ".torch"):
        pytest.importorskip(module[1:])
    package = importlib.import_module(f"fastepll{module}")
    page = (DOCS / "api" / f"{module[1:] or 'fastepll'}.rst").read_text()
    top = (DOCS / "api" / "fastepll.rst").read_text()  # names that both have are documented there
    listed = set(
        re.findall(
            r"^(?:   |\.\. autodata:: )(\w+)$",
            page + (top if module in (".models", ".neural") else ""),
            re.MULTILINE,
        )
    )
    assert set(package.__all__) - listed - {"__version__", "GaussianMixture"} == set()
