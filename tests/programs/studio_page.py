"""What tests of the studio in a browser share: a studio that runs, and hands on its page."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.config.compose import CONF_DIR

SIZE, FRAMES = (180, 320), 6
SHOTS = os.environ.get("OUTTAKE_SHOTS")
"""A folder for pictures of the pages, for whoever wants to look at them."""


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


class Studio:
    """A process of the studio, and pages of it.

    Args:
        folder: The working folder, which gets the folder ``project``.
        source: The clip in it; None for one that is chosen in the page.
        overrides: Further ``key=value`` of ``outtake studio``.
    """

    def __init__(
        self, folder: Path, source: str | None = "clip", overrides: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        named = [] if source is None else [source, "project=project"]
        environment = os.environ | {"PYTHONPATH": str(CONF_DIR.parent / "src")}
        given = [*named, "open=false", *overrides]
        printed = Path(tempfile.mkdtemp(dir=folder.parent)) / "printed"
        self.process = ForkedProgram("studio", given, folder, printed, environment)
        until, said = time.monotonic() + 60, printed / "stdout"
        while not (found := re.search(r"http://\S+(?= .*\n)", _read(said))):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(self.process.finish(0.0))
            time.sleep(0.01)
        self.address = found[0]
        self.errors: list[str] = []
        self.requests: list[str] = []

    def open(self, chromium, scheme="light", size=(1280, 860), until="ready"):
        viewport = {"width": size[0], "height": size[1]}
        return self.show(chromium.new_page(viewport=viewport, color_scheme=scheme), until)

    def show(self, page, until="ready"):
        """Show the studio in a page that is open, as a tab beside others is."""
        page.set_default_timeout(20_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.goto(self.address)
        page.wait_for_selector(f"html[data-{until}=yes]", state="attached")
        return page

    def end(self) -> None:
        """Kill the studio."""
        self.process.kill()

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


def wait_for_job(page, kind, limit_s=300):
    """Return the job of a kind once it has ended, as the page was told of it."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        job = page.evaluate("fetch('/api/project').then((r) => r.json()).then((p) => p.job)")
        if job and job["kind"] == kind and job["state"] != "running":
            while page.locator("#cancel").is_visible():  # the page hears of it a little later
                time.sleep(0.05)
            return job
        time.sleep(0.1)
    raise AssertionError(job)


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
