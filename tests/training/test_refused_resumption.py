"""A resumption that is refused leaves every record, so that the run can be resumed plainly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs.train import train
from outtake.training.task import SegmentationTask
from tests.training.interrupted_run import end_at, go_on


def _records(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("trainer.max_epochs=1", "trainer.max_epochs=1: .* has begun 2 epochs.*set at least 2"),
        ("+trainer.max_steps=3", "trainer.max_steps=3: .* has done 8 steps.*set at least 8"),
    ],
)
def test_a_run_is_not_made_shorter_than_what_is_done_and_goes_on_afterwards(
    tiny_run: Path, tmp_path: Path, changed: str, message: str
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    before = _records(run)
    with pytest.raises(ConfigError, match=message):
        go_on(run, changed)
    assert _records(run) == before
    go_on(run, "trainer.max_epochs=3")
    assert "max_epochs: 3\n" in (run / "config.yaml").read_text()


@pytest.fixture
def ended_run(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Path]:
    """Return what trains until a step, where a signal ends it, and gives the folder of the run."""

    def end(step: int) -> Path:
        with monkeypatch.context() as patch:
            end_at(patch, "training_step", step)
            with pytest.raises(SystemExit):
                train(compose("train", runs.options(pairs)), tmp_path / "run")
        return tmp_path / "run"

    return end


def test_a_run_inside_an_epoch_is_not_ended_before_it(ended_run: Callable[[int], Path]) -> None:
    run = ended_run(6)
    before = _records(run)
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs=1: .* has begun 2 epochs"):
        go_on(run, "trainer.max_epochs=1")
    assert _records(run) == before


@pytest.mark.parametrize("where", ["on_load_checkpoint", "on_train_start", "training_step"])
def test_a_refusal_inside_the_fit_leaves_every_record_of_the_run(
    ended_run: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    run = ended_run(3)
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4}\n')  # logged after the last checkpoint
    before = _records(run)

    def refuse(*_: object) -> None:
        raise ConfigError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationTask, where, refuse)
        with pytest.raises(ConfigError, match="refused"):
            go_on(run, "trainer.max_epochs=5", "note=other")
    assert _records(run) == before
    go_on(run, "trainer.max_epochs=2")
    assert '{"step": 4}' not in (run / "metrics.jsonl").read_text()


def test_a_refusal_inside_a_validation_leaves_every_record_of_the_run(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        end_at(patch, "validation_step", 2)
        with pytest.raises(SystemExit):
            train(compose("train", [*runs.options(pairs), "data.eval_batch_size=1"]), run)
    before = _records(run)

    def refuse(*_: object) -> None:
        raise ConfigError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationTask, "validation_step", refuse)
        with pytest.raises(ConfigError, match="refused"):
            go_on(run, "trainer.max_epochs=5", "note=other")
    assert _records(run) == before
    go_on(run)


def test_a_run_that_had_ended_keeps_the_config_that_it_was_trained_with(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    before = _records(run)
    go_on(run, "optimizer.lr=0.5", "note=good")
    after = _records(run)
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed == {"notes.json"}
    assert json.loads((run / "notes.json").read_text())["note"] == "good"
