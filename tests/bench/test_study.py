"""bench/study.py: which studies there are, and that it runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "bench" / "study.py"
pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="no studies beside the tests")


@pytest.fixture
def study(tmp_path):
    """Run a copy of it beside two studies and a file that is none; exit code, output, errors."""
    folder = tmp_path / "bench" / "studies"
    folder.mkdir(parents=True)
    (folder.parent / "study.py").write_bytes(RUNNER.read_bytes())
    (folder / "leaves.py").write_text(
        '"""Dead leaves: ``python bench/studies/leaves.py``."""\n'
        "import sys, shared\n"
        "def main(argv=None):\n"
        "    return shared.CODE if sys.argv[1:] == ['--quick'] else 0\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(main())\n"
    )
    (folder / "samples.py").write_text('"""Samples of ``x``."""\ndef main(argv=None): ...\n')
    (folder / "shared.py").write_text("CODE = 3\n")

    def run(*arguments):
        command = [sys.executable, str(folder.parent / "study.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_runs_with_its_options(study):
    assert study("leaves") == (0, "", "")
    assert study("leaves", "--quick") == (3, "", "")


def test_lists_what_there_is(study):
    code, out, _ = study()
    assert code == 0
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        ["leaves", "Dead leaves"],
        ["samples", "Samples of"],
    ]


def test_unknown(study):
    code, _, err = study("shared")
    assert code == 2
    assert "no study 'shared'; there are leaves, samples" in err
