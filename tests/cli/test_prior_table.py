"""fastepll priors."""

from __future__ import annotations

import json

from fastepll import priors
from fastepll.cli import prior_table


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
    monkeypatch.setattr(prior_table, "FIGURES", path)
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
