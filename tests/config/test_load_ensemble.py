from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.load_ensemble import load_one_or_several, with_short_side
from outtake.config.schema import parse
from outtake.core.errors import CheckpointError, LabelSpaceError
from outtake.core.types import TimedFrame
from outtake.pipeline.remove_from_video import report_entries
from outtake.pipeline.setup import build_parts, build_remover, input_paths
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint


def change(source: Path, target: Path, **record: object) -> Path:
    """Copy a checkpoint with another epoch and other entries in its record."""
    checkpoint = read_checkpoint(source / "checkpoints" / "best.ckpt")
    checkpoint["epoch"] = 7
    checkpoint["outtake"] |= record
    target.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(checkpoint, target)
    return target


def test_members_of_other_short_sides_resize_for_themselves(
    small_run: Path, tmp_path: Path
) -> None:
    other = change(small_run, tmp_path / "other.ckpt", short_side=48)
    trained = load_one_or_several([str(small_run), str(other)])
    assert [member.short_side for member in trained.members] == [64, 48]
    assert trained.short_side is None
    assert with_short_side(trained, 32).short_side == 32
    named = trained.describe()
    assert [each["checkpoint"] for each in named["members"]] == [
        str(small_run / "checkpoints" / "best.ckpt"),
        str(other),
    ]


def test_a_list_of_one_is_that_one(small_run: Path) -> None:
    assert load_one_or_several([str(small_run)]).path.name == "best.ckpt"


def test_networks_that_cannot_be_averaged_are_named(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best\.ckpt and .*best\.ckpt are the same network"):
        load_one_or_several([str(small_run), str(small_run / "checkpoints" / "best.ckpt")])
    labels = read_checkpoint(small_run / "checkpoints" / "best.ckpt")["outtake"]["labels"]
    renamed = labels | {"names": [f"{name}2" for name in labels["names"]]}
    other = change(small_run, tmp_path / "classes.ckpt", labels=renamed)
    with pytest.raises(LabelSpaceError, match=r"best\.ckpt .*classes\.ckpt .*other classes"):
        load_one_or_several([str(small_run), str(other)])


def test_the_folder_of_a_training_of_folds_stands_for_its_runs(
    small_run: Path, tmp_path: Path
) -> None:
    group = tmp_path / "folds"
    runs = [{"run": "fold_0"}, {"run": "fold_1"}]
    shutil.copytree(small_run, group / "fold_0")
    change(small_run, group / "fold_1" / "checkpoints" / "best.ckpt")
    (group / "folds.json").write_text(json.dumps({"folds": 2, "runs": runs[:1]}))
    with pytest.raises(CheckpointError, match="1 of its 2 folds are trained"):
        load_one_or_several(str(group))
    (group / "folds.json").write_text(json.dumps({"folds": 2, "runs": runs}))
    assert len(load_one_or_several(str(group)).members) == 2


def test_the_report_of_a_video_names_all_members(small_run: Path, tmp_path: Path) -> None:
    other = change(small_run, tmp_path / "other.ckpt", short_side=48)
    config = parse(
        InferVideoConfig,
        resolve_config(
            compose(
                "infer_video",
                [f"checkpoint=[{small_run},{other}]", "remove=[car]", "input=in.mp4",
                 "output=out.mp4", "backend=torch", "device=cpu"],
            )
        ),
    )  # fmt: skip
    parts = build_parts(config, build_remover(config), (64, 96))
    entries = report_entries(parts, None)
    assert [each["checkpoint"] for each in entries["members"]][1] == str(other)
    frames = [np.full((64, 96, 3), 90, np.uint8)]
    timed = [TimedFrame(frame, n, Fraction(1, 25)) for n, frame in enumerate(frames)]
    assert parts.labeller is not None
    (labelled,) = parts.labeller(timed)
    assert labelled.labels.shape == (64, 96)
    assert input_paths(config, parts.remover)["checkpoint"] == [small_run, other]
