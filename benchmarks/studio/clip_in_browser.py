"""A studio of a rendered clip, and Chromium that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.clips import ROOT
from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
BROWSER = os.environ.get("OUTTAKE_CHROMIUM") or shutil.which("chromium")


def render_clip(path: Path, height: int, width: int, frames: int = 12) -> None:
    """Write a clip of a disc that moves before a soft pattern, with the grain of a camera."""
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.integers(0, 160, (18, 32, 3)).astype(np.uint8), (width, height))
    grain = rng.normal(0, 4, (height, width, 1))
    info = VideoInfo(Path("rendered"), width, height, fps=Fraction(25), time_base=Fraction(1, 25))
    with open_writer(path, info, overwrite=True) as writer:
        for number in range(frames):
            picture = np.clip(soft + np.roll(grain, 131 * number, 1), 0, 255).astype(np.uint8)
            centre = (width // 4 + number * width // 60, height // 2)
            cv2.circle(picture, centre, height // 5, (225, 50, 40), cv2.FILLED)
            writer.write(TimedFrame(picture, number, info.time_base))


class RunningStudio:
    """A process of the studio.

    Args:
        clip: What it shows.
        project: Its folder.

    Attributes:
        process: The process.
        address: Where it is, with the token.
    """

    def __init__(self, clip: Path, project: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "studio.py", str(clip), f"project={project}", "open=false"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        if found is None:
            raise RuntimeError("the studio did not start")
        self.address = found[0]

    def processor_s(self) -> float:
        """Return the processor time that it has taken."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it at once, as the power does."""
        self.process.kill()
        self.process.communicate()


def open_page(browser: Any, address: str) -> Any:
    """Open the page and wait until it can be painted on."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    return page


def wait_until_saved(page: Any) -> None:
    """Wait until nothing of what was drawn waits for the server."""
    for _ in range(2_000):
        if page.evaluate("studio.waiting()") == 0:
            return
        time.sleep(0.01)
    raise RuntimeError("it is not saved")


def machine() -> str:
    """Return the processor and how many of it there are."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.+)", text)
    return f"{name[1] if name else 'a processor'}, {os.cpu_count()} processors"
