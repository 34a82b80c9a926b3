"""A run that goes on gives what it would have given, wherever it was ended."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Timer

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import CheckpointError, ConfigError, OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.signals import handle_signals
from outtake.pages.comparison.run_record import read_run
from outtake.programs.evaluate import evaluate
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
from outtake.training.task import SegmentationTask
from tests.tiers import keep_few


@pytest.fixture(scope="module")
def uninterrupted(
    runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[list[str]], dict]:
    """The final state of a run without interruption; one run for each set of overrides."""

    @cache
    def whole(overrides: tuple[str, ...]) -> dict:
        run = tmp_path_factory.mktemp("whole") / "run"
        train(compose("train", list(overrides)), run)
        return runs.final_state(run)

    # What is prepared by how many processes, and what is saved when, changes nothing.
    free = ("data.workers", "checkpoint_every_n_steps")
    return lambda given: whole(tuple(o for o in given if not o.startswith(free)))


def end_at(
    monkeypatch: pytest.MonkeyPatch, hook: str, nth: int, number: int = signal.SIGTERM
) -> None:
    """Send this process a signal at the n-th call of a hook of the task."""
    calls = []
    former: Callable[..., Any] = getattr(SegmentationTask, hook)

    def counted(task: SegmentationTask, *arguments: Any) -> Any:
        calls.append(0)
        if len(calls) == nth:
            os.kill(os.getpid(), number)
        return former(task, *arguments)

    monkeypatch.setattr(SegmentationTask, hook, counted)


def go_on(run: Path, *changed: str) -> None:
    """Resume a run with some keys changed."""
    train(compose("train", [f"resume={run}", *changed]), overrides=changed)


PLACES = {
    "in the first step": ("training_step", 1, []),
    "inside an epoch": ("training_step", 6, []),
    "in the last step of an epoch": ("training_step", 4, []),
    "in a validation": ("validation_step", 1, ["data.eval_batch_size=1"]),
    "in the last validation": ("validation_step", 7, ["data.eval_batch_size=1"]),
    "between an epoch and the next": ("on_train_epoch_end", 1, []),
    "while gradients accumulate": ("training_step", 5, ["trainer.accumulate_grad_batches=3"]),
    "in a validation while gradients accumulate": (
        "validation_step",
        1,
        ["trainer.accumulate_grad_batches=2", "+trainer.val_check_interval=3"],
    ),
    "between validations of an epoch": ("training_step", 6, ["+trainer.val_check_interval=0.5"]),
    "with a limit of steps": ("training_step", 6, ["+trainer.max_steps=7"]),
    "with two workers": ("training_step", 6, ["data.workers=2"]),
    "where no validation follows": ("training_step", 4, ["trainer.check_val_every_n_epoch=2"]),
}


@pytest.mark.parametrize(
    "place", keep_few(PLACES, ("inside an epoch", "in a validation while gradients accumulate"))
)
def test_a_run_ended_by_a_signal_goes_on_bit_for_bit(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    hook, nth, extra = PLACES[place]
    overrides = [*runs.options(pairs), "checkpoint_every_n_steps=null", *extra]
    with monkeypatch.context() as patch:
        end_at(patch, hook, nth)
        with pytest.raises(SystemExit) as ended:
            train(compose("train", overrides), tmp_path / "ended")
    assert ended.value.code == 143
    done = read_checkpoint(tmp_path / "ended" / "checkpoints" / "last.ckpt")["global_step"]
    train(compose("train", [f"resume={tmp_path / 'ended'}"]))
    whole, again = uninterrupted(overrides), runs.final_state(tmp_path / "ended")
    assert runs.difference(whole, again) is None
    assert 0 < done < whole["last"]["global_step"] or "last validation" in place
    scored = [record for record in again["metrics"] if "val/miou" in record]
    assert len(list((tmp_path / "ended" / "confusion").iterdir())) == len(scored)


AVERAGES = {
    "stochastic weight averaging": [
        "scheduler=null",
        "+callbacks.swa._target_=outtake.training.callbacks.swa.StochasticWeightAveraging",
        "+callbacks.swa.start=0.3",
        "+callbacks.swa.batchnorm_batches=2",
    ],
    "schedule-free": ["scheduler=null", "optimizer=schedule_free_adamw", "optimizer.lr=0.05"],
}


@pytest.mark.parametrize("hook, nth", [("training_step", 7), ("validation_step", 4)])
@pytest.mark.parametrize("average", AVERAGES)
def test_averages_of_weights_go_on_bit_for_bit(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    average: str,
    hook: str,
    nth: int,
) -> None:
    if average == "schedule-free":
        pytest.importorskip("schedulefree")
    own = [each for each in runs.options(pairs, epochs=3) if "callbacks.ema" not in each]
    overrides = [*own, "checkpoint_every_n_steps=null", "data.eval_batch_size=2"]
    overrides += AVERAGES[average]
    with monkeypatch.context() as patch:
        end_at(patch, hook, nth)
        with pytest.raises(SystemExit):
            train(compose("train", overrides), tmp_path / "ended")
    train(compose("train", [f"resume={tmp_path / 'ended'}"]))
    whole, again = uninterrupted(overrides), runs.final_state(tmp_path / "ended")
    assert runs.difference(whole, again) is None


# Without a schedule, which is as long as the limit. Four steps an epoch.
LIMITS = {
    "inside the first epoch": (2, []),
    "inside an epoch": (6, []),
    "at the end of an epoch": (8, []),
    "while gradients accumulate": (3, ["trainer.accumulate_grad_batches=3"]),
    "at a validation inside an epoch": (6, ["+trainer.val_check_interval=0.5"]),
}


@pytest.mark.parametrize("place", keep_few(LIMITS, ("at a validation inside an epoch",)))
def test_a_run_ended_by_a_limit_of_steps_goes_on_bit_for_bit(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    place: str,
) -> None:
    steps, extra = LIMITS[place]
    given = [o for o in runs.options(pairs, epochs=3) if not o.startswith("scheduler")]
    overrides = [*given, "~scheduler", "checkpoint_every_n_steps=null", *extra]
    train(compose("train", [*overrides, f"+trainer.max_steps={steps}"]), tmp_path / "ended")
    last = read_checkpoint(tmp_path / "ended" / "checkpoints" / "last.ckpt")
    done = steps * (3 if "accumulate" in place else 1)
    if "accumulate" in place:
        done = 4 + 3  # the epoch's last batch alone is a step too
    assert last["global_step"] == steps and last["resume"]["batches"] == done % 4
    assert last["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"] == done // 4
    go_on(tmp_path / "ended", "+trainer.max_steps=-1")
    whole, again = uninterrupted(overrides), runs.final_state(tmp_path / "ended")
    assert runs.difference(whole, again) is None


def test_a_run_ended_by_a_limit_of_time_goes_on_bit_for_bit_and_keeps_its_last_score(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overrides = [*runs.options(pairs), "checkpoint_every_n_steps=null"]
    run, steps = tmp_path / "ended", []
    with monkeypatch.context() as patch:
        former = SegmentationTask.training_step
        patch.setattr(
            SegmentationTask,
            "training_step",
            lambda *given: (steps.append(0), former(*given))[1],
        )
        patch.setattr(Timer, "time_elapsed", lambda *_: 3600.0 * (len(steps) >= 6))
        train(compose("train", [*overrides, "trainer.max_time=00:00:30:00"]), run)
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 6 and last["resume"]["batches"] == 2
    ended = runs.records(run)
    scores = {r["step"]: r["val/miou"] for r in ended if "val/miou" in r}
    assert list(scores) == [3, 5]
    (best,) = (s for k, s in last["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert float(best["best_model_score"]) == pytest.approx(max(scores.values()))

    go_on(run, "trainer.max_time=null")
    whole, again = uninterrupted(overrides), runs.final_state(run)
    extra = [record for record in again["metrics"] if record not in whole["metrics"]]
    assert [r["step"] for r in extra] == [5] and "val/miou" in extra[0]
    again["metrics"].remove(extra[0])
    names = [path.name for path in sorted((run / "confusion").iterdir())]
    at_the_limit = "val_epoch_0001_step_000006.json"
    assert names == ["val_epoch_0000.json", "val_epoch_0001.json", at_the_limit]
    # The callbacks have seen one score more, and it may be the best.
    whole, again = (
        state | {"best": None, "last": state["last"] | {"callbacks": None}}
        for state in (whole, again)
    )
    assert runs.difference(whole, again) is None


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


def test_a_damaged_last_checkpoint_falls_back_loudly_and_the_end_is_the_same(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    overrides = runs.options(pairs)
    run = tmp_path / "ended"
    with monkeypatch.context() as patch:
        end_at(patch, "training_step", 6)
        with pytest.raises(SystemExit):
            train(compose("train", overrides), run)
    place = run / "checkpoints" / "last.ckpt"
    before = read_checkpoint(place.with_name("previous.ckpt"))["global_step"]
    assert read_checkpoint(place)["global_step"] == before + 1 == 6
    place.write_bytes(place.read_bytes()[:-1])
    caplog.set_level(logging.WARNING, logger="outtake")
    monkeypatch.setattr(logging.getLogger("outtake"), "propagate", True)
    train(compose("train", [f"resume={run}"]))
    assert "FALLING BACK" in caplog.text and "previous.ckpt" in caplog.text
    whole, again = uninterrupted(overrides), runs.final_state(run)
    assert runs.difference(whole, again) is None

    for name in ("last.ckpt", "previous.ckpt"):
        (run / "checkpoints" / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        train(compose("train", [f"resume={run}"]))
    (run / "checkpoints" / "best.ckpt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"best\.ckpt"):
        evaluate(compose("evaluate", [f"checkpoint={run}", "device=cpu"]))


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
    # What is saved last is a little earlier than the end.
    assert before - 10 <= after < before + 9


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
