"""fastepll study, which runs what has taken its place."""

from __future__ import annotations

import pytest


@pytest.fixture
def below(tmp_path, monkeypatch):
    """A folder below one with bench/study.py, whose exit code is the number of its arguments."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "study.py").write_text("import sys; sys.exit(len(sys.argv) - 1)")
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "docs" / "deep")


def test_names_its_successor_and_runs_it(run, below):
    words = "fastepll: warning: fastepll study is deprecated; use: python bench/study.py"
    assert run("study") == (0, "", f"{words}\n")
    assert run("study", "leaves", "--quick") == (2, "", f"{words} leaves --quick\n")


def test_no_checkout(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("study", "leaves")
    assert (code, err.count("\n")) == (2, 2)
    assert f"no bench/study.py in {tmp_path} or above" in err
