"""The whole way in a real browser: mark, train, check, remove, with reloads in between."""

from __future__ import annotations

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.studio.strokes import find_runs
from outtake.video.read.clip import open_clip
from tests.programs.studio_page import SHOTS, Studio, drag, place, wait_for_job, wait_until_saved

SIZE, FRAMES, RADIUS = (120, 160), 8, 12
# The network is stopped before it has learned anything: most frames go by their labels.
LABELLED = (0, 1, 2, 4, 5, 6, 7)
SEND = """([number, revision, actions]) => fetch(`/api/frames/${number}/strokes`, {method: 'POST',
    body: JSON.stringify({revision, actions}), headers: {'Content-Type': 'application/json'},
}).then((answer) => answer.status)"""


def background():
    noise = np.random.default_rng(0).integers(0, 130, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def disc(number, radius=RADIUS):
    return cv2.circle(np.zeros(SIZE, np.uint8), (20 + 17 * number, 60), radius, 1, cv2.FILLED)


@pytest.fixture
def studio(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(FRAMES):
        picture = background()
        picture[disc(number) == 1] = (230, 50, 40)
        Image.fromarray(picture).save(tmp_path / "clip" / f"{number}.png")
    started = Studio(tmp_path)
    yield started
    started.end()


def reload(page):
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", state="attached")


def mark(page, studio):
    page.keyboard.press("l")
    angles = np.linspace(0, 2 * np.pi, 13)
    drag(page, *((20 + RADIUS * np.cos(a), 60 + RADIUS * np.sin(a)) for a in angles))
    page.keyboard.press("f")
    page.mouse.click(*place(page, 150, 10), button="right")
    found = wait_until_saved(page)
    assert found["counts"][2] == 0 and 300 < found["counts"][1] < 500
    for number in LABELLED[1:]:
        parts = find_runs(disc(number), np.full(SIZE, 255, np.uint8))
        action = {"stroke": 0, "tool": "pixels", "by": "watershed", "parts": parts}
        assert page.evaluate(SEND, [number, 0, [action]]) == 200


@pytest.mark.slow
def test_mark_train_check_remove(studio, browser):
    page = studio.open(browser)
    mark(page, studio)
    reload(page)

    page.click("#tab-train")
    page.evaluate("document.getElementById('minutes').value = 30")
    page.click("#train")
    while "step" not in (said := page.locator("#job-state").inner_text()):
        assert "Failed" not in said, said
        page.wait_for_timeout(100)
    page.click("#cancel")
    job = wait_for_job(page, "train")
    assert job["state"] == "cancelled" and job["weights"]
    assert "The last weights are kept" in page.locator("#job-state").inner_text()

    reload(page)
    page.click("#tab-check")
    page.click("#suggest")
    job = wait_for_job(page, "suggest")
    assert job["state"] == "finished", job["message"]
    said = json.loads((studio.folder / "project/suggestions.json").read_text())
    assert len(said["frames"]) == FRAMES and said["labelled"] == list(LABELLED)
    progress = (studio.folder / "project/logs/suggest.progress").read_text().splitlines()
    assert json.loads(progress[-1])["done"] == FRAMES

    page.click("#tab-remove")
    page.locator("#dilate").fill("25")
    page.click("#remove")
    job = wait_for_job(page, "remove")
    assert job["state"] == "finished", job["message"]
    assert "mask.dilate=0.025" in job["command"] and "remover=clean_plate" in job["command"]

    reload(page)
    page.click("#tab-remove")
    assert page.locator("#dilate").input_value() == "25"
    assert f"{FRAMES} frames, " in page.locator("#clean-result").inner_text()
    look_at_the_result(page, studio)
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/remove_light.png")
    assert studio.errors == []
    page.close()


def look_at_the_result(page, studio):
    with open_clip(studio.folder / "project/results/clean.mp4") as clip:
        shown = list(clip)
    assert [frame.pts * frame.time_base for frame in shown] == [
        Fraction(number, 25) for number in range(FRAMES)
    ]
    for number in LABELLED:
        apart = np.abs(shown[number].image.astype(int) - background()).mean(axis=2)
        assert apart[disc(number) == 1].mean() < 12, "the disc is there still"
        assert apart.mean() < 5, "what lies around it has changed"

    answer = page.evaluate(
        "fetch('/api/result', {headers: {Range: 'bytes=4-7'}}).then(async (a) =>"
        " [a.status, await a.text()])"
    )
    assert answer == [206, "ftyp"]
    page.click("#open-export")
    page.wait_for_selector("#export-clean-mp4[href]")
    page.keyboard.press("Escape")
    page.click("#look-clean")
    page.wait_for_selector("#comparison[open]")
    pixels = """(share) => {
      const canvas = document.querySelector('#comparison canvas');
      const wipe = document.getElementById('wipe');
      wipe.value = share; wipe.dispatchEvent(new Event('input'));
      return [...canvas.getContext('2d').getImageData(20, 60, 1, 1).data].slice(0, 3);
    }"""
    page.wait_for_selector("#comparison output:not(:empty)")
    assert np.abs(np.subtract(page.evaluate(pixels, 1000), (230, 50, 40))).max() < 40
    assert np.abs(np.subtract(page.evaluate(pixels, 0), background()[60, 20])).max() < 40
    assert "frame 0" in page.locator("#comparison output").inner_text()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/comparison_light.png")
    page.keyboard.press("Escape")
