"""What the study of latent variables measures, on models where it is known."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from ..generative.latent.affine import affine

pytest.importorskip("torch")
STUDIES = Path(__file__).parents[2] / "bench" / "studies"
pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="no studies beside the tests")


@pytest.fixture
def study(monkeypatch):
    """Import the study, and forget it and what it imported."""
    monkeypatch.syspath_prepend(str(STUDIES))
    yield importlib.import_module("gen_latent")
    for name in ("gen_latent", "digits", "measures", "protocol"):
        sys.modules.pop(name, None)


def test_gap_is_that_of_the_closed_form(study):
    vae, pca = affine(off=0.12)
    patches = vae.sample(30, rng=0)
    exact = pca.log_prob(patches @ vae.basis).mean()
    elbo = pca.elbo(patches @ vae.basis, lambda rows: vae.encode(patches)).values
    found = study.encoder_gap(vae, patches, n_chains=20, n_steps=10, n_samples=2000)
    assert found["log p"] == pytest.approx(exact, abs=4 * found["error"] + 0.01)
    assert found["bound"] == pytest.approx(exact, abs=4 * found["error of bound"] + 0.05)
    assert found["gap"] == pytest.approx(exact - elbo.mean(), abs=0.1)
    assert exact - elbo.mean() > 0.2
    terms = study.elbo_terms(vae, patches, n_samples=2000)
    assert terms["elbo"] == pytest.approx(elbo.mean(), abs=0.1)
    assert terms["reconstruction"] - terms["divergence"] == pytest.approx(terms["elbo"])


def test_collapse_counts_the_units_in_use(study):
    vae, _ = affine()
    given = vae.parameters()
    given["encoder__last__weight"] = given["encoder__last__weight"].copy()
    given["encoder__last__weight"][1] = 0
    given["encoder__last__bias"] = np.zeros(4)
    deaf = type(vae)((2, 3), **given)
    found = study.collapse(deaf, vae.sample(500, rng=1))
    assert (found["active"], found["of"]) == (1, 2)
    assert found["variances"][1] == 0
    assert found["divergences"][1] == pytest.approx(0, abs=1e-9)
    assert found["divergences"][0] == pytest.approx(found["variances"][0] / 2, rel=0.1)


def test_the_score_has_more_variance(study):
    vae, _ = affine(off=0.12)
    found = study.gradient_variances(vae, vae.sample(20, rng=2), repeats=20)
    assert found["score"] > 3 * found["reparameterisation"] > 0


def test_lines_of_latent_variables(study):
    vae, pca = affine()
    x, y = vae.sample(2, rng=3)[:, None]
    moved = study.traversals(vae, x, [1], reach=2.0, steps=3)
    np.testing.assert_allclose(
        moved[0, 2] - moved[0, 0], vae.basis @ (4 * pca.factors[:, 1]), atol=1e-6
    )
    between = study.interpolations(vae, x, y, steps=3)
    ends = vae.decode(vae.represent([x[0], y[0]]))
    np.testing.assert_allclose(between[0], [ends[0], ends.mean(0), ends[1]], atol=1e-6)


def test_errors_of_marginal_likelihoods(study):
    rows = study.marginal_variances((1, 8), (10, 300), n=5, repeats=5)
    at = {(row["latents"], row["method"], row["samples"]): row for row in rows}
    assert len(at) == 12
    assert abs(at[1, "encoder", 10]["bias"]) < 1e-9  # the posterior itself
    assert at[8, "prior", 300]["bias"] < -20
    assert abs(at[8, "encoder", 300]["bias"]) < 0.2
    for method in ("prior", "encoder", "annealing"):
        assert at[8, method, 300]["bias"] > at[8, method, 10]["bias"]
    assert at[8, "annealing", 300]["bias"] > at[8, "prior", 300]["bias"] + 15
