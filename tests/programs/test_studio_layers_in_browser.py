"""Layers in a real browser: what is seen is what is kept and what is exported."""

from __future__ import annotations

import io
import json
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.studio.composition import compose
from outtake.studio.layer_pictures import LayerPictures
from tests.programs.studio_page import (
    SHOTS,
    SIZE,
    Studio,
    drag,
    wait_until_saved,
)


def settled(page):
    for _ in range(200):
        found = page.evaluate("studio.layers()")
        if found["settled"]:
            return found
        time.sleep(0.03)
    raise AssertionError(found)


def step(page, keys):
    """Undo or redo, and wait until the server has done so."""
    before = settled(page)["revision"]
    page.keyboard.press(keys)
    for _ in range(200):
        if settled(page)["revision"] != before:
            return
        time.sleep(0.03)
    raise AssertionError(f"{keys} did nothing")


def seen(page):
    """Return the frame as the screen shows it, each pixel as a square of two."""
    page.evaluate("studio.look(2, 40, 30)")
    page.wait_for_timeout(80)
    box = page.locator("#canvas").bounding_box()
    left, top = round(box["x"]) + 40, round(box["y"]) + 30
    shot = page.screenshot(clip={"x": left, "y": top, "width": 2 * SIZE[1], "height": 2 * SIZE[0]})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))[1::2, 1::2]


def download(page, button):
    with page.expect_download() as found:
        page.click(button)
    return cv2.imread(str(found.value.path()), cv2.IMREAD_UNCHANGED)


def test_layers_from_adding_to_export(studio, browser, tmp_path):
    logo = np.zeros((40, 60, 4), np.uint8)
    logo[5:35, 5:55] = (30, 120, 240, 255)
    logo[15:25, 10:30] = (250, 240, 20, 128)
    Image.fromarray(logo).save(tmp_path / "logo.png")
    (tmp_path / "no.png").write_bytes(b"\x89PNG")
    page = studio.open(browser, size=(1280, 800))
    page.keyboard.press("l")
    drag(page, (60, 50), (140, 50), (140, 130), (60, 130))
    wait_until_saved(page)
    page.keyboard.press("v")
    page.click("#cutout-layer")
    page.wait_for_selector("#layer-list li")
    cut = settled(page)["list"]
    assert [each["name"] for each in cut] == ["cut-out 0"]
    assert (cut[0]["x"], cut[0]["y"]) == pytest.approx((100, 90), abs=2)
    cutout = download(page, "#cutout-download")
    mask = studio.mask() == 1
    assert cutout.shape == (*SIZE, 4) and np.array_equal(cutout[..., 3] == 255, mask)

    page.set_input_files("#step-layers input[type=file]", tmp_path / "logo.png")
    page.wait_for_selector("#layer-list li >> nth=1")
    first = settled(page)["list"][1]
    assert (first["x"], first["y"], first["scale_x"]) == (160, 90, 100)
    drag(page, (150, 95), (260, 95))
    moved = settled(page)["list"][1]
    assert moved == {**first, "x": 270}
    drag(page, (299, 109), (329, 129))  # the corner at the lower right
    larger = settled(page)["list"][1]
    assert larger["scale_x"] == larger["scale_y"] > 130
    top = larger["y"] - 20 * larger["scale_y"] / 100
    view = page.evaluate("studio.state()")["view"]
    above = (larger["x"] - 0.5, top - 26 / view["scale"] - 0.5)
    drag(page, above, (larger["x"] + 80, larger["y"] - 80))
    turned = settled(page)["list"][1]
    assert turned["angle"] == pytest.approx(45, abs=4) and turned["x"] == larger["x"]
    page.locator("#layer-opacity").fill("60")
    assert settled(page)["list"][1]["opacity"] == 60
    page.keyboard.press("Control+[")  # behind the cut-out
    assert [each["id"] for each in settled(page)["list"]] == [2, 1]
    page.focus("#canvas")
    page.keyboard.press("Control+d")
    doubled = settled(page)
    assert doubled["selected"] == [3] and doubled["list"][2]["x"] == turned["x"] + 9
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Control+a")
    page.click("#layer-group")
    page.keyboard.press("Escape")
    page.click('#layer-list [data-id="1"]')
    assert sorted(settled(page)["selected"]) == [1, 2, 3]
    page.focus("#canvas")
    before = settled(page)["list"]
    page.keyboard.press(">")
    page.keyboard.press("Shift+ArrowUp")
    after = settled(page)["list"]
    assert all(a["angle"] == b["angle"] + 10 for a, b in zip(after, before, strict=True))
    far = [np.linalg.norm([each[0]["x"] - each[1]["x"], each[0]["y"] - each[1]["y"]])
           for each in (before, after)]  # fmt: skip
    assert far[0] == pytest.approx(far[1], abs=0.01)
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/layers_light.png")

    page.set_input_files("#step-layers input[type=file]", tmp_path / "no.png")
    page.wait_for_selector("#banner:not([hidden])")
    assert "no.png: the picture is damaged" in page.locator("#banner").inner_text()
    studio.errors.clear()
    page.focus("#canvas")
    for _ in range(3):
        step(page, "Control+z")
    assert all(each["group"] == 0 for each in settled(page)["list"])
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    page.keyboard.press("v")
    assert settled(page)["list"][0]["angle"] == turned["angle"]
    for _ in range(3):
        step(page, "Control+Shift+z")
    assert settled(page)["list"] == after

    shown, exported = seen(page), download(page, "#composition-download")[..., ::-1]
    record = json.loads((studio.folder / "project/layers.json").read_text())
    assert record["layers"] == after
    frame = np.asarray(Image.open(studio.folder / "clip/0.png"))
    pictures = LayerPictures(studio.folder / "project")
    assert np.array_equal(exported, compose(after, pictures.read, SIZE, frame))
    assert np.abs(shown.astype(int) - exported).max() <= 1
    page.uncheck("#over-frame")
    settled(page)
    alone = download(page, "#composition-download")
    assert alone.shape == (*SIZE, 4) and 0 < (alone[..., 3] > 0).mean() < 0.9
    page.click("#layers-clean")
    page.click("#layers-no")
    assert len(settled(page)["list"]) == 3
    page.click("#layers-clean")
    page.click("#layers-yes")
    assert settled(page)["list"] == []
    page.keyboard.press("b")
    assert page.locator("#step-mark").is_visible()
    assert studio.errors == []
    page.close()


def test_one_picture_needs_no_training(browser, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    made = Studio(tmp_path, "photo.png")
    try:
        page = made.open(browser)
        page.click("#tab-remove")
        assert page.locator("#still-remove").is_disabled()
        assert not page.locator("#remove").is_visible()
        page.click("#tab-mark")
        drag(page, (60, 50), (140, 50))
        wait_until_saved(page)
        page.click("#tab-remove")
        assert page.locator("#still-remove").is_enabled()
        assert not page.locator("#still-layer").is_visible()
        result = tmp_path / "project/results/removed/photo.png"
        result.parent.mkdir(parents=True)
        Image.fromarray(255 - picture).save(result)
        page.reload()
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        page.click("#tab-remove")
        page.click("#still-layer")
        page.wait_for_selector("#layer-list li")
        assert settled(page)["list"][0]["name"] == "without the object"
        assert np.array_equal(download(page, "#composition-download")[..., ::-1], 255 - picture)
        assert made.errors == []
        page.close()
    finally:
        made.end()
