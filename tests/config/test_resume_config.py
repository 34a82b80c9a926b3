from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import CONF_DIR, compose
from outtake.config.resume_config import (
    check_epoch_kept,
    check_same_run,
    load_reproduced_config,
    load_resumed_config,
)
from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.format_version import FORMAT_VERSION
from outtake.training.checkpoint_files import save_checkpoint


def begin(folder: Path, *overrides: str, version: int = FORMAT_VERSION) -> None:
    """Write what a run folder keeps of its config."""
    (folder / "environment.json").write_text(json.dumps({"format": version}))
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(compose("train", list(overrides))))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("model.dropout=0", "model.dropout was 0.1 when the run was begun and cannot become 0"),
        ("model.fc_kernel=5", "model.fc_kernel"),
        ("+model.foo=1", "model.foo was null"),
        ("model=fcn16s", "model.stride"),
        ("normalize.mean=[0,0,0]", "normalize.mean"),
        ("seed=1", "seed was 0"),
        ("init_from=runs/a", "init_from was null"),
        ("freeze=[encoder]", "freeze was []"),
        ("decay_norms_and_biases=false", "decay_norms_and_biases was true"),
        ("+parameter_groups.a.match=encoder", "parameter_groups was []"),
        ("optimizer=sgd", "optimizer._target_"),
        ("scheduler=one_cycle", "scheduler._target_"),
        ("scheduler=null", "scheduler._target_"),
    ],
)
def test_what_a_checkpoint_belongs_to_cannot_change(
    tmp_path: Path, change: str, named: str
) -> None:
    begin(tmp_path, "model=fcn8s")
    with pytest.raises(ConfigError, match=re.escape(named)):
        check_same_run(compose("train", [change]), tmp_path)
    is_key = not (CONF_DIR / change.partition("=")[0]).is_dir()
    if is_key and not change.startswith("seed"):
        with pytest.raises(ConfigError, match=re.escape(named)):
            load_resumed_config(compose("train", [change]), tmp_path, [change])


def test_the_decay_of_a_group_can_change_but_not_the_number_of_groups(tmp_path: Path) -> None:
    group = "+parameter_groups.a={match: encoder}"
    decay = "+parameter_groups.a.weight_decay=0.1"
    begin(tmp_path, group)
    check_same_run(compose("train", [group, decay]), tmp_path)
    begin(tmp_path, group, "decay_norms_and_biases=false")
    with pytest.raises(ConfigError, match=r"parameter_groups was .* cannot become .*weight_decay"):
        check_same_run(compose("train", [group, decay, "decay_norms_and_biases=false"]), tmp_path)


def test_all_else_can_change(tmp_path: Path) -> None:
    begin(tmp_path, "model=fcn8s")
    changes = ["model=fcn8s", "trainer.max_epochs=9", "optimizer.lr=0.1", "scheduler.power=1"]
    check_same_run(compose("train", changes), tmp_path)
    assert load_resumed_config(compose("train", changes), tmp_path, changes[1:]).optimizer.lr == 0.1


@pytest.mark.parametrize("batches", [0, 3])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("data.batch_size=4", r"data.batch_size=4: .* after 3 batches.*size=8"),
        ("+trainer.limit_train_batches=2", r"limit_train_batches=2: .* after 3 batches.*=null"),
        ("+trainer.limit_train_batches=1", r"limit_train_batches=1: .* after 3 batches.*=null"),
        ("data.samples_per_epoch=19", r"samples_per_epoch=19: .* after 3 batches.*=null"),
    ],
)
def test_the_batches_of_an_epoch_stay_those_that_it_was_begun_with(
    tmp_path: Path, batches: int, changed: str, said: str
) -> None:
    begin(tmp_path, "data.batch_size=8")
    checkpoint = tmp_path / "last.ckpt"
    save_checkpoint({"resume": {"batches": batches}}, checkpoint)
    check_epoch_kept(compose("train", ["data.batch_size=8"]), tmp_path, checkpoint, 20)
    smaller = compose("train", ["data.batch_size=8", changed])
    if not batches:
        check_epoch_kept(smaller, tmp_path, checkpoint, 20)
    else:
        with pytest.raises(ConfigError, match=said):
            check_epoch_kept(smaller, tmp_path, checkpoint, 20)


@pytest.mark.parametrize(
    "given",
    [
        "+trainer.limit_train_batches=1.0",
        "+trainer.limit_train_batches=null",
        "data.samples_per_epoch=20",
        "data.unlabelled_batch_size=8",
        "trainer.accumulate_grad_batches=1",
    ],
)
def test_what_an_epoch_had_without_being_told_may_be_said(tmp_path: Path, given: str) -> None:
    checkpoint = tmp_path / "last.ckpt"
    save_checkpoint({"resume": {"batches": 3}}, checkpoint)
    for before, after in (([], [given]), ([given], [])):
        begin(tmp_path, "data.batch_size=8", *before)
        check_epoch_kept(compose("train", ["data.batch_size=8", *after]), tmp_path, checkpoint, 20)


def test_one_batch_of_an_epoch_is_not_all_of_it(tmp_path: Path) -> None:
    begin(tmp_path, "+trainer.limit_train_batches=1")
    save_checkpoint({"resume": {"batches": 1}}, tmp_path / "last.ckpt")
    cfg = compose("train", ["+trainer.limit_train_batches=1.0"])
    with pytest.raises(ConfigError, match=r"limit_train_batches=1\.0: .*limit_train_batches=1;"):
        check_epoch_kept(cfg, tmp_path, tmp_path / "last.ckpt", 20)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model.dropout=0", "model.dropout=0.0"),
        ("normalize.mean=[0,1,0]", "normalize.mean=[0.0,1.0,0.0]"),
        ("seed=0", "seed=0"),
    ],
)
def test_a_number_may_be_written_in_another_way(tmp_path: Path, before: str, after: str) -> None:
    begin(tmp_path, "model=fcn8s", before)
    check_same_run(compose("train", ["model=fcn8s", after]), tmp_path)
    cfg = compose("train", ["model=fcn8s", after])
    load_resumed_config(cfg, tmp_path, [after])


def test_a_budget_is_measured_once(tmp_path: Path) -> None:
    begin(tmp_path, "budget_s=60", "trainer.max_epochs=7")
    given = ["budget_s=60"]
    check_same_run(compose("train", given), tmp_path)
    refused = r"budget_s=\d+: .* trainer\.max_epochs=N"
    with pytest.raises(ConfigError, match=refused):
        load_resumed_config(compose("train", given), tmp_path, given)
    with pytest.raises(ConfigError, match=refused):
        check_same_run(compose("train", ["budget_s=90"]), tmp_path)
    again = load_reproduced_config(compose("train", []), tmp_path, [])
    assert again.budget_s is None and again.trainer.max_epochs == 7


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, version=FORMAT_VERSION - 1)
    with pytest.raises(CheckpointError, match="another version of Outtake"):
        check_same_run(compose("train", []), tmp_path)
