from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest
import torch
import yaml
from pytorch_lightning import Callback

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.config.compose import CONF_DIR, compose
from outtake.config.instantiate import resolve_config
from outtake.config.load_trained import load_trained
from outtake.config.schema import parse
from outtake.config.train_schema import TrainOptions
from outtake.core.errors import ConfigError, OutputError
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.programs.trainer_setup import OBJECTIVE, make_trainer
from outtake.programs.training_records import ResumptionRecorder, find_best_record
from outtake.runs.run_folder import RunFolder
from outtake.training.callbacks.early_stopping import EarlyStopping, check_monitored
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.trainer_info import find_callbacks
from tests.small_run import SMALL
from tests.tiers import keep_few


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints" / f"{name}.ckpt")["state_dict"]


def curve(run: Path) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    unequal = ("time_s", "train/samples_per_second")
    return [{k: v for k, v in json.loads(line).items() if k not in unequal} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name
    assert curve(one) == curve(other)


def test_a_run_folder_describes_itself(small_run: Path) -> None:
    names = {path.name for path in small_run.iterdir()}
    assert names >= {
        "config.yaml",
        "overrides.yaml",
        "environment.json",
        "data.json",
        "metrics.jsonl",
        "summary.json",
        "checkpoints",
        "images",
    }
    checkpoints = {path.name for path in (small_run / "checkpoints").iterdir()}
    names = ("best.ckpt", "last.ckpt", "previous.ckpt")
    assert checkpoints == {name + suffix for name in names for suffix in ("", ".sha256")}
    assert (
        "${paths.runs}" in (small_run / "config.yaml").read_text()
        or "${oc.env" in (small_run / "config.yaml").read_text()
    ), "the config is kept unresolved"
    resolved = yaml.safe_load((small_run / "config_resolved.yaml").read_text())
    assert resolved["data"]["short_side"] == 64
    assert resolved["paths"]["runs"] == "${oc.env:OUTTAKE_RUNS,runs}", "no path of this machine"
    assert yaml.safe_load((small_run / "overrides.yaml").read_text()) == list(SMALL)
    environment = json.loads((small_run / "environment.json").read_text())
    assert environment["packages"]["torch"] and environment["hardware"]["cpu"]
    data = json.loads((small_run / "data.json").read_text())
    assert {"train", "val"} <= set(data.get("splits", data))
    summary = json.loads((small_run / "summary.json").read_text())
    assert summary["best"][OBJECTIVE] == find_best_record(small_run / "metrics.jsonl")[OBJECTIVE]
    assert summary["samples_per_second"] > 0 and summary["wall_time_s"] > 0


def test_every_epoch_has_its_rate_however_seldom_steps_are_logged(small_run: Path) -> None:
    lines = (small_run / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    rates = [r["epoch"] for r in records if r.get("train/samples_per_second", 0) > 0]
    assert rates == [0, 1]


def test_metrics_hold_losses_and_every_class(small_run: Path) -> None:
    records = curve(small_run)
    keys = set().union(*records)
    labels = load_trained(small_run).labels
    assert {"train/loss_epoch", "val/loss", "val/miou", "val/pixel_accuracy"} <= keys
    assert len([key for key in keys if key.startswith("val/iou/")]) >= len(labels.names) - 2
    assert [r["epoch"] for r in records if OBJECTIVE in r] == [0, 1]


@pytest.mark.parametrize("workers", keep_few([0, 1, 2], [0, 2]))
def test_the_same_config_gives_the_same_bits_with_any_worker_count(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path, workers: int
) -> None:
    train(compose("train", runs.options(pairs, workers)), tmp_path / "again")
    assert_same_run(tiny_run, tmp_path / "again")


def test_another_seed_gives_another_run(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path
) -> None:
    train(compose("train", [*runs.options(pairs), "seed=1"]), tmp_path / "other")
    assert curve(tiny_run) != curve(tmp_path / "other")


@pytest.mark.parametrize("schedule", keep_few(["poly", "cosine", "one_cycle"], ["cosine"]))
def test_train_returns_the_objective_and_more_epochs_go_on_learning(
    runs: ModuleType, pairs: Path, tmp_path: Path, schedule: str
) -> None:
    run = tmp_path / "run"
    given = [each for each in runs.options(pairs, epochs=1) if "callbacks.ema" not in each]
    begun = [*given, f"scheduler={schedule}", "callbacks=ema", "~callbacks.progress"]
    first = train(compose("train", begun), run, begun)
    assert first == find_best_record(run / "metrics.jsonl")[OBJECTIVE]
    before, config = weights(run), (run / "config.yaml").read_text()
    more = [f"resume={run}", "trainer.max_epochs=3"]
    assert train(compose("train", more), overrides=more) >= first
    after = weights(run)
    moved = [n for n, v in after.items() if v.is_floating_point() and "net" in n]
    assert any((after[n] - before[n]).abs().max() > 1e-4 for n in moved)
    assert (run / "resumptions.jsonl").read_text().count("\n") == 1
    rates = [r["lr-AdamW"] for r in curve(run) if "lr-AdamW" in r]
    assert rates[-1] > 0
    assert [r["epoch"] for r in curve(run) if OBJECTIVE in r] == [0, 1, 2]
    changed = config.replace("max_epochs: 1\n", "max_epochs: 3\n")
    assert (run / "config.yaml").read_text() == changed


def test_last_is_the_last_epoch_even_if_an_earlier_one_was_better(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # Nothing is learnt, and nothing normalised by what was seen: none after the first is better.
    given = [*runs.options(pairs, epochs=3), "optimizer.lr=0.0", "scheduler=null"]
    given += [
        "+model._args_=[{_target_:torch.nn.Conv2d,in_channels:3,out_channels:2,kernel_size:1}]"
    ]
    given = [each for each in given if runs.LAYERS not in each]
    train(compose("train", given), run)
    epochs = {
        name: read_checkpoint(run / "checkpoints" / f"{name}.ckpt")["epoch"]
        for name in ("best", "last")
    }
    assert epochs == {"best": 0, "last": 2}


def test_a_resumed_run_keeps_its_own_config(small_run: Path) -> None:
    for change in ("model=unet", "backbone=resnet50", "~callbacks"):
        overrides = [f"resume={small_run}", change]
        with pytest.raises(ConfigError, match="keeps its own config"):
            train(compose("train", overrides), overrides=overrides)


def test_a_run_folder_is_never_written_over(small_run: Path) -> None:
    before = curve(small_run)
    with pytest.raises(OutputError, match="already holds a run"):
        train(compose("train", SMALL), small_run)
    assert curve(small_run) == before


def test_a_run_that_had_ended_keeps_its_summary(tiny_run: Path, tmp_path: Path, capsys) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    before = (run / "summary.json").read_bytes()
    given = [f"resume={run}"]
    score = train(compose("train", given), overrides=given)
    assert (run / "summary.json").read_bytes() == before
    assert score == json.loads(before)["best"][OBJECTIVE]
    assert "had ended already" in capsys.readouterr().out
    (run / "summary.json").write_text("{")
    assert train(compose("train", given), overrides=given) == score
    assert json.loads((run / "summary.json").read_text())["best"] == json.loads(before)["best"]


def test_only_a_step_makes_a_summary_untrue(tmp_path: Path) -> None:
    (tmp_path / "summary.json").touch()
    trainer = Mock(is_global_zero=True, sanity_checking=True)
    recorder = ResumptionRecorder(
        RunFolder(tmp_path), compose("train", [*SMALL, f"resume={tmp_path}"]), []
    )
    for hook in ("setup", "on_fit_start", "on_train_start", "on_train_epoch_start"):
        arguments = (Mock(), "fit") if hook == "setup" else (Mock(),)
        getattr(recorder, hook)(trainer, *arguments)
        assert (tmp_path / "summary.json").exists()
    recorder.on_train_batch_start(trainer, Mock(), {}, 0)
    recorder.on_validation_batch_end(trainer, Mock(), {}, {}, 0)
    assert (tmp_path / "summary.json").exists()
    recorder.on_train_batch_end(trainer, Mock(), {}, {}, 0)
    assert not (tmp_path / "summary.json").exists()


def test_dashboards_and_secrets(runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch) -> None:
    canary = "c4n4ry-5up3r-s3cret"
    monkeypatch.setenv("MY_SERVICE_TOKEN", canary)
    overrides = [*runs.options(pairs, epochs=1), "logger=default", f"note={canary}"]
    overrides += ["callbacks=default", "~callbacks.progress", f"+service.api_key={canary}-too"]
    overrides += [f"+service.passwords=[{canary}-1,{canary}-2]"]
    run = tmp_path / "run"
    train(compose("train", overrides), run, overrides)
    assert list((run / "tensorboard").glob("events*"))
    assert list((run / "wandb").rglob("*.wandb"))
    assert list((run / "images").glob("val_epoch_*.png"))
    leaks = [
        path for path in run.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()
    ]
    assert not leaks


@pytest.mark.slow
def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    given = [*runs.options(pairs, epochs=1000), f"hydra.run.dir={run}"]
    process = ForkedProgram("train", given, tmp_path, tmp_path / "printed")
    limit_s = time.monotonic() + 120
    while time.monotonic() < limit_s and not (run / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    done = process.finish(60)
    assert done.returncode == 130, done.stderr
    assert f"resume={run}" in done.stderr and "Traceback" not in done.stderr
    assert weights(run)
    epochs = read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] + 1
    more = [f"resume={run}", f"trainer.max_epochs={epochs + 2}"]
    train(compose("train", more), overrides=more)
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == epochs + 1


@pytest.mark.full
def test_a_multirun_gives_one_run_for_each_combination(tmp_path: Path) -> None:
    command = [sys.executable, CONF_DIR.parent / "train.py", "-m", *SMALL]
    command += ["trainer.max_epochs=1", "model=fcn8s,fcn32s", "backbone=resnet18,mobilenet_v2"]
    command += [f"paths.runs={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summaries = list(tmp_path.glob("multirun/*/*/summary.json"))
    assert len({path.parent for path in summaries}) == 4
    models = {
        (config["model"]["stride"], config["model"]["encoder_name"])
        for config in (yaml.safe_load((p.parent / "config.yaml").read_text()) for p in summaries)
    }
    assert models == {(s, b) for s in (8, 32) for b in ("resnet18", "mobilenet_v2")}


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_every_precision_trains_and_validates(
    precision: str, runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    overrides = [*runs.options(pairs), f"trainer.precision={precision}", "trainer.max_epochs=1"]
    overrides += ["loss=cross_entropy_dice", "loss.class_weights=log"]
    assert train(compose("train", overrides), tmp_path / "run") > 0
    evaluate(compose("evaluate", [f"checkpoint={tmp_path / 'run'}", "report=false"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=-1", "seed=-1: must be a whole number, at least 0"),
        ("seed=abc", "seed=abc: must be a whole number"),
        ("checkpoint_every_n_steps=abc", "every_n_steps=abc: must be a whole number, at least 1"),
        ("callbacks.images.count=abc", "callbacks.images.count=abc: must be a whole number"),
        ("callbacks.worst.count=-1", "callbacks.worst.count=-1: must be a whole number"),
        ("trainer.max_epochs=0", "max_epochs=0: nothing would be trained; must be at least"),
        ("+trainer.max_steps=0", "trainer.max_steps=0: nothing would be trained"),
        ("trainer.max_epochs=-1", "a schedule of the learning rate needs the run's length"),
        ("scheduler.power=-1", "scheduler.power=-1: must be a number, at least 0"),
        (
            "trainer.gradient_clip_val=-1",
            "gradient_clip_val=-1: must be a number, at least 0 or null",
        ),
        ("+trainer.val_check_interval=100", "val_check_interval=100: an epoch has"),
        ("trainer.max_time=8", "trainer.max_time=8: must be DD:HH:MM:SS, as in 00:08:00:00"),
        ("trainer.max_time=8h", "trainer.max_time=8h: must be DD:HH:MM:SS"),
        ("callbacks.early_stopping.patience=abc", "patience=abc: must be a whole number"),
        ("callbacks.early_stopping.monitor=val/mio", "no such metric; there are val/fwiou, val/io"),
    ],
)
def test_what_can_not_work_is_refused_before_the_run_folder(
    change: str, message: str, runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    own = ("scheduler", "callbacks", "+callbacks", "+trainer.enable")
    given = [each for each in runs.options(pairs) if not each.startswith(own)]
    with pytest.raises(ConfigError, match=re.escape(message)):
        train(compose("train", [*given, "callbacks=early_stopping", change]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["callbacks=ema"], "an average over a share of the steps needs the run's length"),
        (["callbacks=ema", "callbacks.ema.decay=0.99"], None),
        (["callbacks=swa"], "a mean of the weights of the last epochs needs the run's length"),
        (["callbacks=swa", "callbacks.swa=null"], None),
        (["supervision=unimatch"], "a teacher that averages over a share of the steps needs"),
        (["supervision=unimatch", "supervision.teacher_window_share=0"], None),
    ],
)
def test_what_needs_a_length_is_refused_where_there_is_none(
    given: list[str], message: str | None
) -> None:
    endless = ["scheduler=null", "trainer.max_epochs=-1", *given]
    if message is None:
        parse(TrainOptions, resolve_config(compose("train", endless)))
        return
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(TrainOptions, resolve_config(compose("train", endless)))


def test_a_run_that_no_longer_improves_ends(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    given = [*runs.options(pairs, epochs=9), "callbacks.patience.patience=2"]
    given += ["+callbacks.patience.min_delta=1"]  # no mIoU is so much above the first
    train(compose("train", given), tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["stopped_early"] and summary["epochs"] == 3


def test_early_stopping_waits_for_a_validation(
    runs: ModuleType, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*runs.options(pairs), "+trainer.max_steps=1", "+trainer.limit_val_batches=0"]
    train(compose("train", given), tmp_path / "run")
    assert "ended before a validation" in capsys.readouterr().out
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_a_metric_that_a_callback_from_elsewhere_does_not_log_is_named(tmp_path: Path) -> None:
    class Elsewhere(Callback):
        pass

    cfg = compose("train", ["callbacks=early_stopping", "callbacks.early_stopping.monitor=x"])
    trainer = make_trainer(cfg, RunFolder(tmp_path / "run"))
    trainer.callbacks.append(Elsewhere())
    task = Mock()
    check_monitored(trainer, task)  # it may log anything
    assert not task.validation_metric_names.called
    (stopping,) = find_callbacks(trainer, EarlyStopping)
    with pytest.raises(ConfigError, match="monitor=x: no such metric; there are val/miou"):
        stopping.check_monitor({"val/miou"})


def test_the_checkpoint_that_is_named_is_there(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    train(compose("train", [*runs.options(pairs), "+trainer.fast_dev_run=true"]), tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (tmp_path / "run" / summary["checkpoint"]).is_file()


def test_where_there_is_no_checkpoint_none_is_named(
    runs: ModuleType, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*runs.options(pairs), "scheduler=null", "+trainer.limit_train_batches=0"]
    train(compose("train", given), tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["checkpoint"] is None and not list((tmp_path / "run").rglob("*.ckpt"))
    assert "without a checkpoint" in capsys.readouterr().out


def test_a_profiler_is_heard(
    runs: ModuleType, pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = [*runs.options(pairs, epochs=1), "+trainer.profiler=simple"]
    train(compose("train", given), tmp_path / "run")
    assert "run_training_epoch" in caplog.text
