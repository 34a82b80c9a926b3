"""The studio in a real browser: what is drawn is what is kept, whatever happens to either."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import CONF_DIR
from outtake.studio.project import Project
from tests.programs.test_pages_in_browser import BROWSER, browser  # noqa: F401

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="the extra studio is not installed")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")

SIZE, FRAMES = (180, 320), 6
SCRIPT = CONF_DIR.parent / "studio.py"
SHOTS = os.environ.get("OUTTAKE_SHOTS")


class Studio:
    """A process of the studio, and pages of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, "clip", "project=project", "open=false"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(CONF_DIR.parent / "src")},
        )  # fmt: skip
        assert self.process.stdout
        said = self.process.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, said + self.process.communicate(timeout=30)[1]
        self.address = found[0]
        self.errors: list[str] = []
        self.requests: list[str] = []

    def open(self, chromium, scheme="light"):
        page = chromium.new_page(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
        page.set_default_timeout(20_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.goto(self.address)
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        return page

    def mask(self, number=0):
        path = self.folder / f"project/train/masks/{number:06d}.png"
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def state(page):
    return page.evaluate("studio.state()")


def wait_until_saved(page):
    # wait_for_function compiles text, which the policy of the page forbids.
    for _ in range(200):
        found = state(page)
        if not found["waiting"] and found["saved"] and found["saved"]["crc32"] == found["crc32"]:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def place(page, x, y):
    """Return where a pixel of the frame is on the screen."""
    view, box = state(page)["view"], page.locator("#canvas").bounding_box()
    return (box["x"] + view["x"] + (x + 0.5) * view["scale"],
            box["y"] + view["y"] + (y + 0.5) * view["scale"])  # fmt: skip


def drag(page, *points, button="left"):
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down(button=button)
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=6)
    page.mouse.up(button=button)


@pytest.fixture
def studio(tmp_path):
    (tmp_path / "clip").mkdir()
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 130, (12, 20, 3)).astype(np.uint8), SIZE[::-1])
    for number in range(FRAMES):
        picture = noise.copy()
        cv2.circle(picture, (100 + 20 * number, 90), 40, (220, 40, 40), cv2.FILLED)
        Image.fromarray(picture).save(tmp_path / "clip" / f"{number}.png")
    started = Studio(tmp_path)
    yield started
    started.process.kill()
    started.process.communicate()


def test_labels_are_drawn_undone_saved_and_read_again(studio, browser):  # noqa: F811
    page = studio.open(browser)
    drag(page, (70, 60), (130, 60), (130, 120))
    drag(page, (20, 20), (200, 20), button="right")
    first = wait_until_saved(page)
    found = studio.mask()
    assert [(found == each).sum() for each in (0, 1, 255)] == first["counts"]
    assert min(first["counts"]) > 500

    page.keyboard.press("l")
    drag(page, (60, 70), (140, 70), (140, 130), (60, 130))
    page.keyboard.press("f")
    page.mouse.click(*place(page, 300, 170), button="right")
    page.keyboard.press("r")
    page.wait_for_timeout(600)
    drag(page, (100, 90), (125, 95))
    page.keyboard.press("e")
    drag(page, (10, 170), (60, 170))
    page.keyboard.press("b")
    last = wait_until_saved(page)
    assert last["crc32"] != first["crc32"]
    assert [(studio.mask() == each).sum() for each in (0, 1, 255)] == last["counts"]
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/mark_light.png")

    for _ in range(4):
        page.keyboard.press("Control+z")
    assert wait_until_saved(page)["crc32"] == first["crc32"]
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    assert state(page)["crc32"] == first["crc32"]
    for _ in range(4):
        page.keyboard.press("Control+Shift+z")
    assert wait_until_saved(page)["crc32"] == last["crc32"]

    page.mouse.move(*place(page, 200, 50))
    x, y = place(page, 200, 50)
    before = page.evaluate("([x, y]) => studio.locate(x, y)", [x, y])
    page.mouse.wheel(0, -600)
    after = page.evaluate("([x, y]) => studio.locate(x, y)", [x, y])
    assert np.abs(np.subtract(before, after)).max() < 0.5
    assert sorted(last["dabs"])[int(len(last["dabs"]) * 0.95)] < 50

    page.keyboard.press("Control+0")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert state(page)["frame"] == FRAMES - 1
    assert studio.errors == []
    own = studio.address.partition("?")[0]
    assert all(url.startswith((own, "blob:", "data:")) for url in studio.requests)
    page.close()


def test_two_tabs_and_a_server_that_is_killed(studio, browser):  # noqa: F811
    page, other = studio.open(browser), studio.open(browser, "dark")
    drag(page, (70, 60), (130, 60))
    wait_until_saved(page)
    drag(other, (70, 90), (130, 90))
    other.wait_for_selector("#banner:not([hidden])")
    assert "changed elsewhere" in other.locator("#banner").inner_text()
    other.wait_for_timeout(500)
    assert state(other)["crc32"] == state(page)["crc32"]
    drag(other, (70, 90), (130, 90))
    kept = wait_until_saved(other)
    other.keyboard.press("d")
    other.wait_for_timeout(300)
    drag(other, (150, 60), (160, 110))
    other.keyboard.press("b")
    drag(other, (20, 20), (300, 20), button="right")
    wait_until_saved(other)
    other.keyboard.press("w")
    other.wait_for_selector("#offer:not([hidden])")
    if SHOTS:
        other.screenshot(path=f"{SHOTS}/offer_dark.png")
    other.keyboard.press("Enter")
    full = wait_until_saved(other)
    assert full["counts"][2] == 0 and studio.errors[0].count("412") == 1

    other.keyboard.press("Home")
    other.wait_for_timeout(300)
    other.mouse.move(*place(other, 20, 150))
    other.mouse.down()
    other.mouse.move(*place(other, 200, 150), steps=10)
    other.wait_for_timeout(500)
    drawn = state(other)["counts"]
    other.mouse.move(*place(other, 215, 150), steps=3)
    studio.process.send_signal(signal.SIGKILL)
    studio.process.wait()
    with Project(studio.folder / "project") as project:
        labels = project.labels[0].labels
    assert (labels == 1).sum() >= drawn[1] > kept["counts"][1]
    record = json.loads((studio.folder / "project/project.json").read_text())
    assert record["frames"] == FRAMES and record["classes"] == ["background", "object"]
    page.close()
    other.close()
