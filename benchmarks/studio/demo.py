"""``make studio-demo``: a rendered clip goes through the studio in a scripted browser.

People walk along a street. Five frames are labelled from the truth, by the page's own requests; a
network is trained, the frames to label next are asked for, the masks of all frames are made, and
the people are taken out. A picture of each step, the clips and ``figures.json`` are left in a
folder:

    python -m benchmarks.studio.demo [--output runs/studio-demo] [--train-s 75]

``j`` is the IoU of the masks with the truth over the frames that had no label; ``psnr_hole_db`` is
the PSNR where people stand, against the street without them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.studio.clip_in_browser import BROWSER, FLAGS, RunningStudio, open_page
from outtake.core.errors import OutputError, OuttakeError
from outtake.core.files import write_json
from outtake.core.types import Frame
from outtake.data.scenes import Scenes
from outtake.data.synthetic.rendered_clip import SceneClip
from outtake.masking.policy import MaskPolicy
from outtake.programs.command_line import run_program
from outtake.programs.demo import psnr, write_clip
from outtake.studio.strokes import find_runs
from outtake.video.read.clip import open_clip

REMOVED, SIZE, FRAMES = "person", (240, 432), 60
SCENE = 3
LEAST_PIXELS = 50
JOB_LIMIT_S = 1_800
_SEND = """([number, action]) => fetch(`/api/frames/${number}/strokes`, {method: 'POST',
    body: JSON.stringify({revision: 0, actions: [action]}),
    headers: {'Content-Type': 'application/json'}}).then((answer) => answer.status)"""
_JOB = "() => fetch('/api/project').then((answer) => answer.json()).then((project) => project.job)"


class ScriptedPage:
    """The page of the studio, used as a person would.

    Args:
        page: The page, of Playwright.
        folder: The folder that gets a picture of each step.
    """

    def __init__(self, page: Any, folder: Path) -> None:
        self._page, self._folder = page, folder

    def label(self, truth: SceneClip) -> list[int]:
        """Label five frames, spread over the clip; return their numbers."""
        numbers = [round(share * (len(truth) - 1) / 4) for share in range(5)]
        for number in numbers:
            labels = find_people(truth, number).astype(np.uint8)
            parts = find_runs(labels, np.full_like(labels, 255))
            action = {"stroke": 0, "tool": "pixels", "by": "file", "parts": parts}
            if self._page.evaluate(_SEND, [number, action]) != 200:
                raise OutputError(f"the studio did not take the labels of frame {number}")
        self._page.reload()
        self._page.wait_for_selector("html[data-ready=yes]", state="attached")
        self.show("1_mark")
        return numbers

    def train(self, seconds: float) -> None:
        """Train, with a picture on the way."""
        self._page.click("#tab-train")
        minutes = f"document.getElementById('minutes').value = {seconds / 60}"
        self._page.evaluate(minutes)
        self._run("train", "#train", "2_train")

    def check(self) -> None:
        """Ask which frames to label next, and for the masks of all."""
        self._page.click("#tab-check")
        self._run("suggest", "#suggest")
        self._run("propose", "#look")
        self.show("3_check")

    def remove(self) -> None:
        """Take the people out, and look at what came of it."""
        self._page.click("#tab-remove")
        self._run("remove", "#remove")
        self.show("4_remove")
        self._page.click("#look-clean")
        self._page.locator("#result-frame").fill(str(FRAMES // 2))
        self._page.wait_for_timeout(1_500)
        self.show("5_before_and_after")

    def show(self, name: str) -> None:
        """Keep a picture of the page."""
        self._page.screenshot(path=self._folder / f"{name}.png")

    def _run(self, kind: str, button: str, picture: str | None = None) -> None:
        began_s = time.monotonic()
        self._page.click(button)
        while time.monotonic() - began_s < JOB_LIMIT_S:
            self._page.wait_for_timeout(1_000)
            job = self._page.evaluate(_JOB)
            if job is None or job["kind"] != kind:
                continue
            if picture is not None and job["state"] == "running":
                self.show(picture)
            if job["state"] == "finished":
                self._page.wait_for_selector("#cancel", state="hidden")
                print(f"{kind}: {job['elapsed_s']:.0f} s", flush=True)
                return
            if job["state"] != "running":
                raise OutputError(f"{kind} {job['state']}: {job['message']}")
        raise OutputError(f"{kind} did not end within {JOB_LIMIT_S} s")


def find_people(truth: SceneClip, number: int) -> np.ndarray:
    """Return where the people of a frame are, bool (H, W)."""
    return np.asarray(truth.frame(number).labels == truth.labels.names.index(REMOVED))


def score(truth: SceneClip, project: Path, labelled: list[int]) -> dict[str, float]:
    """Compare the masks and the clean clip with the truth."""
    masks = sorted((project / "proposals").glob("*.png"))
    found: list[float] = []
    for number, path in enumerate(masks):
        people = find_people(truth, number)
        said = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
        if number not in labelled and np.count_nonzero(people) >= LEAST_PIXELS:
            found.append(np.count_nonzero(said & people) / np.count_nonzero(said | people))
    after = [_psnr_hole(truth, *pair) for pair in enumerate(_read(project / "results/clean.mp4"))]
    before = [_psnr_hole(truth, *pair) for pair in enumerate(_read(project.parent / "clip.mp4"))]
    return {
        "j": round(float(np.mean(found)), 4),
        "j_worst": round(float(np.min(found)), 4),
        "psnr_hole_db": round(float(np.nanmean(after)), 2),
        "psnr_hole_before_db": round(float(np.nanmean(before)), 2),
    }


def _read(path: Path) -> list[Frame]:
    with open_clip(path, high_bit_depth=False) as clip:
        return [frame.image for frame in clip]


def _psnr_hole(truth: SceneClip, number: int, image: Frame) -> float:
    """Return the PSNR where people are, where nothing else moves behind them; NaN for no place."""
    without = truth.frame(number, without=(REMOVED,))
    still = (without.image == without.background).all(axis=-1)
    grown = MaskPolicy.from_names(truth.labels, remove=[REMOVED]).mask(truth.frame(number).labels)
    hole = grown & still
    if np.count_nonzero(hole) < LEAST_PIXELS:
        return float("nan")
    return psnr(image, without.background, hole)


def run_demo(folder: Path, train_s: float) -> dict[str, Any]:
    """Run all of it and return the figures."""
    from playwright.sync_api import sync_playwright

    began_s = time.monotonic()
    clip, project = folder / "clip.mp4", folder / "project"
    truth = Scenes(seed=0, height=SIZE[0], width=SIZE[1]).clip("test", SCENE, FRAMES)
    write_clip(truth, clip)
    studio = RunningStudio(clip, project)
    try:
        with sync_playwright() as player:
            browser = player.chromium.launch(executable_path=BROWSER, args=FLAGS)
            page = ScriptedPage(open_page(browser, studio.address), folder)
            labelled = page.label(truth)
            page.train(train_s)
            page.check()
            page.remove()
            browser.close()
    finally:
        studio.kill()
    shutil.copyfile(project / "results/clean.mp4", folder / "clean.mp4")
    figures = score(truth, project, labelled)
    return {**figures, "labelled": labelled, "seconds": round(time.monotonic() - began_s)}


def main() -> None:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/studio-demo"))
    parser.add_argument("--train-s", type=float, default=75, help="the budget of the training")
    arguments = parser.parse_args()
    folder = arguments.output
    if BROWSER is None:
        print("no chromium was found; install it, or name one in OUTTAKE_CHROMIUM")
        sys.exit(2)
    if folder.exists() and any(folder.iterdir()) and not (folder / "figures.json").is_file():
        raise OuttakeError(f"{folder} holds something that is no demo; give another --output")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "figures.json", {})  # says whose folder this is
    figures = run_demo(folder.resolve(), arguments.train_s)
    write_json(folder / "figures.json", figures)
    print(json.dumps(figures))
    print(f"clip.mp4, clean.mp4, five pictures and figures.json are in {folder}")


if __name__ == "__main__":
    run_program(main)
