"""The command line's mistakes: told in one line, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastepll
from fastepll import cli

from .picture_files import PICTURES, PIL, files, tifffile, write_independently


def make_bad_files(folder: Path) -> None:
    good = {suffix: folder / f"good{suffix}" for suffix in (".png", ".tif")}
    for path in good.values():
        write_independently(path, PICTURES["rgb 16"])
    PIL.fromarray(PICTURES["rgb 8"]).save(folder / "good.jpg")
    for name in ("good.png", "good.tif", "good.jpg"):
        data = (folder / name).read_bytes()
        for length in (5, 30, 300, len(data) // 2):
            (folder / f"cut{length}-{name}").write_bytes(data[:length])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir()
    PIL.fromarray(PICTURES["rgb 8"]).convert("CMYK").save(folder / "cmyk.jpg")
    PIL.fromarray(PICTURES["rgb 8"]).save(folder / "other.bmp")
    tifffile.imwrite(folder / "stack.tif", np.zeros((3, 40, 40), "u1"), photometric="minisblack")
    tifffile.imwrite(folder / "integers.tif", np.zeros((40, 40), "i4"))
    tifffile.imwrite(folder / "nan.tif", np.full((40, 40), np.nan, "f4"))
    tifffile.imwrite(folder / "complex.tif", np.zeros((40, 40), "c8"))
    write_independently(folder / "tiny.png", np.zeros((5, 40), np.uint8))


def test_bad_files(run, tmp_path):
    make_bad_files(tmp_path)
    bad = [path for path in tmp_path.iterdir() if path.suffix != ".npz"]
    bad = [path for path in bad if not path.name.startswith("good")] + [tmp_path / "missing.png"]
    assert len(bad) == 23
    before = files(tmp_path)
    for path in bad:
        code, out, err = run("denoise", path, tmp_path / "out.tif")
        assert (code, out, err.count("\n")) == (2, "", 1), path
        assert err.startswith("fastepll: error: "), path
        assert str(path) in err or "image must" in err, path
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("missing/out.png", "no folder"),
        ("out.bmp", "must end in"),
        ("out", "must end in"),
        ("folder", "it is a folder"),
        ("missing/", "no folder"),
        ("out.jpg", "JPEG cannot hold 56x40 RGB, 16 bit"),
    ],
)
def test_bad_outputs(run, tmp_path, monkeypatch, output, text):
    monkeypatch.setattr(fastepll, "denoise", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "folder" / "in.png").mkdir(parents=True)
    write_independently(tmp_path / "in.png", PICTURES["rgb 16"])
    code, _, err = run("denoise", tmp_path / "in.png", f"{tmp_path}/{output}")
    assert (code, err.count("\n")) == (2, 1)
    assert text in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--sigma", -1], "sigma must be >= 0"),
        (["--sigma", 1e9], "sigma must be at most"),
        (["--threads", 0], "n_threads must be in"),
        (["--model", "nothing.npz"], "nothing.npz"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_bad_options(prior_file, tmp_path, capsys, arguments, text):
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    options = [] if "--model" in arguments else ["--model", prior_file]
    paths = [str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert cli.main(["denoise", *paths, *options, *map(str, arguments)]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("argv", [[], ["polish"], ["denoise"], ["demo", "--sigma", "x"]])
def test_usage_errors(argv, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)
    assert "usage: fastepll" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["fastepll.denoise", "fastepll.cli.pictures.files.os.replace"])
def test_interrupt_leaves_nothing(run, tmp_path, monkeypatch, stage):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    before = files(tmp_path)
    monkeypatch.setattr(stage, interrupt)
    assert run("denoise", tmp_path / "in.png", tmp_path / "out.png")[0] == 130
    assert files(tmp_path) == before


def test_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    before = files(tmp_path)
    monkeypatch.setattr("fastepll.cli.pictures.files.os.replace", fail)
    code, _, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "No space left on device" in err
    assert files(tmp_path) == before
