"""A run that goes on gives what it would have given, wherever it was ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Timer

from outtake.config.compose import compose
from outtake.core.errors import CheckpointError
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.training import resume
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask
from tests.tiers import keep_few
from tests.training.interrupted_run import end_at, go_on


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


@pytest.mark.parametrize("nth", [10, None])
def test_the_last_epoch_is_validated_whatever_the_interval(
    runs: ModuleType,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int | None,
) -> None:
    run, overrides = tmp_path / "run", runs.options(pairs, epochs=3)
    overrides += ["trainer.check_val_every_n_epoch=2", "checkpoint_every_n_steps=null"]
    if nth is None:
        train(compose("train", overrides), run)
    else:  # inside the last epoch, which does not begin again
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            end_at(patch, "training_step", nth)
            train(compose("train", overrides), run)
        train(compose("train", [f"resume={run}"]))
    assert [r["epoch"] for r in runs.records(run) if "val/miou" in r] == [1, 2]


# Four steps an epoch, two epochs.
INTERVALS = {
    "every three batches": (["+trainer.val_check_interval=3"], [2, 6, 7]),
    "every three batches of the run": (
        ["+trainer.val_check_interval=3", "trainer.check_val_every_n_epoch=null"],
        [2, 5, 7],
    ),
    "twice an epoch": (["+trainer.val_check_interval=0.5"], [1, 3, 5, 7]),
    "every batch": (["+trainer.val_check_interval=1"], list(range(8))),
}
VALIDATED = list(product(INTERVALS, (False, True)))


@pytest.mark.parametrize(("interval", "ended"), keep_few(VALIDATED, [VALIDATED[1], VALIDATED[2]]))
def test_the_last_weights_are_validated_once_whatever_the_interval(
    runs: ModuleType,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interval: str,
    ended: bool,
) -> None:
    extra, steps = INTERVALS[interval]
    run, overrides = tmp_path / "run", [*runs.options(pairs), *extra, "data.eval_batch_size=1"]
    if ended:  # in the last validation, each of which has four batches
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            end_at(patch, "validation_step", 4 * len(steps) - 2)
            train(compose("train", [*overrides, "checkpoint_every_n_steps=null"]), run)
        train(compose("train", [f"resume={run}"]))
    else:
        train(compose("train", overrides), run)
    scores = {r["step"]: r["val/miou"] for r in runs.records(run) if "val/miou" in r}
    assert list(scores) == steps
    assert len(list((run / "confusion").iterdir())) == len(steps), "names of files are distinct"
    best = read_checkpoint(run / "checkpoints" / "best.ckpt")["global_step"]
    assert scores[best - 1] == max(scores.values())


IN_STEPS = [("training_step", 7), ("validation_step", 4)]
AVERAGES = {
    "stochastic weight averaging": [
        "scheduler=null",
        "+callbacks.swa._target_=outtake.training.callbacks.swa.StochasticWeightAveraging",
        "+callbacks.swa.start=0.3",
        "+callbacks.swa.batchnorm_batches=2",
    ],
    "schedule-free": ["scheduler=null", "optimizer=schedule_free_adamw", "optimizer.lr=0.05"],
    "double precision": [
        "trainer.precision=64-true",
        "+callbacks.ema._target_=outtake.training.callbacks.ema.ExponentialMovingAverage",
        "+callbacks.ema.decay=0.9",
    ],
}


PLACES_OF_AVERAGES = [(each, *at) for each in AVERAGES for at in IN_STEPS]


@pytest.mark.parametrize(
    ("average", "hook", "nth"),
    keep_few(PLACES_OF_AVERAGES, [PLACES_OF_AVERAGES[each] for each in (0, 3, 4)]),
)
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
    ended = [r["step"] for r in runs.records(tmp_path / "ended") if "val/miou" in r]
    assert ended[-1] == steps - 1, "the last weights have no score"
    go_on(tmp_path / "ended", "+trainer.max_steps=-1")
    whole, again = uninterrupted(overrides), runs.final_state(tmp_path / "ended")
    if place.startswith(("inside", "while")):
        whole, again = without_score_at_limit(whole, again, steps - 1)
    assert runs.difference(whole, again) is None


def without_score_at_limit(
    whole: dict[str, Any], again: dict[str, Any], step: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The final states of two runs, the second of which has one score more, at a step."""
    (extra,) = [record for record in again["metrics"] if record not in whole["metrics"]]
    assert extra["step"] == step and "val/miou" in extra
    again["metrics"].remove(extra)
    # The callbacks have seen that score, and it may be the best.
    one, other = (
        state | {"best": None, "last": state["last"] | {"callbacks": None}}
        for state in (whole, again)
    )
    return one, other


@pytest.mark.parametrize("every", keep_few([1, 5], [1]))
def test_a_run_ended_by_a_limit_of_time_goes_on_bit_for_bit_and_keeps_its_last_score(
    runs: ModuleType,
    pairs: Path,
    uninterrupted: Callable[[list[str]], dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    every: int,
) -> None:
    overrides = [*runs.options(pairs), "checkpoint_every_n_steps=null"]
    overrides.append(f"trainer.check_val_every_n_epoch={every}")
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
    assert "trainer.max_time has ended it after 6 steps; resuming with a" in capsys.readouterr().out
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 6 and last["resume"]["batches"] == 2
    ended = runs.records(run)
    scores = {r["step"]: r["val/miou"] for r in ended if "val/miou" in r}
    assert list(scores) == ([3, 5] if every == 1 else [5])
    (best,) = (s for k, s in last["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert float(best["best_model_score"]) == pytest.approx(max(scores.values()))

    go_on(run, "trainer.max_time=null")
    whole, again = uninterrupted(overrides), runs.final_state(run)
    whole, again = without_score_at_limit(whole, again, 5)
    names = [path.name for path in sorted((run / "confusion").iterdir())]
    at_the_limit = "val_epoch_0001_step_000006.json"
    epochs = ["val_epoch_0000.json", "val_epoch_0001.json"]
    assert names == [*epochs[every > 1 :], at_the_limit]
    assert runs.difference(whole, again) is None


@pytest.mark.parametrize(
    ("share", "every", "saved"),
    [
        (0.0, "null", [1, 4]),
        (float("inf"), "null", [1, 2, 3, 4]),
        (0.0, "10", [1, 2, 4]),  # the last step of every second epoch
    ],
)
def test_an_epoch_is_saved_unless_that_takes_much_of_the_time(
    share: float,
    every: str,
    saved: list[int],
    runs: ModuleType,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    epochs = []

    def save_checkpoint(trainer: Trainer, path: str | Path, *rest: Any) -> None:
        if Path(path).name == "last.ckpt":
            epochs.append(trainer.fit_loop.epoch_progress.current.processed)
        whole(trainer, path, *rest)

    whole = Trainer.save_checkpoint
    monkeypatch.setattr(Trainer, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr(resume, "SAVE_SHARE", share)
    given = ["trainer.max_epochs=4", f"checkpoint_every_n_steps={every}"]
    train(compose("train", [*runs.options(pairs), *given]), tmp_path / "run")
    assert epochs == saved, "the first epoch and the end are saved in any case"


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
