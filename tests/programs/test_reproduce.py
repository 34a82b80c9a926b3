from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

from outtake.config.compose import compose
from outtake.core.errors import CheckpointError, ConfigError, ForbiddenTargetError, RecordError
from outtake.programs.reproduce import (
    list_environment_differences,
    list_resume_differences,
    reproduce,
)
from outtake.programs.train import train


def again(place: Path, target: Path, *overrides: str) -> float:
    given = [f"reproduce={place}", *overrides]
    return reproduce(compose("train", given), target, given)


@pytest.fixture
def copied(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "copied"))


def test_a_run_comes_out_identical(tiny_run: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "again"
    objective = again(tiny_run / "summary.json", target, "data.workers=2")
    said = capsys.readouterr().out
    assert "identical: every record" in said and "not identical" not in said
    record = json.loads((target / "reproduction.json").read_text())
    assert record["first_mismatch"] is None and record["of"] == str(tiny_run)
    assert objective == json.loads((tiny_run / "summary.json").read_text())["best"]["val/miou"]
    assert yaml.safe_load((target / "config.yaml").read_text())["reproduce"] is None


def test_where_two_runs_part_is_named_and_the_exit_code_tells(copied: Path, tmp_path: Path, capsys):
    lines = (copied / "metrics.jsonl").read_text().splitlines()
    record = json.loads(lines[-1])
    key = next(key for key in record if key.startswith(("val/", "train/loss")))
    record[key] += 1e-9
    lines[-1] = json.dumps(record)
    (copied / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    environment = json.loads((copied / "environment.json").read_text())
    environment["packages"]["torch"] = "0.1"
    environment["flags"]["threads"] = 999
    (copied / "environment.json").write_text(json.dumps(environment))
    data = json.loads((copied / "data.json").read_text())
    data["fingerprint"] = "other"
    first = next(iter(data["splits"]["train"]["files"]))
    data["splits"]["train"]["files"][first] = ["0", "0"]
    (copied / "data.json").write_text(json.dumps(data))
    with pytest.raises(SystemExit) as ended:
        again(copied, tmp_path / "again")
    said = capsys.readouterr().out
    assert ended.value.code == 1
    assert f"not identical: first at step {record['step']}, {key} was" in said
    assert "differs: package torch: 0.1, now " in said
    assert "differs: flag threads: 999, now " in said
    assert f"differs: data train: 1 samples have changed, the first is {first}" in said


def test_a_key_that_is_new_since_then_has_its_default(copied: Path, tmp_path: Path) -> None:
    saved = yaml.safe_load((copied / "config.yaml").read_text())
    del saved["checkpoint_every_n_steps"], saved["channels_last"]
    (copied / "config.yaml").write_text(yaml.safe_dump(saved, sort_keys=False))
    again(copied, tmp_path / "again")
    now = yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())
    assert now["channels_last"] is True and now["checkpoint_every_n_steps"] is None


def test_what_is_no_run_and_whole_groups_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml is missing"):
        again(tmp_path, tmp_path / "again")
    with pytest.raises(ConfigError, match="keeps its own config"):
        again(tiny_run, tmp_path / "again", "model=unet")
    with pytest.raises(ConfigError, match="reproduce"):
        train(compose("train", [f"reproduce={tiny_run}"]), tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"loss": {"_target_": "os.system", "_args_": ["true"]}},
        {
            "loss": {
                "_target_": "outtake.training.losses.cross_entropy.CrossEntropy",
                "x": "${oc.env:HOME}",
            }
        },
    ],
)
def test_a_saved_config_is_not_trusted(copied: Path, tmp_path: Path, change: dict) -> None:
    saved = yaml.safe_load((copied / "config.yaml").read_text())
    (copied / "config.yaml").write_text(yaml.safe_dump({**saved, **change}, sort_keys=False))
    with pytest.raises(ForbiddenTargetError):
        again(copied, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.jsonl", '{"step": 1\n{"step": 2}\n'),
        ("resumptions.jsonl", '{"overrides"\n{"overrides": []}\n'),
        ("data.json", "{"),
        ("environment.json", "["),
    ],
)
def test_what_is_compared_is_read_before_anything_is_trained(
    copied: Path, tmp_path: Path, name: str, content: str
) -> None:
    (copied / name).write_text(content)
    with pytest.raises(RecordError, match=rf"{name}.* is not .*; restore it|delete that line"):
        again(copied, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_half_a_last_line_of_resumptions_is_left_out(tmp_path: Path) -> None:
    line = json.dumps({"overrides": ["resume=x", "seed=3"]})
    (tmp_path / "resumptions.jsonl").write_text(f'{line}\n{{"overri')
    assert list_resume_differences(tmp_path) == [
        "resumed with seed=3; this one is trained in one go"
    ]


def test_only_what_changed_is_named() -> None:
    old = {"git": {"revision": "a", "diff": ""}, "packages": {"x": "1", "y": "2"}, "argv": ["a"]}
    new = {"git": {"revision": "b", "diff": "+"}, "packages": {"x": "1", "z": "3"}, "argv": ["b"]}
    assert list_environment_differences(old, new) == [
        "revision: a, now b",
        "uncommitted changes: absent, now +",
        "package y: 2, now absent",
        "package z: absent, now 3",
    ]


def test_deterministic_algorithms_are_no_difference(
    runs: ModuleType, pairs: Path, tmp_path: Path, capsys
) -> None:
    overrides = [*runs.options(pairs), "trainer.deterministic=true", "trainer.max_epochs=1"]
    train(compose("train", overrides), tmp_path / "run", overrides)
    torch.use_deterministic_algorithms(False)  # as in a new process
    again(tmp_path / "run", tmp_path / "again")
    torch.use_deterministic_algorithms(False)
    said = capsys.readouterr().out
    assert "identical: every record" in said and "flag deterministic" not in said


@pytest.mark.parametrize("option", ["reproduce", "resume"])
def test_a_run_of_another_version_is_refused_in_one_line(
    tiny_run: Path, tmp_path: Path, option: str
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "old"))
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(environment | {"format": 1}))
    program = reproduce if option == "reproduce" else train
    with pytest.raises(CheckpointError, match=r"old was written by another version .*format 1"):
        program(compose("train", [f"{option}={run}"]), overrides=[f"{option}={run}"])
