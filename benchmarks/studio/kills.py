"""What is left of labels when the studio is killed in the middle of a stroke, many times over.

In each round Chromium draws a stroke on a random frame, and SIGKILL ends the studio at a random
time of it. Then the project is opened anew: every label map must be readable and be what the
actions say, everything that the page was told to be saved must be there, and what is missing must
have been drawn in the last 150 ms, after which it is sent, or in those of two savings: of what was
sent before, and of it. Exits with 1 otherwise.

    python -m benchmarks.studio.kills [--kills 50]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studio.clip_in_browser import (
    BROWSER,
    FLAGS,
    RunningStudio,
    machine,
    open_page,
    render_clip,
)
from outtake.studio.label_png import read_label_png
from outtake.studio.project import Project

_SEND_MS = 150.0


@dataclass(frozen=True)
class Kill:
    """What one kill left.

    Attributes:
        lost_ms: How long before the kill the first dab was drawn that is missing; 0 for none.
        saving_ms: The longest time that a part waited to be saved, or waits.
        drawn: The dabs of the stroke.
        kept: Those that are there.
    """

    lost_ms: float
    saving_ms: float
    drawn: int
    kept: int


def kill_once(browser: Any, clip: Path, project: Path, rng: np.random.Generator) -> Kill:
    """Draw on a random frame, kill the studio, open the project.

    Raises:
        RuntimeError: A label is damaged, or what was saved is not there.
    """
    studio = RunningStudio(clip, project)
    try:
        page = open_page(browser, studio.address)
        for _ in range(int(rng.integers(0, 4))):
            page.keyboard.press("d")
        page.wait_for_timeout(300)
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 80, box["y"] + box["height"] * rng.uniform(0.3, 0.7))
        begun_s, until_s = time.monotonic(), rng.uniform(0.05, 2.0)
        page.mouse.down(button=str(rng.choice(["left", "right"])))
        while time.monotonic() - begun_s < until_s:
            x, y = rng.uniform(0.25, 0.75, 2)
            page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y, steps=2)
        found = page.evaluate("studio.state()")
    finally:
        studio.kill()
    page.close()
    kept = _count_kept(project, found)
    times = found["dabTimes"]
    lost_ms = found["now"] - times[kept] if kept < len(times) else 0.0
    return Kill(lost_ms, max([*found["saves"], found["saving"]]), len(times), kept)


def _count_kept(folder: Path, page: dict[str, Any]) -> int:
    """Return how many dabs of the last stroke are there, once all labels were found whole."""
    with Project(folder) as project:
        numbers = sorted({*project.labelled_frames(), page["frame"]})
        for number in numbers:
            labels = project.labels[number]
            if not np.array_equal(labels.labels, labels.history.draw(project.size)):
                raise RuntimeError(f"frame {number}: the mask is not what the actions say")
            path = folder / f"train/masks/{number:06d}.png"
            if labels.history.done and not np.array_equal(
                read_label_png(path, project.size, len(project.classes)), labels.labels
            ):
                raise RuntimeError(f"frame {number}: the mask on the disk is another")
        labels = project.labels[page["frame"]]
        if labels.revision < page["revision"]:
            raise RuntimeError("what was said to be saved is not there")
        done = labels.history.done
        number = page["lastStroke"]
        actions = done[-1] if done and done[-1][0]["stroke"] == number else []
    return sum(len(action["points"]) - 1 for action in actions) + bool(actions)


def main() -> int:
    """Kill, and say what was left; return 1 if more was lost than may be."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    arguments = parser.parse_args()
    print(machine())
    rng = np.random.default_rng(0)
    kills = []
    with sync_playwright() as player, tempfile.TemporaryDirectory() as name:
        browser = player.chromium.launch(executable_path=BROWSER, args=FLAGS)
        clip = Path(name) / "clip.mp4"
        render_clip(clip, 270, 480)
        for _ in range(arguments.kills):
            kills.append(kill_once(browser, clip, Path(name) / "project", rng))
    lost = [each.lost_ms for each in kills]
    saving = [each.saving_ms for each in kills]
    beyond = [each for each in kills if each.lost_ms > _SEND_MS + 2 * each.saving_ms + 20]
    print(
        f"{len(kills)} kills: every label readable; of {sum(each.drawn for each in kills)} dabs "
        f"{sum(each.kept for each in kills)} kept; lost: the last {statistics.median(lost):.0f} ms "
        f"(median), {max(lost):.0f} ms (most), where a saving took {statistics.median(saving):.0f} "
        f"ms (median), {max(saving):.0f} ms (most); beyond: {len(beyond)}"
    )
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
