"""Many files at a time: where they go, the bar, figures, and one bad file among good ones."""

from __future__ import annotations

import os
import re
import sys
import warnings

import numpy as np
import pytest

from fastepll.cli.bar import bar
from fastepll.cli.figure import side_by_side
from fastepll.cli.pictures import read_picture

from .picture_files import PICTURES, files, write_independently


@pytest.fixture
def inputs(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.tif", tmp_path / "c.png"]
    for path, name in zip(paths, ("gray 8", "rgb 16", "rgba 8"), strict=True):
        write_independently(path, PICTURES[name])
    return paths


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_many_files_go_into_a_folder(run, tmp_path, inputs, folder):
    code, out, err = run("denoise", *inputs, folder, "--sigma", 20, "--quality", "fast")
    assert (code, err) == (0, "")
    assert sorted(files(folder)) == ["a.png", "b.tif", "c.png"]
    assert out.count("\n") == 4
    assert "3 of 3 pictures, " in out
    for path in inputs:
        alone = tmp_path / f"alone{path.suffix}"
        options = ("--sigma", 20, "--quality", "fast", "--overwrite", "--quiet")
        assert run("denoise", path, alone, *options) == (0, "", "")
        assert alone.read_bytes() == (folder / path.name).read_bytes()


def test_one_file_goes_into_a_folder_too(run, inputs, folder):
    assert run("denoise", inputs[0], folder, "--sigma", 20)[0] == 0
    assert list(files(folder)) == ["a.png"]


def test_a_bad_file_does_not_stop_the_others(run, inputs, folder):
    inputs[1].write_text("no picture")
    code, out, err = run("denoise", *inputs, folder, "--sigma", 20)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"fastepll: error: cannot read {inputs[1]}")
    assert sorted(files(folder)) == ["a.png", "c.png"]
    assert "2 of 3 pictures, " in out
    code, _, err = run("denoise", *inputs, folder, "--sigma", -1, "--overwrite")
    assert (code, err.count("\n")) == (2, 3)
    assert f"{inputs[0]}: sigma must be >= 0" in err


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda a, b, out: [a, b, out / "missing"], "no such folder"),
        (lambda a, b, out: [a, b, a], "no such folder"),
        (lambda a, b, out: [a, out.parent / "more" / a.name, out], "twice"),
        (lambda a, b, out: [a, b, out, "--figure", out / "missing"], "no such folder"),
        (lambda a, b, out: [a, b, out, "--figure", out], "twice"),
        (lambda a, b, out: [a, out / "x.png", "--figure", out / "x.png"], "twice"),
        (lambda a, b, out: [a, b, out.parent], "it exists"),
        (lambda a, b, out: [a, out / "x.png", "--figure", out / "x"], "must end in"),
    ],
)
def test_nothing_is_computed_for_bad_names(run, inputs, folder, monkeypatch, make, text):
    monkeypatch.setattr("fastepll.denoise", lambda *_, **__: pytest.fail("computed"))
    before = files(folder.parent)
    code, out, err = run("denoise", *make(*inputs[:2], folder))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert files(folder) == {}
    assert files(folder.parent) == before


def test_figures_beside_the_results(run, tmp_path, inputs, folder):
    figures = tmp_path / "figures"
    figures.mkdir()
    code, _, _ = run("denoise", *inputs, folder, "--sigma", 20, "--figure", figures)
    assert code == 0
    assert sorted(files(figures)) == ["a.png", "b.png", "c.png"]
    for path in inputs:
        figure = read_picture(str(figures / f"{path.stem}.png")).pixels
        before, after = (read_picture(str(p)).pixels for p in (path, folder / path.name))
        assert figure.shape[:2] == (40, 2 * 56 + 8)
        scale = np.iinfo(before.dtype).max / 255
        np.testing.assert_array_equal(figure[:, :56], np.rint(before / scale))
        np.testing.assert_array_equal(figure[:, -56:], np.rint(after / scale))


