"""Commands in the middle of a stroke: the page and the disk agree, and no stroke is lost."""

from __future__ import annotations

import json
import zlib

import pytest

from tests.programs.studio_page import drag, place, state, wait_until_saved


def begin_stroke(page, *points):
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=3)


def check_agrees(studio, page):
    """Return what the page holds, once it is what is on the disk."""
    found = wait_until_saved(page)
    assert zlib.crc32(studio.mask().tobytes()) == found["crc32"]
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    assert state(page)["crc32"] == found["crc32"]
    return found


@pytest.mark.parametrize("sent_ms", [0, 400])
def test_undo_in_the_middle_of_a_stroke_takes_that_stroke(studio, browser, sent_ms):
    page = studio.open(browser)
    drag(page, (30, 120), (80, 120))
    drag(page, (150, 120), (200, 120))
    both = wait_until_saved(page)
    begin_stroke(page, (30, 60), (60, 60))
    page.wait_for_timeout(sent_ms)  # with a part of it on the disk, and without
    page.keyboard.press("Control+z")
    page.mouse.move(*place(page, 120, 60), steps=3)
    page.mouse.up()
    assert check_agrees(studio, page)["crc32"] == both["crc32"]

    page.keyboard.press("Control+y")
    third = wait_until_saved(page)
    assert third["counts"][1] > both["counts"][1]
    page.keyboard.press("Control+z")
    wait_until_saved(page)
    begin_stroke(page, (30, 20), (60, 20))
    page.keyboard.press("Control+y")  # a new stroke leaves nothing to redo
    page.keyboard.press("Control+z")
    page.mouse.up()
    assert check_agrees(studio, page)["crc32"] == both["crc32"]
    assert studio.errors == []
    page.close()


def test_other_commands_in_the_middle_of_a_stroke_come_after_it(studio, browser):
    page = studio.open(browser)
    drag(page, (70, 60), (130, 120))
    drag(page, (20, 20), (300, 20), button="right")
    wait_until_saved(page)
    page.keyboard.press("w")
    page.wait_for_selector("#offer:not([hidden])")
    page.keyboard.press("e")
    begin_stroke(page, (20, 20), (300, 20))  # newer than the proposal, which has it labelled
    page.keyboard.press("Enter")
    page.mouse.up()
    accepted = check_agrees(studio, page)
    assert 3000 < accepted["counts"][2] < 10_000
    assert (studio.mask()[20, 30:290] == 255).all()

    before = studio.mask()
    begin_stroke(page, (20, 160), (60, 160))
    page.keyboard.press("d")
    for _ in range(100):
        if state(page)["frame"] == 1:
            break
        page.wait_for_timeout(50)
    page.mouse.move(*place(page, 200, 160), steps=3)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert state(page)["counts"][1] == 0 and studio.mask(1) is None
    after = studio.mask()
    assert (after[160, 20:60] == 1).all() and (after[:, 80:] == before[:, 80:]).all()

    page.keyboard.press("l")
    begin_stroke(page, (50, 50), (100, 50), (100, 90))
    page.keyboard.press("b")
    page.mouse.up()
    assert wait_until_saved(page)["counts"][1] > 500
    page.click("#clear")
    assert wait_until_saved(page)["counts"][1] == 0
    assert studio.errors == []
    page.close()


def test_a_page_that_shows_other_labels_than_are_saved_reads_them_again(studio, browser):
    page = studio.open(browser)

    def answer_with_another_sum(route):
        if route.request.method != "POST":
            return route.continue_()
        answer = route.fetch()
        return route.fulfill(response=answer, body=json.dumps({**answer.json(), "crc32": 7}))

    page.route("**/strokes", answer_with_another_sum)
    drag(page, (70, 60), (130, 60))
    page.wait_for_selector("#banner:not([hidden])")
    said = page.locator("#banner-text").inner_text()
    assert said == (
        "frame 0: the page showed other labels than are saved; the frame was loaded again"
    )
    page.wait_for_timeout(300)
    assert zlib.crc32(studio.mask().tobytes()) == state(page)["crc32"]
    assert studio.errors == []
    page.close()
