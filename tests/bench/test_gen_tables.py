"""The studies of tables and of messages: what they compute of data that are made here."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from fastepll.generative import JointTable

for library in ("matplotlib", "PIL", "sklearn"):
    pytest.importorskip(library)
STUDIES = Path(__file__).parents[2] / "bench" / "studies"
pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="no studies beside the tests")


@pytest.fixture
def study(monkeypatch):
    """Import from its folder, forget it, and give it a table and messages of two classes."""
    monkeypatch.syspath_prepend(str(STUDIES))
    tables = importlib.import_module("gen_tables")
    rng = np.random.default_rng(0)
    truth = JointTable((4,), levels=2, table=rng.dirichlet(np.ones(16)))
    spam = np.arange(600) % 4 // 3
    p = np.where(spam[:, None], [0.6, 0.1, 0.2, 0.5], [0.1, 0.4, 0.2, 0.1]).repeat(8, axis=1)
    x = (rng.random(p.shape) < p).astype(float)
    messages = importlib.import_module("gen_messages")
    monkeypatch.setattr(messages, "N_TEST", 200)
    monkeypatch.setattr(messages, "words", lambda: (x, spam, [f"w{k}" for k in range(32)]))
    monkeypatch.setattr(tables, "few_pixels", lambda: truth)
    yield importlib.import_module
    for path in (*STUDIES.glob("*.py"), *STUDIES.parent.glob("*.py")):
        sys.modules.pop(path.stem, None)


def test_curves_fall_and_cross_where_they_are_equal(study):
    messages = study("gen_messages")
    few, many = messages.learning_curves((12, 300), 4)
    assert many["bayes"] < few["bayes"] < 0.25
    assert many["logistic"] < few["logistic"] < 0.25
    assert few["difference"] == pytest.approx(few["logistic"] - few["bayes"])
    curve = [{"n": 10, "difference": 0.2}, {"n": 1000, "difference": -0.2}]
    assert messages.crossings(curve) == pytest.approx([100])


def test_missing_words_are_best_summed_out(study):
    whole, part = study("gen_messages").missing_words((0.0, 0.8), 300, 4)
    assert whole["bayes, summed out"] == whole["bayes, zeros"]
    assert part["bayes, summed out"] < min(part["bayes, zeros"], part["logistic, zeros"])


def test_anomalies_are_found(study):
    for row in study("gen_messages").anomalies(300, 2):
        assert row["spam"] > 0.8
        assert row["paired"] > 0.7


def test_bits_and_convergence(study):
    tables = study("gen_tables")
    for row in tables.divergences(2000):
        assert row["extra bits"] == pytest.approx(row["expected extra"], abs=0.02)
    assert tables.divergences(100)[0]["KL(truth, model)"] < 1e-25
    assert tables.convergence((50, 200, 800), 50)["slope"] == pytest.approx(-0.5, abs=0.1)
