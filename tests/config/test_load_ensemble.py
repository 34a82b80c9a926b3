from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from outtake.config.load_ensemble import describe_members, load_one_or_several, with_short_side
from outtake.core.errors import CheckpointError, LabelSpaceError
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
    named = describe_members(trained)
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
