"""fastepll study and fastepll priors."""

from __future__ import annotations

import json

import pytest

from fastepll import priors
from fastepll.cli import laboratory


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder somewhere below a checkout with two studies and a file that is none."""
    folder = tmp_path / "bench" / "studies"
    folder.mkdir(parents=True)
    (folder / "leaves.py").write_text(
        '"""Dead leaves: ``python bench/studies/leaves.py``."""\n'
        "import sys\n"
        "def main(argv=None):\n"
        "    return 3 if '--quick' in sys.argv else 0\n"
        "sys.exit(main())\n"
    )
    (folder / "samples.py").write_text('"""Samples of ``x``."""\ndef main(argv=None): ...\n')
    (folder / "harness.py").write_text('"""No study."""\n')
    deep = tmp_path / "docs" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    return tmp_path


def test_study_runs_with_its_options(run, checkout):
    assert run("study", "leaves")[0] == 0
    assert run("study", "leaves", "--quick")[0] == 3


def test_studies_are_listed(run, checkout):
    code, out, _ = run("study")
    assert code == 0
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        ["leaves", "Dead leaves"],
        ["samples", "Samples of"],
    ]


def test_unknown_study(run, checkout):
    code, _, err = run("study", "harness")
    assert (code, err.count("\n")) == (2, 1)
    assert "no study 'harness'" in err
    assert "there are leaves, samples" in err


def test_no_checkout(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(laboratory, "PACKAGE", tmp_path / "site-packages" / "fastepll")
    code, _, err = run("study", "leaves")
    assert (code, err.count("\n")) == (2, 1)
    assert "no folder bench" in err
    assert str(tmp_path / "site-packages") in err


def test_priors_with_and_without_figures(run, tmp_path, monkeypatch):
    names = ("gaussian", "pca", "gsm", "gsm-mixture")
    monkeypatch.setattr(priors, "KINDS", {name: priors.KINDS[name] for name in names})
    figures = {"log_likelihood": 96.712, "error": None, "patch_psnr": {"25": 25.5}}
    table = {
        "gaussian": figures | {"image_psnr": {"25": 26.04, "15": 28.0}},
        "pca-laplace": figures | {"log_likelihood": 120.0, "error": 0.25},
        "gsm-mixture": figures | {"log_likelihood": 150.0},
    }
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"protocol": "63 dimensions", "priors": table}))
    monkeypatch.setattr(laboratory, "FIGURES", path)
    code, out, _ = run("priors")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line and line[0] != " "]
    assert rows[1:-1] == [
        ["gaussian", "96.71", "-", "25.50", "26.04"],
        ["pca-laplace", "120.00", "0.25", "25.50", "-"],
        ["gsm", "-", "-", "-", "-"],
        ["gsm-mixture", "150.00", "-", "25.50", "-"],
        ["mixture", "-", "-", "-", "-"],
    ]
    assert "fastepll.priors.GaussianScaleMixture, fastepll/priors/gsm.py" in out
    assert "Gaussian scale mixture: one covariance at several scales." in out
    assert "fastepll.priors.GaussianMixture, fastepll/models/mixture.py" in out
    assert "63 dimensions" in out


def test_every_prior_is_listed(run):
    code, out, _ = run("priors")
    assert code == 0
    for kind, name in priors.KINDS.items():
        assert f"fastepll.priors.{name}, fastepll/priors/{kind.replace('-', '_')}.py" in out
