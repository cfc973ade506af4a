"""The page of `--report` in headless Chromium: what is seen, and what moves it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fastepll.cli.report import Case, write_report

from .picture_files import CLEAN, imagecodecs


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, or skip."""
    webdriver = pytest.importorskip("selenium.webdriver")
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for one in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{one}")
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as started:
        yield started


def resize(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def seen(browser):
    """The pixels of the slider's picture on the screen, without labels and edges."""
    browser.execute_script("document.querySelector('.pair').scrollIntoView()")
    shot = browser.find_element("css selector", ".pair").screenshot_as_png
    return imagecodecs.png_decode(shot)[64:-4, :, 0].astype(int)


@pytest.fixture
def page(browser, tmp_path):
    """A dark picture before and a light one after, 256x256, shown twice as large."""
    before, after = np.full((256, 256), 0.2), np.full((256, 256), 0.8)
    write_report(str(tmp_path / "page.html"), [Case("dark to light", before, after)])
    resize(browser, 1280)
    browser.get((tmp_path / "page.html").as_uri())
    return browser.find_element("css selector", "input")


def share(browser):
    """The part of the picture that shows what was before, and that the rest shows what is after."""
    pixels = seen(browser)
    dark, light = np.abs(pixels - 51) < 3, np.abs(pixels - 204) < 3
    columns = dark.all(axis=0)
    assert (dark | light)[:, : columns.sum()].all()
    assert light[:, columns.sum() + 8 :].all()  # between them is the line with its shadow
    return columns.mean()


def test_slider_by_keyboard(browser, page):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    assert share(browser) == pytest.approx(0.5, abs=0.02)
    page.send_keys(keys.HOME)
    assert share(browser) < 0.02
    page.send_keys(keys.END)
    assert share(browser) > 0.98
    page.send_keys(*20 * [keys.ARROW_LEFT])  # half a percent each
    assert share(browser) == pytest.approx(0.9, abs=0.02)
    assert page.get_attribute("aria-valuetext") == "90 % before"


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_slider_by_pointer(browser, page, kind):
    actions = pytest.importorskip("selenium.webdriver.common.actions.action_builder")
    pointer = pytest.importorskip("selenium.webdriver.common.actions.pointer_input").PointerInput
    picture = browser.find_element("css selector", ".pair")
    drag = actions.ActionBuilder(browser, mouse=pointer(kind, kind))
    drag.pointer_action.move_to(picture, 0, 0).pointer_down().move_to(picture, 128, 5).pointer_up()
    drag.perform()
    assert share(browser) == pytest.approx(0.75, abs=0.02)
    assert float(page.get_attribute("value")) == pytest.approx(75, abs=1)


def test_page_fetches_nothing_and_is_labelled(browser, page):
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.accessible_name.startswith("Drag across the picture, or move this")
    assert browser.execute_script(
        "return [...document.images].every(one => one.alt && one.complete && one.naturalWidth)"
    )
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_the_screen(browser, tmp_path, width):
    name = 60 * "long" + ".png"
    cases = [
        Case(name, np.kron(CLEAN, np.ones((n, n))), np.kron(CLEAN, np.ones((n, n))), {"file": name})
        for n in (1, 20)
    ]
    write_report(str(tmp_path / "page.html"), cases, facts={"command": f"fastepll denoise {name}"})
    resize(browser, width)
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert (
        browser.execute_script(
            "return Math.max(...[...document.querySelectorAll('img, svg, input')]"
            ".map(one => one.getBoundingClientRect().right))"
        )
        <= width - 16
    )


def test_without_scripts_both_pictures_are_seen(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        shown = [
            browser.find_element("css selector", f".{name} img") for name in ("before", "after")
        ]
        left, right = (one.rect for one in shown)
        assert left["x"] + left["width"] <= right["x"] or left["y"] + left["height"] <= right["y"]
        assert not browser.find_element("css selector", "input").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
