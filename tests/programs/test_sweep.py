"""sweep.py as a user runs it, and the trial's side inside train.py."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import hydra
import optuna
import pytest
import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.storages.journal import JournalFileBackend

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.config.compose import CONF_DIR, compose
from outtake.config.experiment_file import render_experiment, write_experiment
from outtake.config.instantiate import resolve_config
from outtake.config.program_options import SweepOptions, read_options
from outtake.core.errors import ConfigError, NonFiniteLossError, OutputError, OuttakeError
from outtake.programs.command_line import explain_error
from outtake.programs.sweep import check_overrides, make_sweep_config, run_sweep
from outtake.programs.train import train
from outtake.programs.trainer_setup import OBJECTIVE
from outtake.programs.training_records import find_best_record
from outtake.sweeps.storage import open_storage, storage_address
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial import TrialEnv
from outtake.sweeps.trial_process import is_alive
from outtake.sweeps.trial_result import PrunedTrialError, TrialStatus, read_result
from outtake.training.distributed.launch_environment import check_multirun_devices
from tests.small_run import SMALL
from tests.tiers import keep_few

ROOT = CONF_DIR.parent
BENCHMARKS = ROOT / "benchmarks"
LIMIT_S = 120


@pytest.fixture(scope="module")
def proofs() -> SimpleNamespace:
    from benchmarks.sweeps import reliability

    return SimpleNamespace(**vars(reliability))


# The proofs, at small size; benchmarks/sweeps/reliability.py runs them in full.


def test_crashing_trials_are_all_accounted_for(proofs, tmp_path: Path) -> None:
    # One of each: good, NaN, raised, and killed, whose place a good one takes.
    found = proofs.crashes(tmp_path, trials=4, chance=0.6, seed=11)
    assert found["accounted"] == 4 and found["stuck"] == 0
    assert found["folders used twice"] == 0
    assert {"finished", "failed", "diverged"} <= set(found["statuses"])
    assert found["lost and run again"] > 0


def test_a_killed_driver_goes_on_and_repeats_nothing_finished(proofs, tmp_path: Path) -> None:
    found = proofs.kills(tmp_path, trials=6, wanted=2, seed=1)
    assert found["results"] == 6 and found["stuck"] == 0
    assert found["finished trials run again"] == 0 and found["interrupted and run again"] > 0


@pytest.mark.full
def test_pruning_saves_epochs_and_keeps_the_best(proofs, tmp_path: Path) -> None:
    found = proofs.pruning(tmp_path, trials=14, epochs=10)
    assert found["saved"] > 0.15 and found["best against unpruned"] >= 0.99


def test_a_sweep_in_which_nothing_finished_is_an_error(proofs, tmp_path: Path) -> None:
    fixed = "crash=1 report=false"
    done = proofs.start(tmp_path, "s", 2, fixed, "retries=0", "give_up_after=9").finish(LIMIT_S)
    assert done.returncode == 2, done.stderr
    assert "error: no trial finished, so there is no best.yaml; the last is" in done.stderr
    assert (tmp_path / "sweeps" / "s" / "report.html").is_file()


def start(proofs, runs: Path, *overrides: str) -> ForkedProgram:
    fixed = "sleep_s=100 report=false"
    return proofs.start(runs, "s", 6, fixed, "n_jobs=2", *overrides)


def wait_for_trials(runs: Path, number: int) -> list[int]:
    """Wait until so many trials have begun; return their processes."""
    until_s = time.monotonic() + LIMIT_S
    found: list[Path] = []
    starts = runs / "sweeps" / "s" / "trials" / "starts.txt"
    while time.monotonic() < until_s:
        begun = len(starts.read_text().splitlines()) if starts.is_file() else 0
        found = sorted(runs.glob("sweeps/s/trials/*/process.json"))
        if begun >= number and len(found) >= number:
            return [json.loads(path.read_text())["pid"] for path in found]
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} trials began")


def ended(pids: list[int]) -> bool:
    until_s = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < until_s:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


def test_ctrl_c_ends_the_trials_and_says_how_to_go_on(proofs, tmp_path: Path) -> None:
    driver = start(proofs, tmp_path)
    try:
        pids = wait_for_trials(tmp_path, 2)
        second = start(proofs, tmp_path).finish(LIMIT_S)
        assert second.returncode == 2 and "another driver is at work" in second.stderr
        driver.send_signal(signal.SIGINT)
        done = driver.finish(LIMIT_S)
    finally:
        driver.kill()
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert "0 of 6 trials are done; resume with: python sweep.py" in done.stderr
    assert "-- sleep_s=100 report=false" in done.stderr
    assert ended(pids)
    study = proofs.study_of(tmp_path, "s")
    states = proofs.states(study)
    assert states["FAIL"] == states["WAITING"] == 2 and not states["RUNNING"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_trial_outlives_its_driver(proofs, tmp_path: Path, number: int, code: int) -> None:
    driver = start(proofs, tmp_path, "storage=journal")
    try:
        pids = wait_for_trials(tmp_path, 2)
        driver.send_signal(number)
        done = driver.finish(LIMIT_S)
    finally:
        driver.kill()
    assert done.returncode == code and ended(pids)


# What a user can get wrong.


def sweep_config(*overrides: str) -> tuple:
    cfg = compose("sweep", ["sweep=optimizer", *overrides])
    return cfg, "optimizer"


def settings_of(cfg: DictConfig, option: str | None, *arguments: Any) -> SweepConfig:
    return make_sweep_config(read_options(SweepOptions, cfg), option, *arguments)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("n_trials=0", "n_trials=0"),
        ("n_jobs=1.5", "n_jobs=1.5"),
        ("retries=-1", "retries=-1"),
        ("timeout_s=0", "timeout_s=0"),
        ("threads=many", "threads=many"),
        ("gpus=all", "gpus=all"),
        ("name=a/b", "name=a/b"),
        ("storage=postgres", "storage"),
        ("fixed=abc", "fixed=abc"),
        ("objectives.miou.direction=up", "objectives.miou.direction=up"),
        ("space.lr.low=1", "space.lr"),
        ("fixed=['~augment.steps.flip']", "cannot delete"),
        ("fixed=['model=fcn8s,unet']", "must have one value"),
        ("fixed=['[']", "cannot be read"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(override: str, said: str) -> None:
    with pytest.raises(OuttakeError) as caught:
        settings_of(*sweep_config(override))
    assert said in explain_error(caught.value)


def test_a_sweep_has_to_be_named() -> None:
    with pytest.raises(ConfigError, match="allowed are architecture, optimizer, speed"):
        settings_of(compose("sweep"), None)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("space.scheduler=[poly,cosin]", "scheduler=cosin: no such option"),
        ("space.lr.key=optimizer.lrr", "optimizer.lrr: no such config key"),
        ("fixed=['data=nope']", "data=nope: no such option"),
    ],
)
def test_what_train_py_does_not_have_shows_before_the_first_trial(
    tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(HydraException) as caught:
        run_sweep(*sweep_config(override, f"paths.runs={tmp_path}"))
    assert said in explain_error(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", sorted(p.stem for p in (CONF_DIR / "sweep").glob("*.yaml")))
def test_every_sweep_composes_with_every_choice(option: str) -> None:
    check_overrides(settings_of(compose("sweep", [f"sweep={option}"]), option))


TOY = """
import json, os
from pathlib import Path
result = json.loads(os.environ["OUTTAKE_SWEEP_TRIAL"])["result_path"]
Path(result).write_text(json.dumps({"status": "finished", "values": {"val/miou": 0.5}}))
"""


def test_the_address_of_a_database_is_never_written(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'c4n4ry.db'}"
    line = ["sweep.py", "sweep=optimizer", f"storage={address}", "n_jobs=2"]
    given = [f"paths.runs={tmp_path / 'runs'}", f"storage={address}", "n_trials=1"]
    (tmp_path / "toy.py").write_text(TOY)
    given += [f"command=['{sys.executable}','{tmp_path / 'toy.py'}']", "gpus=[]"]
    cfg, chosen = sweep_config(*given)
    for done in (0, 1):  # the same command goes on
        folder = run_sweep(cfg, chosen, line[1:])
        assert storage_trials(address, folder.name) == 1, done
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert texts and not any("c4n4ry" in text for text in texts)
    assert yaml.safe_load((folder / "sweep.yaml").read_text())["storage"] == "sqlite://..."
    again = settings_of(cfg, chosen, line[1:]).resume_command
    assert again == "python sweep.py sweep=optimizer storage=sqlite://... n_jobs=2"


@pytest.mark.parametrize("writes", [3, 6, 12, 16])
def test_a_full_disk_under_a_journal_is_one_line_and_costs_nothing(
    tmp_path: Path, monkeypatch, writes: int
) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    given = [f"paths.runs={tmp_path}", "storage=journal", "n_trials=3", "n_jobs=1", "gpus=[]"]
    cfg, chosen = sweep_config(*given, f"command=['{sys.executable}','{tmp_path / 'toy.py'}']")
    append, left = JournalFileBackend.append_logs, iter(range(writes))

    def until_full(self: JournalFileBackend, logs: list) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", until_full)
    with pytest.raises(OutputError, match=r"No space left.*resume with: python sweep\.py"):
        run_sweep(cfg, chosen, given)
    monkeypatch.undo()
    folder = run_sweep(cfg, chosen, given)
    storage = open_storage(storage_address("journal", folder))
    trials = optuna.load_study(study_name=folder.name, storage=storage).get_trials()
    assert [trial.state.name for trial in trials].count("COMPLETE") == 3
    assert not any(trial.state.name in ("RUNNING", "WAITING") for trial in trials)


def storage_trials(address: str, name: str) -> int:
    return len(optuna.load_study(study_name=name, storage=open_storage(address)).get_trials())


# The winner's experiment file.


def composed_with(folder: Path, overrides: list[str]) -> dict:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = hydra.compose("train", [f"hydra.searchpath=[file://{folder}]", *overrides])
    return OmegaConf.to_container(cfg, resolve=False)


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.lr=0.003", "model=unet", "backbone=mobilenet_v2", "trainer.max_epochs=3"],
        ["experiment=camvid", "model=unet", "optimizer.lr=1e-4", "data.short_side=96"],
        [
            "experiment=camvid_fast",
            "optimizer=sgd",
            "optimizer.momentum=0.8",
            "loss.class_weights=null",
        ],
        ["model=fpn", "+model.decoder_pyramid_channels=64", "data.crop=[64,96]", "scheduler=poly"],
        ["optimizer.lr=0.1", "optimizer.lr=0.2", "+note='it\\'s, x=1'", "++data.workers=0"],
        ["data=folder", "data.root=${paths.data}/mine", "channels_last=false", "logger=none"],
        ["experiment=camvid", "~augment", "~scheduler"],
        ["+note='1e-3'", "+tags=['1_000','on','2026-01-01','0x1f']", "+group='it: is'"],
        ["note='\\${seed}'", "data.root=${paths.data}/a b"],
    ],
)
def test_an_experiment_file_says_what_the_overrides_say(
    tmp_path: Path, overrides: list[str]
) -> None:
    write_experiment(tmp_path / "experiment" / "best.yaml", overrides, "A comment.\nTwo lines.")
    wanted = composed_with(tmp_path, overrides)
    assert composed_with(tmp_path, ["experiment=best"]) == wanted
    changed = composed_with(tmp_path, ["experiment=best", "seed=5"])
    assert changed == wanted | {"seed": 5}


def test_no_secret_reaches_an_experiment_file() -> None:
    text = render_experiment(["+service.api_key=c4n4ry-s3cret"], "password=c4n4ry-s3cret")
    assert "c4n4ry" not in text


def test_a_search_for_wandb_is_only_written(tmp_path: Path) -> None:
    target = tmp_path / "wandb.yaml"
    run_sweep(*sweep_config(f"paths.runs={tmp_path / 'runs'}", f"export_wandb={target}"))
    record = yaml.safe_load(target.read_text())
    assert record["parameters"]["scheduler"] == {"values": ["poly", "cosine", "one_cycle"]}
    assert not (tmp_path / "runs").exists()


# The trial's side inside train.py.


def trial_env_for(
    tmp_path: Path, monkeypatch, pruner: dict, metrics: Sequence[str] = (OBJECTIVE,)
) -> Path:
    address = storage_address("journal", tmp_path)
    study = optuna.create_study(study_name="s", storage=open_storage(address), direction="maximize")
    trial = study.ask()
    result = tmp_path / "result.json"
    trial_env = TrialEnv(
        address, "s", trial._trial_id, 0, list(metrics), pruner, str(result), False
    )
    for key, value in trial_env.to_environment().items():
        monkeypatch.setenv(key, value)
    return result


def test_a_run_reports_each_validation_and_its_forward_time(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    result = trial_env_for(tmp_path, monkeypatch, {"kind": "NopPruner"})
    objective = train(compose("train", runs.options(pairs)), tmp_path / "run")
    left = read_result(result)
    assert left is not None and left.status is TrialStatus.FINISHED
    assert (
        left.values[OBJECTIVE]
        == objective
        == find_best_record(tmp_path / "run/metrics.jsonl")[OBJECTIVE]
    )
    assert 0 < left.values["forward_ms"] < 10_000 and left.values["parameters"] == 194
    storage = open_storage(storage_address("journal", tmp_path))
    study = optuna.load_study(study_name="s", storage=storage)
    reported = study.get_trials()[0].intermediate_values
    assert set(reported) == {0, 1} and max(reported.values()) == pytest.approx(objective)


def test_a_run_that_is_told_to_stop_stops_and_keeps_its_folder(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    always = {"kind": "ThresholdPruner", "lower": 2.0}
    result = trial_env_for(tmp_path, monkeypatch, always)
    with pytest.raises(PrunedTrialError, match="after epoch 0") as caught:
        train(compose("train", runs.options(pairs, epochs=50)), tmp_path / "run")
    assert caught.value.exit_code == 75
    left = read_result(result)
    assert left is not None and left.status is TrialStatus.PRUNED
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epochs"] == 1


@pytest.mark.parametrize(
    "metrics", [["val/mious"], ["forward_ms", "val/iou/tree"]], ids=["one", "two"]
)
def test_what_validation_does_not_log_is_no_objective_which_the_first_one_tells(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch, metrics: list[str]
) -> None:
    trial_env_for(tmp_path, monkeypatch, {"kind": "NopPruner"}, metrics)
    with pytest.raises(ConfigError, match=f"a trial has no {metrics[-1]}; .*t has .*val/miou"):
        train(compose("train", runs.options(pairs, epochs=50)), tmp_path / "run")
    logged = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert json.loads(logged[-1])["epoch"] == 0


def test_a_loss_that_is_not_finite_is_a_result(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    result = trial_env_for(tmp_path, monkeypatch, {"kind": "NopPruner"})
    wild = [
        *runs.options(pairs),
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "trainer.gradient_clip_val=null",
    ]
    with pytest.raises(NonFiniteLossError):
        train(compose("train", wild), tmp_path / "run")
    left = read_result(result)
    assert left is not None and left.status is TrialStatus.DIVERGED


@pytest.mark.parametrize("trials", keep_few([1, 2], [1]))
def test_a_search_over_train_py_and_its_winner(
    runs: ModuleType, pairs: Path, tmp_path: Path, trials: int
) -> None:
    given = ["sweep=optimizer", f"n_trials={trials}", "n_jobs=2", f"paths.runs={tmp_path}"]
    own = [each for each in runs.options(pairs, epochs=1) if not each.startswith("scheduler")]
    given += ["pruner=NopPruner", "--", *own]
    done = ForkedProgram("sweep", given, tmp_path, tmp_path / "printed").finish(200)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "sweeps" / "optimizer"
    made = sorted(path.parent for path in folder.glob("trials/*/summary.json"))
    assert [run.name for run in made] == ["0000", "0001"][:trials]
    scores = {run: find_best_record(run / "metrics.jsonl")[OBJECTIVE] for run in made}
    winner = max(scores, key=lambda run: scores[run])
    # The file gives the config that the winner was trained with.
    own = OmegaConf.to_container(OmegaConf.load(winner / "config.yaml"), resolve=False)
    again = composed_with(folder, ["experiment=best"])
    assert {**again, "name": own["name"]} == own
    assert "experiment=best" in done.stdout and (folder / "report.html").is_file()


# Grids.


@pytest.mark.parametrize(
    "change", ["trainer.devices=2", "trainer.devices=auto", "+trainer.num_nodes=2"]
)
def test_several_devices_in_a_multirun_are_refused(change: str) -> None:
    with pytest.raises(ConfigError, match=r"in a multirun: one device a job"):
        check_multirun_devices(resolve_config(compose("train", [change]).trainer))
    check_multirun_devices(resolve_config(compose("train", ["trainer.devices=[3]"]).trainer))


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"],
        ["hydra/launcher=submitit_local"],
        ["hydra/launcher=ray", "+hydra.launcher.ray.init.include_dashboard=false"],
    ],
    ids=["joblib", "submitit", "ray"],
)
def test_a_grid_through_a_launcher(tmp_path: Path, launcher: list[str]) -> None:
    line = [sys.executable, ROOT / "train.py", "-m", *launcher, *SMALL, "trainer.max_epochs=1"]
    line += ["optimizer.lr=1e-3,2e-3", f"paths.runs={tmp_path}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=250, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    runs = [path.parent for path in tmp_path.glob("multirun/*/*/summary.json")]
    rates = {yaml.safe_load((run / "config.yaml").read_text())["optimizer"]["lr"] for run in runs}
    assert rates == {1e-3, 2e-3}
