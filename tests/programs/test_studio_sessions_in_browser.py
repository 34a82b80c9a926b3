"""A page whose project is no longer open, or whose studio was started anew, loses no stroke."""

from __future__ import annotations

import re
import time

import cv2
import numpy as np
import pytest

from tests.programs.studio_page import SHOTS, SIZE, Studio, drag, state, wait_until_saved

# What is asked before a project is known, or of none.
LASTING = ("/api/open", "/api/recent", "/api/files", "/api/project")
AGAIN = "#elsewhere button:has-text('again')"


@pytest.fixture
def tabs(browser):
    """Whose tabs share their cookies, as those of one person do."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context
    context.close()


@pytest.fixture
def home(tmp_path):
    for shade, folder in enumerate(("walk", "beach")):
        (tmp_path / folder).mkdir()
        for number in range(2):
            picture = np.full((*SIZE, 3), 90 * shade, np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), picture)
    return tmp_path


def choose(page, name):
    page.click(f"#open .entries button:has-text('{name}')")
    page.wait_for_selector("html[data-ready=yes]", state="attached")


def masks(home, project):
    return sorted(path.name for path in (home / f"{project}.outtake/train/masks").glob("*.png"))


def wait_for_line(page, selector, words):
    until = time.monotonic() + 20
    while words not in (said := page.locator(selector).text_content()):
        assert time.monotonic() < until, said
        page.wait_for_timeout(50)


def test_a_page_does_not_draw_into_a_project_that_another_page_has_opened(home, tabs):
    studio = Studio(home, source=None)
    try:
        page = studio.show(tabs.new_page(), "choosing")
        asked = []
        page.on("request", lambda request: asked.append(request))
        choose(page, "walk")
        drag(page, (70, 60), (130, 60))
        wait_until_saved(page)
        page.click("#open-export")
        page.wait_for_selector("#export[open]")
        page.keyboard.press("Escape")
        named = {each.url: each.headers for each in asked if "/api/" in each.url}
        assert len(named) > 6
        for url, headers in named.items():
            told = "x-outtake-session" in headers or "session=" in url
            assert told or any(each in url for each in LASTING), url

        other = studio.show(tabs.new_page())
        other.click("#open-clip")
        other.evaluate("delete document.documentElement.dataset.ready")
        choose(other, "beach")
        # The page hears of it before anything is done in it.
        wait_for_line(page, "#elsewhere", "walk.outtake, which this page shows, is not open")
        page.bring_to_front()
        drag(page, (70, 120), (130, 120))
        wait_for_line(page, "#banner", "kept here")
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/elsewhere_light.png")
        kept = state(page)
        assert kept["waiting"] and masks(home, "beach") == [] and masks(home, "walk")
        page.click(AGAIN)
        assert wait_until_saved(page)["crc32"] == kept["crc32"]
        assert page.locator("#elsewhere").is_hidden() and page.locator("#banner").is_hidden()
        mask = cv2.imread(str(home / "walk.outtake/train/masks/000000.png"), cv2.IMREAD_UNCHANGED)
        assert [(mask == each).sum() for each in (0, 1, 255)] == kept["counts"]
        # Now it is the other page that shows a project of before.
        wait_for_line(other, "#elsewhere", "beach.outtake, which this page shows, is not open")
        assert masks(home, "beach") == []
        assert [each for each in studio.errors if "412" not in each and "409" not in each] == []
    finally:
        studio.end()


def test_strokes_wait_for_a_studio_that_is_started_anew(home, tabs):
    studio = Studio(home, None, ["walk"])
    page = studio.show(tabs.new_page())
    drag(page, (70, 60), (130, 60))
    wait_until_saved(page)
    studio.end()
    port = re.search(r":(\d+)/", studio.address)[1]
    again = Studio(home, None, ["walk", f"port={port}"])
    try:
        drag(page, (70, 120), (130, 120))
        kept = state(page)
        wait_for_line(page, "#elsewhere", "Open the address that it has printed")
        wait_for_line(page, "#banner", "kept here")
        assert state(page)["waiting"]
        again.show(tabs.new_page())
        page.bring_to_front()
        # The new token lets the page in, and does not yet say that it shows what is open.
        wait_for_line(page, "#elsewhere", "is not open any more")
        page.click(AGAIN)
        assert wait_until_saved(page)["crc32"] == kept["crc32"]
        assert page.locator("#elsewhere").is_hidden()
        mask = cv2.imread(str(home / "walk.outtake/train/masks/000000.png"), cv2.IMREAD_UNCHANGED)
        assert [(mask == each).sum() for each in (0, 1, 255)] == kept["counts"]
    finally:
        again.end()
