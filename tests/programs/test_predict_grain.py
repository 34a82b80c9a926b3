"""Pictures from which something is removed have grain where it was."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.programs.predict import predict


def run(folder: Path, out: Path, *overrides: str) -> Path:
    return predict(compose("predict", [f"input={folder}", f"output={out}", *overrides]))


@pytest.mark.parametrize("full", [255, 65535], ids=["8 bits", "16 bits"])
def test_a_fill_has_it_as_its_picture_has_alone_or_among_others(tmp_path: Path, full: int) -> None:
    (tmp_path / "in").mkdir()
    kind, dice = np.uint8 if full == 255 else np.uint16, np.random.default_rng(0)
    shading = np.linspace(0.3, 0.7, 128)[None, :, None]
    for name in ("one", "two"):
        grainy = shading + dice.normal(0, 0.03, (96, 128, 3))
        cv2.imwrite(str(tmp_path / f"in/{name}.png"), (full * grainy).astype(kind))
    asked = ("remover=inpaint", "regions=[{box:[40,30,40,40]}]")
    run(tmp_path / "in", tmp_path / "both", *asked)
    run(tmp_path / "in/two.png", tmp_path / "alone", *asked)
    run(tmp_path / "in", tmp_path / "plain", *asked, "mask.grain=0")
    both, alone, plain = (
        cv2.imread(str(tmp_path / folder / "removed/two.png"), cv2.IMREAD_UNCHANGED)
        for folder in ("both", "alone", "plain")
    )
    assert both.dtype == kind and np.array_equal(both, alone)
    inside = (slice(35, 65), slice(45, 75))
    added = both[inside].astype(float) - plain[inside]
    assert added.std() / full == pytest.approx(0.03, rel=0.2)
