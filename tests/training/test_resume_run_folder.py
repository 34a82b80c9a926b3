"""What a run folder keeps and says where its run goes on."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.signals import handle_signals
from outtake.pages.comparison.run_record import read_run
from outtake.programs.export import export
from outtake.programs.reproduce import find_run_folder
from outtake.programs.train import train
from outtake.training.checkpoint_files import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    read_checkpoint,
    save_checkpoint,
)
from outtake.training.resume import hangup_signals
from tests.training.interrupted_run import end_at, go_on


@pytest.mark.parametrize(("former", "kept"), [(0.999, True), (0.001, False)])
def test_a_run_in_a_moved_folder_keeps_its_best_checkpoint_until_there_is_a_better_one(
    runs: ModuleType, tiny_run: Path, tmp_path: Path, former: float, kept: bool
) -> None:
    run = tmp_path / "moved"
    shutil.copytree(tiny_run, run)
    checkpoints = run / "checkpoints"
    last = read_checkpoint(checkpoints / "last.ckpt")
    (state,) = (s for k, s in last["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert Path(state["dirpath"]) == tiny_run / "checkpoints"
    score = torch.tensor(former)
    state |= {"best_model_score": score, "kth_value": score}
    state["best_k_models"] = dict.fromkeys(state["best_k_models"], score)
    save_checkpoint(last, checkpoints / "last.ckpt")
    before = {path: path.read_bytes() for path in (tiny_run / "checkpoints").iterdir()}
    best = (checkpoints / "best.ckpt").read_bytes()
    go_on(run, "trainer.max_epochs=3")
    assert ((checkpoints / "best.ckpt").read_bytes() == best) is kept
    assert {path: path.read_bytes() for path in (tiny_run / "checkpoints").iterdir()} == before
    last = read_checkpoint(checkpoints / "last.ckpt")
    (state,) = (s for k, s in last["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert state["best_model_path"] == str(checkpoints / "best.ckpt")
    assert (float(state["best_model_score"]) == pytest.approx(former)) is kept


def test_a_run_of_which_only_the_last_checkpoint_was_copied_gets_a_best_one_again(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "copied"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("best.ckpt*"))
    go_on(run, "trainer.max_epochs=3")
    assert load_trained(run).path == run / "checkpoints" / "best.ckpt"


def test_a_run_that_goes_on_has_no_summary_until_it_has_ended(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    with monkeypatch.context() as patch:
        end_at(patch, "training_step", 2)
        with pytest.raises(SystemExit):
            go_on(run, "trainer.max_epochs=4")
    assert not (run / "summary.json").exists()
    found = read_run(run, "run")
    assert found.state == "unfinished" and found.best["val/miou"] > 0
    export(compose("export", [f"checkpoint={run}"]))
    with zipfile.ZipFile(run / "run.zip") as bundle:
        assert "report/summary.json" not in bundle.namelist()
    assert find_run_folder(str(run / "summary.json")).path == run

    train(compose("train", [f"resume={run}"]))
    assert json.loads((run / "summary.json").read_text())["epochs"] == 4
    assert read_run(run, "run").state == "finished"


def test_a_run_with_nothing_left_to_do_keeps_its_summary_meanwhile(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    there = []
    former = Trainer.fit

    def fit(*given: Any, **options: Any) -> None:
        former(*given, **options)
        there.append((run / "summary.json").exists())

    monkeypatch.setattr(Trainer, "fit", fit)
    train(compose("train", [f"resume={run}"]))
    assert there == [True]


def test_the_end_of_a_terminal_ends_a_run_that_nohup_has_not_begun() -> None:
    assert hangup_signals() == (signal.SIGHUP,)
    with handle_signals({signal.SIGHUP: signal.SIG_IGN}):
        assert hangup_signals() == ()


def test_ctrl_c_ends_after_the_step_and_a_second_at_once(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*runs.options(pairs), "checkpoint_every_n_steps=null"]
    with monkeypatch.context() as patch:
        end_at(patch, "training_step", 3, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="resume="):
            train(compose("train", overrides), tmp_path / "once")
    assert read_checkpoint(tmp_path / "once" / "checkpoints" / "last.ckpt")["global_step"] == 3
    with monkeypatch.context() as patch:
        end_at(patch, "training_step", 3, signal.SIGINT)
        end_at(patch, "training_step", 3, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
            train(compose("train", overrides), tmp_path / "twice")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_without_a_best_checkpoint_is_scored_by_its_last_that_is_sound(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    end_at(monkeypatch, "training_step", 3)
    with pytest.raises(SystemExit):
        train(compose("train", runs.options(pairs)), run)
    assert load_trained(run).path.name == "last.ckpt"
    (run / "checkpoints" / "last.ckpt").write_bytes(b"")
    assert load_trained(run).path.name == "previous.ckpt"


def test_a_run_that_stopped_early_is_over_until_it_is_given_more_patience(
    runs: ModuleType, pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    logging.getLogger("outtake").propagate = True
    run, given = tmp_path / "run", [*runs.options(pairs, epochs=9), "callbacks.patience.patience=2"]
    train(compose("train", [*given, "+callbacks.patience.min_delta=1"]), run)
    done, summary = runs.final_state(run), json.loads((run / "summary.json").read_text())
    assert summary["stopped_early"] and summary["epochs"] == 3
    for _ in range(2):
        go_on(run)
        assert runs.difference(done, runs.final_state(run)) is None
        again = json.loads((run / "summary.json").read_text())
        assert again["stopped_early"] and again["epochs"] == 3
        assert again["samples_per_second"] == summary["samples_per_second"]
        assert again["wall_time_s"] > summary["wall_time_s"] - 0.2
    assert "this run has stopped early" in caplog.text
    go_on(run, "+callbacks.patience.patience=4")
    assert json.loads((run / "summary.json").read_text())["epochs"] == 5


def test_the_times_of_a_run_that_went_on_are_those_of_all_its_parts(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, clock = tmp_path / "run", iter(range(0, 10**9, 10))
    with monkeypatch.context() as patch:
        patch.setattr(
            "outtake.training.callbacks.throughput.time.perf_counter", lambda: next(clock)
        )
        train(compose("train", runs.options(pairs, epochs=1)), run)
    before = json.loads((run / "summary.json").read_text())["wall_time_s"]
    assert before > 10
    go_on(run, "trainer.max_epochs=2")
    after = json.loads((run / "summary.json").read_text())["wall_time_s"]
    # What is saved last is earlier than the end, by as many readings of the clock as saving takes.
    assert before - 30 <= after < before + 9


def test_a_run_that_goes_on_keeps_its_name(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    train(compose("train", runs.options(pairs, epochs=1)), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"name=other: resume=.* continues in that folder"):
        go_on(tmp_path / "run", "name=other")


def test_a_finished_run_with_nothing_to_go_on_from_is_not_begun_anew(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    run, given = tmp_path / "run", [*runs.options(pairs, epochs=1), "resume=auto"]
    train(compose("train", given), run)
    for name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        (run / "checkpoints" / name).unlink()
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(
        OutputError, match=r"cannot be resumed, without checkpoints/last\.ckpt; choose"
    ):
        train(compose("train", given), run)
    assert kept == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


HOLDER = """
import sys
from pathlib import Path
from outtake.core.file_lock import FolderLock
from outtake.core.signals import handle_signals
lock = FolderLock(Path(sys.argv[1]) / ".lock")
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_at_a_time_trains_in_a_run_folder(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(compose("train", runs.options(pairs, epochs=1)), run)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, run], stdin=pipe, stdout=pipe) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == b"held\n"
            kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
            with pytest.raises(
                OutputError, match="another process trains there; wait until it ends"
            ):
                go_on(run, "trainer.max_epochs=2")
            assert kept == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        finally:
            other.kill()
    go_on(run, "trainer.max_epochs=2")
    assert json.loads((run / "summary.json").read_text())["epochs"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_what_a_process_has_forked_does_not_hold_its_folder(tmp_path: Path) -> None:
    """A loader's workers outlive a killed run for a while."""
    script = HOLDER.replace(
        'print("held"',
        "import os, time\nif os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\nprint('held'",
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script, tmp_path]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == b"held\n"
            lock = FolderLock(tmp_path / ".lock")
            with pytest.raises(BlockingIOError):
                lock.take()
            other.kill()
            other.wait()
            lock.take()
            lock.release()
        finally:
            os.killpg(other.pid, signal.SIGKILL)


def test_resume_auto_begins_and_resumes_with_the_same_command(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    given = [*runs.options(pairs, epochs=1), "resume=auto", f"paths.runs={tmp_path}"]
    with pytest.raises(ConfigError, match="name=NAME"):
        train(compose("train", given))
    # Ended before anything was saved: begun anew in the same folder.
    run = tmp_path / "again"
    run.mkdir()
    (run / "config.yaml").write_text("name: again\n")
    (run / "metrics.jsonl").write_text('{"step": 0}\n')
    train(compose("train", [*given, "name=again"]))
    assert [record["epoch"] for record in runs.records(run) if "val/miou" in record] == [0]
    more = [*given, "name=again", "trainer.max_epochs=2"]
    train(compose("train", more), overrides=more)
    assert [record["epoch"] for record in runs.records(run) if "val/miou" in record] == [0, 1]
    with pytest.raises(ConfigError, match=r"optimizer\._target_ was"):
        train(compose("train", [*more, "optimizer=sgd"]))
