"""What the tests of a removal share, and those in a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.pipeline.square import write_scene
from tests.programs import studio_page
from tests.programs.removal_scene import FRAMES

_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def scene(tmp_path) -> Path:
    """A square that stands in a picture that pans, and the masks of the square."""
    return write_scene(tmp_path, FRAMES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("OUTTAKE_CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=_FLAGS, timeout=60_000)
        yield chromium
        chromium.close()


@pytest.fixture
def studio(tmp_path) -> Iterator[studio_page.Studio]:
    """A studio of a few frames with a disc that moves."""
    pytest.importorskip("uvicorn", reason="the extra studio is not installed")
    (tmp_path / "clip").mkdir()
    rng = np.random.default_rng(0)
    size = studio_page.SIZE
    noise = cv2.resize(rng.integers(0, 130, (12, 20, 3)).astype(np.uint8), size[::-1])
    for number in range(studio_page.FRAMES):
        picture = noise.copy()
        cv2.circle(picture, (100 + 20 * number, 90), 40, (220, 40, 40), cv2.FILLED)
        Image.fromarray(picture).save(tmp_path / "clip" / f"{number}.png")
    started = studio_page.Studio(tmp_path)
    yield started
    started.end()