def test_panels_of_every_kind():
    gray, mask = np.array([[0.0, np.nan], [0.5, 2.0]]), np.array([[True, False], [False, True]])
    colour = np.full((4, 4, 3), 65535, np.uint16)
    figure = side_by_side([gray, mask, colour], None)
    assert (figure.dtype, figure.shape) == (np.uint8, (4, 4 + 8 + 4 + 8 + 4, 3))
    assert figure[::2, :4:2, 0].tolist() == [[0, 0], [128, 255]]
    assert figure[::2, 12:16:2, 1].tolist() == [[255, 0], [0, 255]]
    assert (figure[:, 4:12] == 255).all()
    assert side_by_side([np.array([[1000.0]])], 2000.0).tolist() == [[128]]


def test_bar_over_many_files(run, inputs, folder, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    _, _, err = run("denoise", *inputs, folder, "--sigma", 20)
    drawn = [line.strip() for line in err.split("\r") if line.strip()]
    assert [
        sum(f"{k}/3 {path.name}" in line for line in drawn) > 0 for k, path in enumerate(inputs, 1)
    ] == [True] * 3
    assert re.search(r"^ *33%\|███.* left, 2/3 b\.tif$", "\n".join(drawn), re.M)
    assert max(map(len, drawn)) <= 100
    assert err.split("\r")[-2].strip() == ""  # cleared
    _, _, err = run("denoise", *inputs, folder, "--sigma", 20, "--overwrite", "--quiet")
    assert err == ""


def test_bar_moves(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar("folder/line\nbreak.png", 1, 4) as progress:
        for k in range(1, 5):
            progress(k / 4)
    drawn = [line.strip() for line in capsys.readouterr().err.split("\r") if line.strip()]
    assert [int(line.partition("%")[0]) for line in drawn] == [25, 31, 38, 44, 50]
    assert drawn[-1].endswith(", 2/4 line\\nbreak.png")


def test_names_that_a_terminal_cannot_show(tmp_path, prior_file, python, folder):
    names = ["Größe.png", "line\nbreak.png", os.fsdecode(b"\xff.png"), "plain.png"]
    for name in names:
        write_independently(tmp_path / name, PICTURES["gray 8"])
    (tmp_path / names[1]).write_text("no picture")
    paths = [str(tmp_path / name) for name in names]
    code = (
        "import sys; from fastepll import cli; sys.stderr = sys.stdout; "
        f"sys.exit(cli.main(['denoise', *{paths!a}, {str(folder)!r}, '--model', {prior_file!r}]))"
    )
    out, _ = python(code, PYTHONIOENCODING="ascii").communicate()
    assert sorted(files(folder)) == sorted([names[0], *names[2:]])
    lines = out.splitlines()
    assert len(lines) == 5
    assert [
        f"/{name}: " in line
        for name, line in zip(
            ("Gr\\xf6\\xdfe.png", "line\\nbreak.png", "\\udcff.png", "plain.png"),
            lines,
            strict=False,
        )
    ] == [True] * 4
    assert "3 of 4 pictures" in lines[-1]


def test_what_the_library_warns_of_is_one_line_for_each_file(run, inputs, folder, monkeypatch):
    def denoise(image, *_, **__):
        for _ in range(2):
            warnings.warn("data_range is taken\nto be 65535", UserWarning, stacklevel=2)
        warnings.warn("not for users", DeprecationWarning, stacklevel=2)
        return image

    monkeypatch.setattr("fastepll.denoise", denoise)
    code, out, err = run("denoise", *inputs, folder, "--quiet")
    assert (code, out) == (0, "")
    told = "data_range is taken to be 65535"
    assert err == "".join(f"fastepll: warning: {path}: {told}\n" for path in inputs)


@pytest.mark.parametrize("value", ["auto", "1000"])
def test_data_range_reaches_the_library(run, inputs, folder, monkeypatch, value):
    given = []
    for name in ("denoise", "estimate_sigma"):

        def call(image, *_, name=name, data_range, **__):
            given.append((name, data_range))
            return image if name == "denoise" else 1.0

        monkeypatch.setattr(f"fastepll.{name}", call)
    figure = ("--figure", folder / "figure.png")
    target = folder / "out.png"
    assert run("denoise", inputs[0], target, "--data-range", value, *figure)[0] == 0
    wanted = value if value == "auto" else 1000.0
    assert sorted(given) == [("denoise", wanted), ("estimate_sigma", wanted)]
    with pytest.raises(SystemExit, match="2"):
        run("denoise", inputs[0], target, "--data-range", "wide")
