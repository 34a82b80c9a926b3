"""The examples of docs/extending.md: each is one Python file and one yaml outside of Outtake."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.reliability.forked_programs import ForkedProgram

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TRAIN = (
    "data=discs", "model=three_convolutions", "loss=poly", "metrics=area_error", "augment=salt",
    "logger=csv", "callbacks=none", "trainer=cpu", "trainer.max_epochs=2", "data.source.images=4",
)  # fmt: skip


def call(program: str, output: Path, *arguments: str, allow: str = "outtake_extension") -> str:
    paths = os.pathsep.join([str(EXAMPLES), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": paths, "OUTTAKE_ALLOW_TARGETS": allow}
    given = ["--config-dir", str(EXAMPLES / "conf"), *arguments]
    done = ForkedProgram(program, given, ROOT, output, environment).finish()
    assert done.returncode == (0 if allow else 2), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a data set, model, loss, metric, augmentation and dashboard of the examples."""
    folder = tmp_path_factory.mktemp("extension")
    call("train", folder / "printed", *TRAIN, f"paths.runs={folder}", "name=discs")
    return folder / "discs"


def test_a_run_of_nothing_but_extensions_is_trained(run: Path) -> None:
    record = json.loads((run / "data.json").read_text())
    assert record["splits"]["train"]["classes"] == ["background", "disc"]
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert any(name.endswith(".4.weight") for name in checkpoint["state_dict"])


def test_the_metric_is_scored_beside_the_built_in_ones(run: Path) -> None:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scored = [record for record in records if "val/miou" in record]
    assert len(scored) == 2 and all(record["val/disc_area_error"] >= 0 for record in scored)


def test_the_dashboard_has_every_number_of_the_run(run: Path) -> None:
    with (run / "metrics.csv").open(newline="") as file:
        rows = {(int(step), name): float(value) for step, name, value in csv.reader(file)}
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    numbers = {
        (record["step"], key): value
        for record in records
        for key, value in record.items()
        if "/" in key and value is not None
    }
    # What an epoch ends with is logged after the last batch, at the same step.
    assert {key for key in rows if "/" in key[1]} == numbers.keys()
    assert {key: rows[key] for key in numbers} == pytest.approx(numbers)


def test_a_clip_is_cleaned_by_the_remover(tmp_path: Path) -> None:
    for folder in ("frames", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:40] = 255
    for number in range(3):
        image = np.full((48, 64, 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "masks" / f"{number}.png"), mask)
    places = [f"{key}={tmp_path / key}" for key in ("masks", "output")]
    given = ["remover=stripes", f"input={tmp_path / 'frames'}", *places]
    call("infer_video", tmp_path / "printed", *given)
    first = cv2.imread(str(sorted((tmp_path / "output").glob("*.png"))[0]))
    hole = first[mask > 0]
    assert set(np.unique(hole)) == {0, 255}


def test_what_is_not_named_in_the_environment_is_refused_in_one_line(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    said = call("train", tmp_path / "printed", *TRAIN, f"paths.runs={runs}", allow="")
    assert "outtake_extension" in said and "OUTTAKE_ALLOW_TARGETS" in said
    assert len(said.splitlines()) == 1 and not runs.exists()
