"""What the tests of a removal share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.square import write_scene
from tests.programs.removal_scene import FRAMES


@pytest.fixture
def scene(tmp_path) -> Path:
    """A square that stands in a picture that pans, and the masks of the square."""
    return write_scene(tmp_path, FRAMES)
