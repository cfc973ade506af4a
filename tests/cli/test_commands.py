"""The command line: what it says, and the commands that restore nothing of the user's."""

from __future__ import annotations

import re
import sys
from typing import get_args

import numpy as np
import pytest

import fastepll
from fastepll import cli
from fastepll.cli import demo
from fastepll.cli.pictures import read_picture
from fastepll.typing import Quality

from ..scenes import rms
from .picture_files import (
    CLEAN,
    GRAY,
    PICTURES,
    files,
    read_independently,
    write_independently,
)


def test_reports_and_keeps_quiet(run, tmp_path):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    code, out, err = run("denoise", tmp_path / "in.png", tmp_path / "a.png", "--threads", 1)
    assert (code, err) == (0, "")  # no terminal: no bar
    assert "56x40 gray, 8 bit; sigma 2" in out
    assert "(estimated)" in out
    assert "1 threads" in out
    result = run("denoise", tmp_path / "in.png", tmp_path / "b.png", "--quiet")
    assert result == (0, "", "")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_quality(run, tmp_path, prior_file):
    source = tmp_path / "in.png"
    write_independently(source, PICTURES["gray 8"])
    for quality in get_args(Quality):
        target = tmp_path / f"{quality}.png"
        assert run("denoise", source, target, "--sigma", 20, "--quality", quality)[0] == 0
        expected = fastepll.denoise(PICTURES["gray 8"], 20, model=prior_file, quality=quality)
        np.testing.assert_array_equal(read_independently(target), expected)
    assert run("denoise", source, tmp_path / "out.png", "--sigma", 20)[0] == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "balanced.png").read_bytes()


def test_overwrites_only_when_told(run, tmp_path):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    (tmp_path / "out.png").write_text("precious")
    before = files(tmp_path)
    code, out, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "it exists" in err
    assert files(tmp_path) == before
    assert run("denoise", tmp_path / "in.png", tmp_path / "out.png", "--overwrite")[0] == 0
    assert set(files(tmp_path)) == set(before)
    assert read_picture(str(tmp_path / "out.png")).pixels.shape == (40, 56)


def test_in_place(run, tmp_path):
    path = tmp_path / "in.png"
    write_independently(path, PICTURES["gray 8"])
    (tmp_path / "link.png").symlink_to(path)
    assert run("denoise", path, tmp_path / "link.png", "--overwrite")[0] == 0
    assert (tmp_path / "link.png").is_symlink()
    assert rms(read_independently(path) / 255 - CLEAN) < 0.5 * rms(GRAY - CLEAN)


def test_bar_on_a_terminal(run, tmp_path, monkeypatch):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    drawn = [line.strip() for line in err.split("\r")]
    assert drawn[1].startswith("0%|")
    assert drawn[-1] == ""  # cleared
    _, _, err = run("denoise", tmp_path / "in.png", tmp_path / "b.png", "--quiet")
    assert err == ""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    code, _, err = run("denoise", tmp_path / "in.png", tmp_path / "c.png")
    assert (code, err) == (0, "")


def test_demo(run, tmp_path):
    target = tmp_path / "demo.png"
    code, out, _ = run("demo", "--out", target, "--sigma", 25)
    assert code == 0
    noisy_db, restored_db = map(float, re.findall(r"(\d+\.\d+) dB", out))
    assert noisy_db == pytest.approx(20.5, abs=0.3)
    assert restored_db > 26
    panels = read_picture(str(target)).pixels
    assert (panels.shape, panels.dtype) == ((512, 3 * 512 + 16), np.uint8)
    clean, restored = panels[:, :512] / 255, panels[:, -512:] / 255
    assert -20 * np.log10(rms(restored - clean)) == pytest.approx(restored_db, abs=0.05)
    assert run("demo", "--out", target)[0] == 2


def test_photograph_of_the_demo():
    camera = pytest.importorskip("skimage.data").camera
    np.testing.assert_array_equal(demo.photograph(), camera())


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    assert "backend:" in out
    assert all(name in out.partition("models:")[2] for name in fastepll.list_models())
    assert "(8, 8), LicenseRef-BSDS-NonCommercial" in out


def test_train_without_torch(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "fastepll.train.api", raising=False)
    code, _, err = run("train", tmp_path, tmp_path / "prior.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'fastepll[train]'" in err


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == fastepll.__version__
