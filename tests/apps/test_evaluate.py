from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from outtake.apps.config import compose
from outtake.apps.evaluate import data_for, evaluate
from outtake.apps.train import train
from outtake.checkpoint import load_trained
from outtake.errors import LabelSpaceError
from outtake.training.metrics import scores
from tests.apps.conftest import SMALL


def run(*overrides: str) -> dict:
    return json.loads(evaluate(compose("evaluate", overrides)).read_text())


def test_it_gives_the_miou_that_training_logged(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}", "device=cpu")
    summary = json.loads((small_run / "summary.json").read_text())
    assert record["miou"] == summary["best"]["val/miou"]
    for name, value in record["iou"].items():
        assert summary["best"].get(f"val/iou/{name}") == value


def test_every_score_is_written_and_follows_from_the_confusion_matrix(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}/checkpoints/last.ckpt", "device=cpu")
    again = scores(np.array(record["confusion"]), record["classes"])
    for key in ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "classes_scored"):
        assert record[key] == again[key]
    for key in ("iou", "precision", "recall", "dice"):
        assert list(record[key]) == record["classes"]
    assert record["images"] == 8 and record["images_per_second"] > 0
    assert sum(map(sum, record["confusion"])) == record["pixels"] == 8 * 64 * 96


def test_mirrored_prediction_gives_mirrored_labels(small_run: Path) -> None:
    task = load_trained(small_run).task
    images = torch.randint(0, 255, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        there = task.predict(images, flip=True)
        back = task.predict(images.flip(-1), flip=True).flip(-1)
    assert torch.allclose(there, back, atol=1e-4)
    record = run(f"checkpoint={small_run}", "flip=true", "device=cpu", "split=test")
    assert record["flip"] is True


def test_data_that_has_moved_is_found_by_its_root(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}", "+data.root=elsewhere", "device=cpu", "split=test")
    assert record["images"] == 4, "the scenes are rendered, so any root will do"


def test_evaluation_may_see_images_at_another_size_than_training(tmp_path: Path) -> None:
    finer = [*SMALL, "trainer.max_epochs=1", "data.eval_short_side=96"]
    train(compose("train", finer), tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    assert trained.short_side == 96, "video and other data follow the evaluation"
    data = data_for(trained, compose("evaluate", ["checkpoint=x", "workers=0"]))
    batch = next(iter(data.eval_loader("val")))
    assert batch["image"].shape[2:] == (96, 144) and batch["mask"].shape[1:] == (64, 96)
    record = run(f"checkpoint={tmp_path / 'run'}", "device=cpu")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert record["miou"] == summary["best"]["val/miou"]


def test_the_checkpoint_alone_is_enough(small_run: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "net.ckpt"
    shutil.copy(small_run / "checkpoints" / "best.ckpt", lonely)
    record = run(f"checkpoint={lonely}", "split=test", "device=cpu", f"output={tmp_path / 'out'}")
    assert record["split"] == "test" and record["images"] == 4
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_other_data_of_the_same_classes_can_be_named(small_run: Path) -> None:
    small = ["data.source.height=48", "data.source.width=70", "data.source.clips.val=1"]
    record = run(f"checkpoint={small_run}", "data=scenes", *small, "device=cpu")
    assert record["pixels"] == record["images"] * 48 * 70


def test_data_of_other_classes_is_refused(small_run: Path, camvid_root: Path) -> None:
    with pytest.raises(LabelSpaceError, match="sky"):
        run(f"checkpoint={small_run}", "data=camvid", f"data.root={camvid_root}", "device=cpu")
