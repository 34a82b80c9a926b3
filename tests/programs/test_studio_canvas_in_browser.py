"""What makes marking fast: locked labels, lines, regions that are given back, motion, fingers."""

from __future__ import annotations

import numpy as np

from tests.programs.studio_page import SHOTS, drag, place, state, wait_until_saved


def test_marking_by_lines_locks_regions_and_motion(studio, browser):
    page = studio.open(browser)
    page.mouse.click(*place(page, 60, 40))
    page.keyboard.down("Shift")
    page.mouse.click(*place(page, 260, 40))
    page.keyboard.up("Shift")
    wait_until_saved(page)
    assert (studio.mask()[40, 60:260] == 1).all()

    page.keyboard.press("x")
    before = studio.mask()
    drag(page, (160, 20), (160, 150), button="right")
    wait_until_saved(page)
    found = studio.mask()
    assert (
        np.array_equal(found[before == 1], before[before == 1]) and (found[60:140, 160] == 0).all()
    )
    page.keyboard.press("x")

    page.keyboard.press("r")
    counts = [state(page)["counts"][1]]
    for _ in range(2):
        page.wait_for_timeout(700)
        page.mouse.click(*place(page, 40, 120))
        counts.append(wait_until_saved(page)["counts"][1])
    assert counts[0] < counts[2] < counts[1]  # a region of those that were taken was given back

    page.keyboard.press("b")
    page.mouse.move(*place(page, 100, 90))
    size = page.locator("#size").input_value()
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Alt")
    assert int(page.locator("#size").input_value()) > int(size)

    page.keyboard.press("d")
    page.wait_for_timeout(200)
    page.keyboard.press("k")
    page.wait_for_selector("#offer:not([hidden])")
    page.keyboard.press("Enter")
    assert wait_until_saved(page)["counts"][1] > 500 and state(page)["frame"] == 1

    for view in ("outline", "plate", "overlay"):
        page.select_option("#view", view)
        page.wait_for_timeout(100)
    page.click("#tour-open")
    for number in range(7):
        assert page.locator("#tour").inner_text().count(f"{number + 1} of 7") == 1
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/tour_{number + 1}.png")
        page.keyboard.press("Enter")
    assert page.locator("#tour").is_hidden()

    page.fill("#class-name", "shadow")
    page.click("#add-class button")
    page.locator(".class .rename").nth(2).click()
    page.keyboard.type("<i>shade")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert "<i>shade" in page.locator("#classes").inner_text()
    assert studio.errors == []
    page.close()


def test_two_fingers_move_the_picture_and_draw_nothing(studio, browser):
    page = studio.open(browser)
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    begun = state(page)
    touch("touchStart", (500, 300))
    touch("touchStart", (500, 300), (600, 300))
    touch("touchMove", (450, 320), (650, 320))
    touch("touchEnd")
    moved = (
        wait_until_saved(page) if state(page)["waiting"] or state(page)["saved"] else state(page)
    )
    assert moved["counts"] == begun["counts"]
    assert moved["view"]["scale"] > 1.5 * begun["view"]["scale"]
    touch("touchStart", (500, 300))
    touch("touchMove", (520, 330))
    touch("touchEnd")
    assert wait_until_saved(page)["counts"][1] > 0
    assert studio.errors == []
    page.close()
