"""The parts of a sweep, one by one."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import optuna
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from outtake.core.errors import ConfigError, NonFiniteLossError, OutputError
from outtake.sweeps.gpu_assignment import assign_gpus
from outtake.sweeps.search_space import format_override_value, parse_space
from outtake.sweeps.storage import (
    hide_storage_address,
    make_pruner,
    open_storage,
    storage_address,
)
from outtake.sweeps.sweep_config import parse_objectives
from outtake.sweeps.trial_callback import status_of_error
from outtake.sweeps.trial_env import PRUNED_EXIT_CODE, TrialEnv, read_trial_env
from outtake.sweeps.trial_result import (
    TrialResult,
    TrialStatus,
    classify_exit,
    objective_values,
    read_result,
    write_result,
)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 3, -2, 1e-5, 0.1, "fcn8s", "efficientnet-b0", "a b", "it's", "x=1"),
        *([128, 192], {"a": 1, "b": [2, "c d"]}, "", "back\\slash", "[1,2]"),
    ],
)
def test_a_value_reaches_hydra_as_it_was(value: object) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={format_override_value(value)}"])
    read = override.value()
    wanted = [1, 2] if value == "[1,2]" else value
    assert str(read) == str(wanted) or read == wanted
    assert not override.is_sweep_override()


def test_a_space_is_read() -> None:
    space = parse_space(
        {
            "lr": {"key": "optimizer.lr", "low": 1e-4, "high": 1e-2, "log": True},
            "batch": {"key": "data.batch_size", "low": 4, "high": 16, "step": 4},
            "model": ["fcn8s", "unet"],
            "crop": {"key": "data.crop", "choices": [[64, 64], [128, 192], None]},
        }
    )
    lr, batch, model, crop = space
    assert lr.override(0.001) == "optimizer.lr=0.001" and lr.representative_values() == [1e-4, 1e-2]
    assert batch.override(8) == "data.batch_size=8"
    assert model.key == "model" and model.representative_values() == ["fcn8s", "unet"]
    assert crop.representative_values() == ["[64,64]", "[128,192]", None]
    assert crop.override("[64,64]") == "data.crop=[64,64]"


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "space is empty"),
        ({"lr": {"low": 1}}, "space.lr"),
        ({"lr": {"low": 2, "high": 1}}, "space.lr"),
        ({"lr": {"low": 0.0, "high": 1.0, "log": True}}, "space.lr"),
        ({"lr": {"low": 0, "high": 1, "hihg": 2}}, "hihg"),
        ({"lr": {"low": "a", "high": 1}}, "numbers"),
        ({"lr": {"choices": []}}, "no choices"),
        ({"lr": 3}, "space.lr"),
        ({"a": {"key": "x", "choices": [1]}, "x": [1]}, "x is searched twice"),
        ({"~x": [1]}, "deletion"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(space: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_space(space)


def test_objectives_are_read_and_checked() -> None:
    good = {"miou": {"metric": "val/miou", "direction": "maximize", "worst": 0}}
    (objective,) = parse_objectives({**good, "gone": None})
    assert objective.is_better(0.5, 0.4) and not objective.is_better(0.4, 0.5)
    for bad in ({}, {"a": {"metric": "x"}}, {"a": {**good["miou"], "direction": "up"}}):
        with pytest.raises(ConfigError, match="objectives"):
            parse_objectives(bad)


def log_of(folder: Path, text: str) -> Path:
    path = folder / "trial.log"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("code", "said", "ending"),
    [
        (PRUNED_EXIT_CODE, "error: pruned after epoch 3", TrialStatus.PRUNED),
        (-9, "epoch 3", TrialStatus.LOST),
        (137, "", TrialStatus.LOST),
        (143, "", TrialStatus.LOST),
        (-11, "", TrialStatus.LOST),
        (
            69,
            "error: process 1 of 2 was ended by SIGKILL, and the others with it",
            TrialStatus.LOST,
        ),
        (69, "CUDA out of memory, said the process that was first", TrialStatus.OUT_OF_MEMORY),
        (2, "error: can not write x: No space left on device; what was there", TrialStatus.LOST),
        (1, "OSError: [Errno 5] Input/output error", TrialStatus.LOST),
        (2, "error: the loss became nan at epoch 0, step 3", TrialStatus.DIVERGED),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to", TrialStatus.OUT_OF_MEMORY),
        (-6, "DefaultCPUAllocator: can't allocate memory", TrialStatus.OUT_OF_MEMORY),
        (2, "error: model=nope: no such option", TrialStatus.FAILED),
        (1, "ValueError: something", TrialStatus.FAILED),
        (65, "error: the gradient became inf", TrialStatus.DIVERGED),
        (66, "error: it did not fit", TrialStatus.OUT_OF_MEMORY),
        (0, "all went well", TrialStatus.FAILED),
    ],
)
def test_what_an_end_means(tmp_path: Path, code: int, said: str, ending: TrialStatus) -> None:
    assert classify_exit(code, tmp_path / "none", log_of(tmp_path, said)).status is ending


def test_a_result_that_was_left_outweighs_the_exit_code(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    write_result(result, TrialResult(TrialStatus.FINISHED, {"val/miou": 0.5, "val/loss": math.nan}))
    left = classify_exit(-11, result, log_of(tmp_path, "crashed while it said goodbye"))
    assert left.status is TrialStatus.FINISHED and left.values["val/miou"] == 0.5
    result.write_text(result.read_text()[:20])
    assert read_result(result) is None
    assert classify_exit(-11, result, log_of(tmp_path, "")).status is TrialStatus.LOST


def test_objectives_out_of_a_result() -> None:
    good = TrialResult(TrialStatus.FINISHED, {"val/miou": 0.5, "val/loss": math.nan})
    assert objective_values(good, ["val/miou"])[1] == [0.5]
    assert objective_values(good, ["val/loss"])[0].status is TrialStatus.DIVERGED
    missing, values = objective_values(good, ["val/mious"])
    assert missing.status is TrialStatus.FAILED and values is None and "val/miou" in missing.message


def test_exceptions_that_are_results() -> None:
    try:
        try:
            raise torch.OutOfMemoryError("CUDA")
        except RuntimeError as error:
            raise OutputError("one line") from error
    except OutputError as error:
        assert status_of_error(error) is TrialStatus.OUT_OF_MEMORY
    assert (
        status_of_error(RuntimeError("can't allocate memory: 3 bytes")) is TrialStatus.OUT_OF_MEMORY
    )
    assert status_of_error(NonFiniteLossError("nan")) is TrialStatus.DIVERGED
    assert status_of_error(RuntimeError("shape mismatch")) is None


@pytest.mark.parametrize(
    ("gpus", "per_trial", "jobs", "slots"),
    [
        ([0, 1], 1, 2, ["0", "1"]),
        ([0, 1], 0.5, 3, ["0", "1", "0"]),
        ([0, 1, 2, 3], 2, 2, ["0,1", "2,3"]),
        (["GPU-a"], 1, 1, ["GPU-a"]),
        ([], 1, 2, ["", ""]),
    ],
)
def test_gpus_are_divided(gpus: list, per_trial: float, jobs: int, slots: list[str]) -> None:
    assert assign_gpus(gpus, per_trial, jobs) == slots


def test_gpus_that_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert assign_gpus("auto", 1, 2) == ["2", "5"]
    with pytest.raises(ConfigError, match="n_jobs=3: 2 GPUs"):
        assign_gpus("auto", 1, 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert assign_gpus("auto", 1, 3) == []
    for wrong in (0, 1.5):
        with pytest.raises(ConfigError, match="gpus_per_trial"):
            assign_gpus([0, 1, 2], wrong, 1)


def test_a_ticket_survives_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = TrialEnv(
        "sqlite:///a b.db", "s", 3, 2, "val/miou", True, ("val/miou",), {"kind": "X"}, "/r"
    )
    monkeypatch.delenv("OUTTAKE_SWEEP_TRIAL", raising=False)
    assert read_trial_env() is None
    for key, value in ticket.to_environment().items():
        monkeypatch.setenv(key, value)
    assert read_trial_env() == ticket


def test_storages_and_pruners_by_name(tmp_path: Path) -> None:
    assert storage_address("sqlite", tmp_path).startswith("sqlite:////")
    assert storage_address("journal", tmp_path).startswith("journal:/")
    assert storage_address("mysql://u@h/n", tmp_path) == "mysql://u@h/n"
    with pytest.raises(ConfigError, match="storage"):
        storage_address("postgres", tmp_path)
    assert make_pruner({"kind": "MedianPruner", "n_warmup_steps": 3})
    with pytest.raises(ConfigError, match=r"pruner\.kind=Median: allowed are"):
        make_pruner({"kind": "Median"})
    with pytest.raises(ConfigError, match="pruner: MedianPruner"):
        make_pruner({"kind": "MedianPruner", "nope": 1})


@pytest.mark.parametrize(
    ("chosen", "kind"),
    [
        ("sqlite", "sqlite"),
        ("journal", "journal"),
        ("postgresql+psycopg2://me:c4n4ry@h/n", "postgresql+psycopg2://..."),
        ("storage=mysql://me:c4n4ry@h/n", "storage=mysql://..."),
        ("++storage='mysql://me:c4n 4ry@h/n'", "++storage=mysql://..."),
        ("storage=${oc.env:DATABASE}", "storage=${oc.env:DATABASE}"),
    ],
)
def test_of_an_address_only_the_kind_is_written(chosen: str, kind: str) -> None:
    assert hide_storage_address(chosen) == kind


def test_half_a_line_in_a_journal_costs_nothing_but_itself(tmp_path: Path) -> None:
    address = storage_address("journal", tmp_path)
    study = optuna.create_study(study_name="s", storage=open_storage(address))
    study.set_user_attr("first", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, ((tmp_path / "study.journal").stat().st_size + 10, hard)
    )
    try:
        with pytest.raises(optuna.exceptions.StorageInternalError):
            study.set_user_attr("second", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "study.journal").read_bytes().endswith(b"\n"), "it was written in part"
    study.set_user_attr("third", 3)
    for each in (study, optuna.load_study(study_name="s", storage=open_storage(address))):
        assert each.user_attrs == {"first": 1, "third": 3}


def test_a_journal_that_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage: .*study\.journal can not be opened"):
        open_storage(storage_address("journal", tmp_path / "missing"))
    (tmp_path / "study.journal").write_text("{\n{}\n")
    with pytest.raises(ConfigError, match=r"storage: .*study\.journal can not be opened"):
        open_storage(storage_address("journal", tmp_path))


def test_no_secret_reaches_a_result(tmp_path: Path) -> None:
    write_result(
        tmp_path / "r.json", TrialResult(TrialStatus.FAILED, message="api_key=c4n4ry-s3cret")
    )
    assert "c4n4ry" not in json.dumps(json.loads((tmp_path / "r.json").read_text()))
