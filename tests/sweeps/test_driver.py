"""The driver, over trials that are one line of Python."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState

from outtake.core.errors import ConfigError, OutputError
from outtake.sweeps import driver, driver_lock
from outtake.sweeps.driver import Driver, SweepFailedError
from outtake.sweeps.progress import SweepProgress
from outtake.sweeps.storage import storage_address
from outtake.sweeps.study import SweepStudy, trial_status
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_process import TrialProcess, is_alive
from outtake.sweeps.trial_result import TrialResult, TrialStatus, write_result
from tests.sweeps.one_line_trials import (
    FORWARD,
    GOOD,
    LEAVE,
    MIOU,
    TRIAL,
    count_statuses,
    drive,
    make_sweep,
    trials_started,
)


def test_a_sweep_ends_with_as_many_results_as_asked_and_goes_on_for_more(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    first = drive(sweep)
    assert count_statuses(first) == {"finished": 4} and trials_started(sweep) == 4
    drive(sweep)
    assert trials_started(sweep) == 4, "nothing is left to do"
    more = drive(dataclasses.replace(sweep, n_trials=6))
    assert count_statuses(more) == {"finished": 6} and trials_started(sweep) == 6
    points = [trial.params["x"] for trial in more.counted_trials()]
    assert len(set(points)) == 6, "a sampler with a seed does not draw again what it drew before"
    (best,) = more.best_trials()
    assert best.value == max(trial.value for trial in more.counted_trials())


def test_what_the_settings_bring_about_counts_and_samplers_see_it(tmp_path: Path) -> None:
    code = TRIAL + (
        "n = int(given['name'])\n"
        "if n == 0: leave(**{'val/miou': float('nan')})\n"
        "if n == 1: raise RuntimeError('shapes differ')\n"
        "if n == 2: leave('out_of_memory')\n"
        "if n == 3: sys.exit(75)\n"
        "if n >= 4: leave(**{'val/miou': x})\n"
    )
    trials = drive(make_sweep(tmp_path, code, n_trials=6))
    names = ["diverged", "failed", "out_of_memory", "pruned", "finished", "finished"]
    assert sorted(count_statuses(trials).elements()) == sorted(names)
    states = [trial.state for trial in trials.counted_trials()]
    assert states.count(TrialState.PRUNED) == 4 and states.count(TrialState.COMPLETE) == 2


def test_with_several_objectives_a_failure_is_worth_the_worst(tmp_path: Path) -> None:
    code = TRIAL + "given['name'] == '0000' and sys.exit(1)\n" + LEAVE
    sweep = make_sweep(tmp_path, code, objectives=[MIOU, FORWARD], n_trials=8)
    trials = drive(sweep)
    assert trials.study.get_trials()[0].values == [0.0, 99.0]
    front = trials.best_trials()
    assert len(front) > 1 and all(trial_status(trial) is TrialStatus.FINISHED for trial in front)
    speeds = [trial.values[1] for trial in front]
    assert speeds == sorted(speeds, reverse=True), "best mIoU first, so slowest first"
    with pytest.raises(ConfigError, match="cannot prune with several"):
        SweepStudy(dataclasses.replace(sweep, pruner={"kind": "MedianPruner"}))


def test_what_the_machine_brings_about_is_tried_again_so_often_and_no_more(tmp_path: Path) -> None:
    code = TRIAL + "os.kill(os.getpid(), 9)"
    sweep = make_sweep(tmp_path, code, n_trials=1, retries=2)
    trials = drive(sweep)
    assert count_statuses(trials) == {"lost": 1} and trials_started(sweep) == 3
    points = {trial.params["x"] for trial in trials.study.get_trials()}
    assert len(points) == 1, "the same settings each time"


def test_a_lost_trial_that_works_the_second_time(tmp_path: Path) -> None:
    code = TRIAL + "given['name'] == '0000' and os.kill(os.getpid(), 9)\n" + LEAVE
    trials = drive(make_sweep(tmp_path, code, n_trials=3))
    assert count_statuses(trials) == {"finished": 3}
    lost = trials.study.get_trials()[0]
    assert lost.state is TrialState.FAIL
    again = next(t for t in trials.counted_trials() if t.user_attrs.get("retry_of") == 0)
    assert again.params == lost.params


def test_a_sweep_of_which_nothing_works_ends_early_and_says_why(tmp_path: Path) -> None:
    code = TRIAL + "print('error: data.root=nowhere: no such folder'); sys.exit(2)"
    sweep = make_sweep(tmp_path, code, n_trials=50, give_up_after=3)
    with pytest.raises(SweepFailedError, match=r"data\.root=nowhere.*trial\.log"):
        drive(sweep)
    assert trials_started(sweep) <= 4


def test_a_trial_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    code = TRIAL + (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    sweep = make_sweep(tmp_path, code, n_trials=1, timeout_s=0.5)
    trials = drive(sweep)
    assert count_statuses(trials) == {"timed_out": 1}
    pid = int((sweep.trial_folder(0) / "trial.log").read_text())
    assert gone(pid)


def gone(pid: int, limit_s: float = 5) -> bool:
    until_s = time.monotonic() + limit_s
    while is_alive(pid) and time.monotonic() < until_s:
        time.sleep(0.05)
    return not is_alive(pid)


def test_an_orphan_that_left_a_result_is_not_run_again(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=2)
    trials = SweepStudy(sweep)
    asked = trials.ask()
    left = sweep.trial_folder(asked.number)
    left.mkdir(parents=True)
    write_result(left / "result.json", TrialResult(TrialStatus.FINISHED, {"val/miou": 0.123}))
    trials = drive(sweep)
    assert trials.study.get_trials()[0].value == 0.123
    assert count_statuses(trials) == {"finished": 2} and trials_started(sweep) == 2


def test_an_orphan_without_a_result_is_ended_and_run_again(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=2)
    trials = SweepStudy(sweep)
    asked = trials.ask()
    folder = sweep.trial_folder(asked.number)
    folder.mkdir(parents=True)
    orphan = subprocess.Popen(["sleep", "300"], start_new_session=True)
    record = {
        "pid": orphan.pid,
        "host": os.uname().nodename,
        "created_s": psutil.Process(orphan.pid).create_time(),
    }
    (folder / "process.json").write_text(json.dumps(record))
    trials = drive(sweep)
    assert orphan.wait(5) == -9
    assert trials.study.get_trials()[0].state is TrialState.FAIL
    again = [t for t in trials.counted_trials() if t.user_attrs.get("retry_of") == asked.number]
    assert len(again) == 1 and again[0].params == asked.params
    assert again[0].user_attrs["losses"] == 0, "the trial did nothing wrong"
    assert count_statuses(trials) == {"finished": 2}


def test_a_stranger_with_the_number_of_an_orphan_is_left_alone(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=1)
    folder = sweep.trial_folder(SweepStudy(sweep).ask().number)
    folder.mkdir(parents=True)
    record = {"pid": os.getpid(), "host": os.uname().nodename, "created_s": 1.0}
    (folder / "process.json").write_text(json.dumps(record))
    assert count_statuses(drive(sweep)) == {"finished": 1}


def test_a_driver_that_died_between_two_steps_leaves_nothing_double(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=3)
    trials = SweepStudy(sweep)
    asked = trials.ask()
    # It had put the copy into the queue, and not yet given the trial up.
    trials.study.enqueue_trial(asked.params, user_attrs={"retry_of": asked.number, "losses": 0})
    trials.study.ask()  # and this one it had not even given parameters
    trials = drive(sweep)
    points = [trial.params["x"] for trial in trials.counted_trials()]
    assert len(points) == len(set(points)) == 3 and asked.params["x"] in points
    assert not trials.running_trials()


def test_a_queued_copy_whose_driver_died_at_once_keeps_its_parameters(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=1)
    trials = SweepStudy(sweep)
    trials.study.enqueue_trial({"x": 0.25}, user_attrs={"retry_of": 99, "losses": 1})
    trials.study.ask()  # taken out of the queue, parameters not suggested yet
    trials = drive(sweep)
    (result,) = trials.counted_trials()
    assert result.params == {"x": 0.25} and result.user_attrs["losses"] == 1


def test_a_folder_that_the_storage_does_not_know_is_never_used(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=1)
    sweep.trial_folder(0).mkdir(parents=True)
    write_result(
        sweep.trial_folder(0) / "result.json", TrialResult(TrialStatus.FINISHED, {"val/miou": 0.9})
    )
    with pytest.raises(OutputError, match="exists already"):
        drive(sweep)
    assert count_statuses(drive(sweep)) == {"finished": 1}
    assert SweepStudy(sweep).best_trials()[0].value != 0.9, (
        "what lay there was not taken for a result"
    )


def test_a_trial_sees_its_gpu_and_its_threads(tmp_path: Path) -> None:
    code = GOOD + "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    sweep = make_sweep(tmp_path, code, gpu_slots=["3", "4"], threads=1, n_trials=2)
    os.environ.pop("OMP_NUM_THREADS", None)
    drive(sweep)
    said = sorted((sweep.trial_folder(n) / "trial.log").read_text() for n in range(2))
    assert said == ["3 1\n", "4 1\n"]


class TakenOver(SweepProgress):
    """Lets another driver take the sweep over as soon as the first trial has ended."""

    trials: SweepStudy
    says_so = True

    def on_poll(self, done: int, running: list[TrialProcess]) -> None:
        """Do it once."""
        if running and self.trials.running_trials():
            (running[0].folder / "go").touch()
            running[0].process.wait()
            for trial in self.trials.running_trials():
                self.trials.requeue(trial, TrialResult(TrialStatus.LOST, message="an orphan"))
            if self.says_so:
                elsewhere = {"host": "elsewhere", "pid": 1, "time_s": time.time()}
                self.trials.study.set_user_attr("driver", elsewhere)


@pytest.mark.parametrize("says_so", [True, False])
def test_a_driver_that_slept_sees_that_another_is_at_work(
    tmp_path: Path, monkeypatch, says_so: bool
) -> None:
    monkeypatch.setattr(driver_lock, "HEARTBEAT_S", 0.0)
    # The trial that waits does not hear Ctrl-C where this process was started without hearing it.
    monkeypatch.setattr(driver, "_GRACE_S", 0.5)
    wait = (
        "go = os.path.dirname(trial['result_path']) + '/go'\n"
        "while not os.path.exists(go): time.sleep(0.01)\n"
    )
    code = TRIAL + wait + LEAVE
    sweep = make_sweep(tmp_path, code, storage=storage_address("sqlite", tmp_path))
    trials = SweepStudy(sweep)
    with TakenOver(sweep, None) as watcher, pytest.raises(OutputError, match="another driver"):
        watcher.trials, watcher.says_so = trials, says_so
        Driver(sweep, trials, watcher).run()
    counted = Counter(trial.state for trial in trials.study.get_trials())
    assert counted == {TrialState.FAIL: 2, TrialState.WAITING: 2}, "left to the other"
    assert not any(is_alive(p) for p in started(sweep))


def started(sweep: SweepConfig) -> list[int]:
    return [json.loads(p.read_text())["pid"] for p in sweep.trials_folder.glob("*/process.json")]
