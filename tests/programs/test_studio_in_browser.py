"""The studio in a real browser: what is drawn is what is kept, whatever happens to either."""

from __future__ import annotations

import json

import numpy as np

from outtake.studio.project import Project
from tests.programs.studio_page import (
    FRAMES,
    SHOTS,
    drag,
    place,
    state,
    wait_until_saved,
)


def test_labels_are_drawn_undone_saved_and_read_again(studio, browser):
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
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    assert state(page)["frame"] == FRAMES - 1
    assert studio.errors == []
    own = studio.address.partition("?")[0]
    assert all(url.startswith((own, "blob:", "data:")) for url in studio.requests)
    page.close()


def test_what_is_said_of_jobs_and_of_frames_to_label(studio, browser):
    page = studio.open(browser)
    job = {"kind": "train", "state": "running", "elapsed_s": 12, "command": "", "message": "",
           "progress": {"title": "Verifying", "done": 5, "total": 5, "left_s": 0}}  # fmt: skip
    show = "(job) => import('/web/jobs.js').then(({ showJob }) => showJob(job))"
    page.evaluate(show, job)
    said = page.locator("#job-state")
    assert said.text_content() == "Verifying: 5 of 5, 12 s so far"
    assert page.locator("#job-share").get_attribute("value") is None
    job["training"] = {"step": 39, "loss": 0.0924, "curves": {}}
    page.evaluate(show, job)
    assert said.text_content() == "step 39, loss 0.0924, 12 s so far"
    job["training"]["curves"] = {"train/loss": {"x": [0, 9, 19], "y": [0.9, 0.3, 0.09]}}
    page.evaluate(show, {**job, "state": "finished"})
    assert said.text_content() == "Finished in 12 s. The loss went from 0.90 to 0.43; 0 is best."

    propose = "(it) => import('/web/timeline.js').then(({ proposeFrames }) => proposeFrames(it))"
    assert page.evaluate(propose, {"frames": 46, "labelled": []}) == [0, 11, 23, 34, 45]
    assert page.evaluate(propose, {"frames": 46, "labelled": [5, 14]}) == [23, 34, 45]
    assert page.evaluate(propose, {"frames": 46, "labelled": [5, 14, 23, 32, 41]}) == []

    # Of 150,000 frames more is said than a function takes arguments.
    frames = """Array.from({length: 150_000}, (_, i) => ({area: 0.1, uncertainty: i === 99_999 ? 1
        : i % 7 ? 0.25 : null}))"""
    peaks = page.evaluate(f"""import('/web/timeline.js').then((made) => {{
        const {{ findPeaks, Timeline, proposeFrames }} = made;
        const frames = {frames}, labelled = frames.map((_, i) => i);
        const project = {{ frames: 150_000, labelled, suggestions: {{ frames }} }};
        new Timeline(document.createElement('canvas'), project, () => {{}}).draw();
        proposeFrames(project);
        return findPeaks(frames, 'uncertainty', 1, 1000);
    }})""")  # fmt: skip
    assert len(peaks) == 1000 and peaks[0] == [0, 1] and all(value == 1 for _, value in peaks)
    peaks = page.evaluate("""import('/web/timeline.js').then(({ findPeaks }) =>
        findPeaks([1, 3, 2, 5, 4].map((area) => ({ area })), 'area', 5, 2))""")
    assert peaks == [[1, 3], [3, 5]]

    page.click("#open-export")
    page.wait_for_selector("#export[open]")
    assert "frame 0 is not labelled yet" in page.locator("#export").inner_text()
    assert page.locator("#export-clean-mp4").get_attribute("href") is None
    assert studio.errors == []
    page.close()


def test_two_tabs_and_a_server_that_is_killed(studio, browser):
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
    other.keyboard.press("Escape")
    other.click("#watershed")  # keeps the focus, and would take Enter for itself
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
    studio.process.kill()
    with Project(studio.folder / "project") as project:
        labels = project.labels[0].labels
    assert (labels == 1).sum() >= drawn[1] > kept["counts"][1]
    page.wait_for_selector("#banner:not([hidden])")
    assert "does not answer" in page.locator("#banner").inner_text()
    record = json.loads((studio.folder / "project/project.json").read_text())
    assert record["frames"] == FRAMES and record["classes"] == ["background", "object"]
    page.close()
    other.close()


def test_more_tabs_than_a_browser_has_connections_are_all_told_of_a_job(studio, browser):
    context = browser.new_context()
    pages = [studio.show(context.new_page()) for _ in range(8)]
    drag(pages[-1], (70, 60), (130, 60))
    wait_until_saved(pages[-1])
    pages[0].evaluate("""fetch('/api/jobs', {method: 'POST', body: '{"kind": "train"}',
        headers: {'Content-Type': 'application/json'}})""")  # it is refused: one class is marked
    assert pages[0].locator("#job").is_hidden()
    drag(pages[-1], (20, 20), (200, 20), button="right")
    wait_until_saved(pages[-1])
    pages[0].evaluate("""fetch('/api/jobs', {method: 'POST', body: '{"kind": "train"}',
        headers: {'Content-Type': 'application/json'}})""")
    for page in pages:
        page.wait_for_selector("#job:not([hidden]) #cancel:not([hidden])")
    pages[1].click("#cancel")
    for page in pages:
        page.wait_for_selector("#job:not([hidden]) #cancel[hidden]", state="attached")
    assert [each for each in studio.errors if "400" not in each] == []
    context.close()
