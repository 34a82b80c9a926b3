"""What comes from other programs and what goes to them, in a real browser; and a full disk."""

from __future__ import annotations

import io
import re
import resource
import zipfile

import cv2
import numpy as np

from tests.programs.studio_page import (
    SHOTS,
    SIZE,
    Studio,
    drag,
    state,
    wait_until_saved,
)


def png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def test_masks_come_in_and_go_out_and_a_full_disk_loses_no_stroke(studio, browser):
    page = studio.open(browser)
    drag(page, (70, 60), (130, 60))
    first = wait_until_saved(page)

    # Files that are chosen become one import, of which each frame can undo its part.
    mask = np.zeros(SIZE, np.uint8)
    mask[40:120, 50:160] = 255
    page.click("#open-import")
    page.set_input_files(
        "#import-files",
        [
            {"name": "0.png", "mimeType": "image/png", "buffer": png(mask)},
            {"name": "3.png", "mimeType": "image/png", "buffer": png(mask)},
            {"name": "4.png", "mimeType": "image/png", "buffer": png(mask[:90])},
        ],
    )
    page.click("#import-start")
    page.wait_for_selector("#import .outcome li")
    said = page.locator("#import .outcome").inner_text()
    assert (
        "2 frames have got a mask" in said and "4.png: is 320x90, and the clip is 320x180" in said
    )
    shoot(page, "import_light")
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    assert state(page)["counts"][1] == (mask > 0).sum() and (studio.mask(3) > 0).sum() == 8800
    page.keyboard.press("Control+z")
    assert wait_until_saved(page)["crc32"] == first["crc32"]

    page.click("#open-export")
    page.wait_for_selector("#export-masks-zip[href]")
    shoot(page, "export_light")
    with page.expect_download() as download:
        page.click("#export-masks-zip")
    assert download.value.suggested_filename == "project_masks.zip"
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert archive.namelist() == ["0.png", "3.png", "notes.md"]
    page.keyboard.press("Escape")

    # The disk is full: nothing can be written by the studio any more.
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    before = page.locator("#canvas").bounding_box()
    drag(page, (20, 150), (200, 150))
    page.wait_for_selector("#banner:not([hidden])")
    assert page.locator("#canvas").bounding_box() == before  # or the next stroke would be bent
    assert "not saved yet" in page.locator("#banner").inner_text()
    assert "kept here" in page.locator("#banner").inner_text()
    assert page.locator("#saved").inner_text() == "not saved"
    drag(page, (20, 170), (200, 170), button="right")
    kept = state(page)
    assert kept["waiting"] and kept["crc32"] != first["crc32"]
    shoot(page, "full_disk_light")
    resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert wait_until_saved(page)["crc32"] == kept["crc32"]
    assert page.locator("#banner").is_hidden()

    # What is said of anything else stays when a stroke is saved, until somebody closes it.
    page.evaluate(
        "import('/web/page.js').then((page) => { page.complain(new Error('a job failed')); })"
    )
    drag(page, (30, 30), (60, 30))
    kept = wait_until_saved(page)
    assert page.locator("#banner-text").inner_text() == "a job failed"
    shoot(page, "notice_light")
    page.click("#banner-close")
    assert page.locator("#banner").is_hidden()
    assert [(studio.mask() == each).sum() for each in (0, 1, 255)] == kept["counts"]
    assert [each for each in studio.errors if "507" not in each] == []
    page.close()


def test_one_mask_for_all_frames_says_what_it_needs_and_asks(studio, browser):
    page = studio.open(browser)
    page.click("#open-import")
    mask = np.zeros(SIZE, np.uint8)
    mask[5:20, 5:40] = 255
    file = {"name": "logo.png", "mimeType": "image/png", "buffer": png(mask)}
    page.set_input_files("#import-files", [file])
    page.check("#import-every")
    said = page.locator("#import .outcome")

    page.click("#import-start")
    page.wait_for_selector("#import-start:has-text('Label all 6 frames')")
    assert re.fullmatch(
        r"6 frames get labels, and each is kept with its picture: about [\d.]+ [kM]B, of \d+ \wB "
        r"that are free\. Each frame is undone by itself\.",
        said.inner_text(),
    )
    assert "masks=MASK.png, or regions=" in page.locator("#import").inner_text()
    shoot(page, "import_every_light")
    assert studio.mask(0) is None  # nothing is taken unasked

    page.route("**/masks/import?*", lambda route: None)  # never answered
    page.click("#import-start")
    page.click("#import-close:has-text('Cancel')")
    page.wait_for_selector("#import .outcome:has-text('Cancelled: no mask is taken.')")
    page.unroute("**/masks/import?*")
    page.click("#import-start:has-text('Import')")
    page.click("#import-start:has-text('Label all 6 frames')")
    page.wait_for_selector("#import .outcome:has-text('6 frames have got a mask')")
    assert all((studio.mask(number) == (mask > 0)).all() for number in range(6))
    assert studio.errors == []
    page.close()


def test_a_clip_is_chosen_and_another_is_sent(tmp_path, browser):
    for folder in ("walk", "beach", "old"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "0.png"), np.full((*SIZE, 3), 90, np.uint8))
    started = Studio(tmp_path, source=None)
    try:
        page = started.open(browser, until="choosing", size=(1000, 700))
        shoot(page, "open_light")
        page.keyboard.press("Escape")
        assert page.locator("#open").is_visible()  # there is nothing behind it
        page.click("#open .entries button:has-text('walk')")
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        drag(page, (70, 60), (130, 60))
        wait_until_saved(page)
        assert (tmp_path / "walk.outtake/train/masks/000000.png").is_file()
        page.click("#open-clip")
        page.wait_for_selector("#open .entries button:has-text('walk.outtake')")
        page.emulate_media(color_scheme="dark")
        shoot(page, "open_dark")
        picture = png(np.full((40, 60, 3), 200, np.uint8))
        page.evaluate("delete document.documentElement.dataset.ready")
        page.set_input_files(
            "#open-upload", {"name": "../x.png", "mimeType": "image/png", "buffer": picture}
        )
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        assert "clip.png · 60\u00d740" in page.locator("#clip").inner_text()
        assert (tmp_path / "upload_001.outtake/clip.png").read_bytes() == picture
        assert [each for each in started.errors if "409" not in each] == []
        page.close()
    finally:
        started.end()
