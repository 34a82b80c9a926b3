"""A removal of a square from a picture that pans, as a program does it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.programs.infer_video import infer_video
from tests.pipeline.square import frames

ROOT = Path(__file__).parents[2]
FRAMES = 40


def asked(folder: Path, *overrides: str) -> list[str]:
    plate = not any(override.startswith("remover=") for override in overrides)
    return [
        f"input={folder / 'in.mkv'}", f"masks={folder / 'masks.mkv'}", "job.segment_frames=8",
        *(["remover.reach_frames=12"] if plate else []), *overrides,
    ]  # fmt: skip


def run(folder: Path, *overrides: str) -> Path:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("infer_video", overrides=asked(folder, *overrides))
    return infer_video(cfg)[0]


def start(folder: Path, printed: str, *overrides: str) -> ForkedProgram:
    """Start a removal as a program that prints into a folder of that name."""
    return ForkedProgram("infer_video", asked(folder, *overrides), folder, folder / printed)


def figures(output: Path) -> dict:
    """Return what the report of an output says about its frames."""
    report = json.loads((output.parent / f"{output.stem}.report.json").read_text())
    return {key: report[key] for key in ("hole_share", "mask", "fill", "per_frame", "warnings")}


def same(first: Path, second: Path) -> bool:
    pairs = zip(frames(first), frames(second), strict=True)
    return all(a.pts == b.pts and np.array_equal(a.image, b.image) for a, b in pairs)
