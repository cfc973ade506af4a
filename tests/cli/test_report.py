"""The page of `--report`: what is in it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from fastepll.cli.pictures import PictureError
from fastepll.cli.report import MAX_CASES, Case, Page, write_report
from fastepll.cli.report.page import PIXELS

from ..scenes import rms
from .picture_files import (
    GRAY,
    PICTURES,
    files,
    imagecodecs,
    read_independently,
    tifffile,
    write_independently,
)


class Read(HTMLParser):
    """What a page holds: its pictures by name, its facts, its text, what it would fetch."""

    def __init__(self, path):
        super().__init__()
        self.pictures, self.facts, self.text, self.fetched, self.tag = {}, {}, [], [], None
        self.feed(path.read_text("utf-8"))
        self.close()
        self.text = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tag = tag
        if tag == "img":
            kind, data = known["src"].split(",")
            assert kind == "data:image/png;base64"
            pixels = imagecodecs.png_decode(base64.b64decode(data))
            assert pixels.shape[:2] == (int(known["height"]), int(known["width"]))
            self.pictures.setdefault(known["alt"], []).append(pixels)
        elif "src" in known or (known.get("href") or "#")[0] != "#":
            self.fetched.append(attributes)

    def handle_endtag(self, tag):
        self.tag = None

    def handle_data(self, data):
        if self.tag == "dt":
            self.name = data
        elif self.tag == "dd":
            self.facts.setdefault(self.name, []).append(data)
        if self.tag not in ("style", "script"):
            self.text.append(data)


def restore(run, tmp_path, task, picture, *options):
    """Restore a picture; the page, and the picture restored."""
    source, page = tmp_path / "in.tif", tmp_path / "page.html"
    write_independently(source, picture)
    code, _, err = run(task, source, tmp_path / "out.tif", "--report", page, *options)
    assert (code, err) == (0, "")
    return Read(page), read_independently(tmp_path / "out.tif")


@pytest.mark.parametrize("kind", ["gray 8", "gray 16", "rgb 8", "rgb 16"])
def test_pictures_on_the_page(run, tmp_path, kind):
    before = PICTURES[kind]
    step = np.iinfo(before.dtype).max
    page, after = restore(run, tmp_path, "denoise", before, "--sigma", 0.08 * step)
    for name, pixels in (("before", before), ("after", after)):
        np.testing.assert_array_equal(page.pictures[name][0], np.rint(pixels * (255 / step)))
    times = float(re.search(r"times (\d+|0\.5);", page.text)[1])
    change = after.astype(float) - before
    shown = page.pictures["difference"][0].astype(float)
    np.testing.assert_allclose(shown, (times * change / step * 255 + 127.5).clip(0, 255), atol=0.5)
    assert 0.25 < np.quantile(np.abs(shown - 127.5), 0.99) / 127.5 <= 1 + 1e-9
    assert f"Root mean square {rms(change):.4g}, largest {np.abs(change).max():.4g}" in page.text
    assert f"from 0 (left) to {step} (right)" in page.text
    assert page.fetched == []


def test_facts_on_the_page(run, tmp_path, prior_file):
    page, _ = restore(run, tmp_path, "denoise", PICTURES["gray 8"], "--threads", 1)
    assert re.fullmatch(r"\d+(\.\d+)? \(estimated\)", page.facts["sigma"][0])
    assert page.facts["quality"] == ["balanced"]
    assert page.facts["prior"] == [prior_file]
    assert re.fullmatch(r"\d+\.\d\d s", page.facts["time"][0])
    assert page.facts["restored"] == [f"{tmp_path}/out.tif, 56x40 gray, 8 bit"]
    assert "1 threads" in page.facts["machine"][0]
    assert page.facts["command"][0].startswith(f"fastepll denoise {tmp_path}/in.tif ")


def test_floats_are_shown_by_their_data_range(run, tmp_path):
    before = (2000 * GRAY).astype(np.float32)
    page, after = restore(run, tmp_path, "denoise", before, "--sigma", 160, "--data-range", 2000)
    np.testing.assert_array_equal(page.pictures["after"][0], np.rint(after * 255.0 / 2000))
    assert "from 0 (left) to 2000 (right)" in page.text


def test_larger_pictures_are_compared_with_enlarged_ones(run, tmp_path):
    before = PICTURES["gray 8"]
    page, after = restore(
        run, tmp_path, "super-resolve", before, "--factor", 2, "--quality", "fast"
    )
    np.testing.assert_array_equal(page.pictures["before"][0], np.kron(before, np.ones((2, 2))))
    np.testing.assert_array_equal(page.pictures["after"][0], after)
    assert "before enlarged 2 times" in page.text
    assert page.facts["factor"] == ["2"]


def test_unknown_pixels(tmp_path):
    before = np.where(np.arange(12).reshape(3, 4) == 5, np.nan, 0.25)
    write_report(str(tmp_path / "a.html"), [Case("holes", before, np.full((3, 4), 0.25))])
    page = Read(tmp_path / "a.html")
    assert page.pictures["before"][0][1].tolist() == [64, 0, 64, 64]
    assert "Root mean square 0, largest 0" in page.text


def test_histograms(tmp_path):
    before = np.repeat([0.0, 0.25, 0.5], [20, 60, 20]).reshape(10, 10)
    write_report(str(tmp_path / "a.html"), [Case("three values", before, np.full((10, 10), 0.75))])
    page = (tmp_path / "a.html").read_text("utf-8")
    found = [re.search(f'class="{name}" points="([^"]*)"', page)[1] for name in ("first", "second")]
    first, second = (np.array([p.split(",") for p in one.split()], float) for one in found)
    for points, wanted in ((first[1:-1], {0: 0.2, 32: 0.6, 64: 0.2}), (second, {96: 1.0})):
        heights = 100 - points.reshape(128, 2, 2)[:, :, 1]  # of both ends of each bin
        expected = np.zeros(128)
        expected[list(wanted)] = list(wanted.values())
        np.testing.assert_allclose(heights, 95 * np.stack([expected] * 2, 1), atol=0.1)


def test_the_same_pictures(tmp_path):
    write_report(str(tmp_path / "a.html"), [Case("same", GRAY, GRAY)])
    page = Read(tmp_path / "a.html")
    assert "Difference: none." in page.text
    assert (page.pictures["difference"][0] == 128).all()


def test_large_pictures_are_reduced(tmp_path):
    rng = np.random.default_rng(0)
    before = rng.random((1100, 2300))
    write_report(str(tmp_path / "a.html"), [Case("large", before, 1 - before)])
    page = Read(tmp_path / "a.html")
    whole, centre = page.pictures["before"]
    mean = before[:1098, :2298].reshape(366, 3, 766, 3).mean((1, 3))
    np.testing.assert_allclose(whole / 255, mean, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(centre, np.rint(before[294:806, 894:1406] * 255.0))
    assert "Shown at 1/3 of its width: each pixel is the mean of 3x3" in page.text
    assert "The 512x512 pixels at the centre, unreduced." in page.text
    write_report(str(tmp_path / "b.html"), 12 * [Case("large", before, 1 - before)])
    limit = 3 * 1.25 * PIXELS * 4 / 3  # three pictures and their centres, in base64
    assert (tmp_path / "b.html").stat().st_size < 1.02 * limit


def test_many_inputs_are_on_one_page(run, tmp_path, monkeypatch):
    monkeypatch.setattr("fastepll.cli.batch.MAX_CASES", 3)
    monkeypatch.setattr("fastepll.cli.report.command.MAX_CASES", 3)
    names = ["a.png", "<b> & 'c'.png", "bad.png", "last.png"]
    for name in names:
        write_independently(tmp_path / name, PICTURES["gray 8"])
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "out").mkdir()
    paths = [tmp_path / name for name in names]
    page = tmp_path / "page.html"
    code, _, err = run("denoise", *paths, tmp_path / "out", "--report", page, "--sigma", 20)
    assert (code, err.count("\n")) == (2, 1)
    found = Read(page)
    assert len(found.pictures["before"]) == 2
    assert found.facts["file"] == [str(path) for path in paths[:2]]
    assert found.facts["shown"] == ["the first 3 of 4 pictures"]
    assert "<b>" not in page.read_text("utf-8")


def test_names_that_cannot_be_written(run, tmp_path):
    source, page = tmp_path / "line\nbreak\udcff.png", tmp_path / "page.html"
    write_independently(source, PICTURES["gray 8"])
    assert run("denoise", source, tmp_path / "out.png", "--report", page)[0] == 0
    assert Read(page).facts["file"] == [f"{tmp_path}/line\\nbreak\\udcff.png"]


def test_some_frames_of_a_stack(run, tmp_path):
    frames = np.stack([PICTURES["gray 8"] // k for k in range(1, 7)])
    tifffile.imwrite(tmp_path / "in.tif", frames, photometric="minisblack")
    options = ("--stack", "--sigma", 20, "--report", tmp_path / "page.html")
    assert run("denoise", tmp_path / "in.tif", tmp_path / "out.tif", *options)[0] == 0
    page = Read(tmp_path / "page.html")
    np.testing.assert_array_equal(page.pictures["before"], frames[[0, 2, 5]])
    np.testing.assert_array_equal(
        page.pictures["after"], tifffile.imread(tmp_path / "out.tif")[[0, 2, 5]]
    )
    assert "in.tif, frame 3 of 6" in page.text


def test_nothing_is_computed_for_a_page_that_cannot_be_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr("fastepll.denoise", lambda *_, **__: pytest.fail("computed"))
    write_independently(tmp_path / "in.png", PICTURES["gray 8"])
    (tmp_path / "old.html").write_text("precious")
    before = files(tmp_path)
    for name, words in (
        ("old.html", "it exists"),
        ("a.png", "must end in .html"),
        ("no/a.html", ""),
    ):
        page = ("--report", tmp_path / name)
        code, out, err = run("denoise", tmp_path / "in.png", tmp_path / "out.png", *page)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert files(tmp_path) == before


def test_arguments_of_write_report(tmp_path):
    path = str(tmp_path / "a.html")
    for cases in ([], (MAX_CASES + 1) * [Case("a", GRAY, GRAY)]):
        with pytest.raises(ValueError, match=f"cases must be 1 to {MAX_CASES}, got {len(cases)}"):
            write_report(path, cases)
    with pytest.raises(ValueError, match="a: after must be a whole number of times larger"):
        write_report(path, [Case("a", GRAY, GRAY[1:])])
    write_report(path, [Case("a", GRAY, GRAY)], title="<T>", facts={"&": "<"})
    page = Read(tmp_path / "a.html")
    assert page.text.startswith("<T> ")
    assert page.facts["&"] == ["<"]
    with pytest.raises(PictureError, match="it exists"):
        Page(1).write(path, "", {}, overwrite=False)
