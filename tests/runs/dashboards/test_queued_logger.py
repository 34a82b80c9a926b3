"""Whatever a dashboard does, the run's thread neither waits for it nor falls with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks.progress.progress_bar import get_standard_metrics

from outtake.runs.dashboards.queued_logger import BoundedQueue, DashboardLogger
from outtake.runs.jsonl_logger import JsonlLogger
from outtake.training.media import Overlay, Picture, Table

CALLS = ("start", "settings", "scalars", "picture", "table", "checkpoint", "finish")


class Recorder:
    """A dashboard that notes its calls, and raises or hangs where it is told to."""

    def __init__(self, fails: dict[str, BaseException] | None = None, hangs: str = "") -> None:
        self.calls: list[tuple[str, Any]] = []
        self.threads: set[str] = set()
        self.never = threading.Event()
        self.fails, self.hangs = fails or {}, hangs

    packages = "nothing"

    def load(self) -> None:
        """There is nothing to import."""

    def start(self) -> None:
        self.note("start", None)

    def note(self, call: str, what: Any) -> None:
        self.calls.append((call, what))
        self.threads.add(threading.current_thread().name)
        if call in self.fails:
            raise self.fails[call]
        if call == self.hangs:
            self.never.wait(20)

    def log_config(self, settings: Any) -> None:
        self.note("settings", settings)

    def log_scalars(self, records: Sequence[Any]) -> None:
        self.note("scalars", [(record.step, dict(record.values)) for record in records])

    def log_picture(self, picture: Picture, step: int) -> None:
        self.note("picture", (picture, step))

    def log_table(self, table: Table, step: int) -> None:
        self.note("table", (table.name, step))

    def log_checkpoint(self, path: Path) -> None:
        self.note("checkpoint", path)

    def finish(self, status: str) -> None:
        self.note("finish", status)


PICTURE = Picture(
    "val/images",
    "x.png",
    np.zeros((30, 4000, 3), np.uint8),
    (Overlay("a", np.zeros((800, 1600, 3), np.uint8), {"truth": np.ones((800, 1600), np.uint8)}),),
)


def use(logger: DashboardLogger, timeout_s: float = 5.0) -> None:
    logger.log_hyperparams({"optimizer.lr": 0.1})
    for step in range(5):
        logger.log_metrics({"train/loss": 1.0 / (step + 1)}, step)
    logger.log_media(PICTURE, 4)
    logger.log_media(Table("val/classes", ("class",), [["car"]]), 4)
    logger.log_checkpoint(Path("best.ckpt"))
    logger.close("finished")
    logger.join(timeout_s)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.WARNING, logger="outtake")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _warnings_reach_caplog(monkeypatch: pytest.MonkeyPatch) -> None:
    # A command line that ran before has told the package's logger to keep its lines to itself.
    monkeypatch.setattr(logging.getLogger("outtake"), "propagate", True)


def test_everything_arrives_in_order_from_one_thread(said: Any) -> None:
    recorder = Recorder()
    use(DashboardLogger("it", recorder))
    kinds = [call for call, _ in recorder.calls]
    assert [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]] == list(CALLS)
    scalars = [each for call, what in recorder.calls if call == "scalars" for each in what]
    assert scalars == [(step, {"train/loss": 1.0 / (step + 1)}) for step in range(5)]
    assert recorder.calls[-1] == ("finish", "finished")
    assert recorder.threads == {"outtake-dashboard-it"} and not said()


def test_pictures_are_made_small_enough_for_a_browser() -> None:
    recorder = Recorder()
    use(DashboardLogger("it", recorder))
    ((picture, step),) = [what for call, what in recorder.calls if call == "picture"]
    assert picture.image.shape == (18, 2400, 3) and step == 4
    (overlay,) = picture.overlays
    assert overlay.image.shape == (320, 640, 3) and (overlay.masks["truth"] == 1).all()
    assert PICTURE.image.shape == (30, 4000, 3), "the run folder's stays as it is"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [ConnectionError("away"), SystemExit(3), MemoryError()])
def test_one_that_raises_is_reported_once_and_left_alone(
    call: str, error: BaseException, said: Any
) -> None:
    recorder = Recorder(fails={call: error})
    logger = DashboardLogger("it", recorder)
    use(logger)
    (line,) = said()
    assert line.startswith(f"it failed and is not used any more ({type(error).__name__}")
    assert "metrics.jsonl" in line and "\n" not in line
    assert [name for name, _ in recorder.calls].count(call) == 1
    assert recorder.calls[-1][0] == call, "nothing was asked of it afterwards"
    logger.log_metrics({"train/loss": 0.0}, 9)  # as a run would that continues
    assert len(said()) == 1


def test_what_an_error_says_is_one_line_without_secrets(
    said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "c4n4ry-5up3r")
    error = RuntimeError("401 for c4n4ry-5up3r\n" + 80 * "at https://me:pass@host/x\n")
    use(DashboardLogger("it", Recorder(fails={"scalars": error})))
    (line,) = said()
    assert "c4n4ry" not in line and "me:pass" not in line
    assert "\n" not in line and len(line) < 400


@pytest.mark.parametrize("call", CALLS)
def test_one_that_hangs_costs_its_timeout_at_the_end_and_nothing_before(
    call: str, said: Any
) -> None:
    recorder = Recorder(hangs=call)
    began_s = time.monotonic()
    use(DashboardLogger("it", recorder), timeout_s=0.3)
    assert time.monotonic() - began_s < 5
    (line,) = said()
    assert "did not end in time" in line and "metrics.jsonl" in line
    recorder.never.set()


def test_the_backlog_of_one_that_hangs_is_bounded_and_counted(said: Any) -> None:
    recorder = Recorder(hangs="start")
    logger = DashboardLogger("it", recorder, queue=BoundedQueue(max_items=6))
    use(logger, timeout_s=0.1)  # 9 calls
    for _ in range(3):
        logger.log_metrics({"late": 1.0}, 7)  # closed: nobody takes them
    (line,) = said()
    assert "about 9 records and pictures are not in it" in line
    recorder.never.set()


def test_one_that_is_too_slow_loses_the_newest_and_says_how_many(said: Any) -> None:
    recorder = Recorder(hangs="start")
    logger = DashboardLogger("it", recorder, queue=BoundedQueue(max_items=4))
    for step in range(10):
        logger.log_metrics({"train/loss": float(step)}, step)
    recorder.never.set()
    logger.close("finished")
    logger.join(5)
    steps = [step for call, what in recorder.calls if call == "scalars" for step, _ in what]
    assert steps == [0, 1, 2, 3]
    assert said() == [
        "it was too slow: 6 records and pictures are not in it; metrics.jsonl and images/ have "
        "everything"
    ]


def test_a_backlog_holds_no_more_bytes_than_it_may() -> None:
    backlog: BoundedQueue[str] = BoundedQueue(max_items=100, max_bytes=10)
    assert backlog.put("larger than all, alone", 50)
    assert not backlog.put("no room", 1)
    assert backlog.get_batch(5) == ["larger than all, alone"]
    assert backlog.put("a", 6) and backlog.put("b", 4) and not backlog.put("c", 1)
    assert backlog.get_batch(1) == ["a"] and backlog.put("c", 6)
    backlog.close()
    assert not backlog.put("d", 0), "nobody takes it"
    assert backlog.get_batch(5) == ["b", "c"] and backlog.get_batch(5) == []


def test_a_dashboard_that_nothing_is_handed_to_is_never_started() -> None:
    recorder = Recorder()
    logger = DashboardLogger("it", recorder)
    logger.close("failed")
    logger.join(1.0)
    assert not recorder.calls


def test_a_progress_bar_shows_no_number_of_a_version(tmp_path: Path) -> None:
    loggers = [JsonlLogger(tmp_path / "run" / "metrics.jsonl"), DashboardLogger("one", Recorder())]
    assert get_standard_metrics(Trainer(logger=loggers, accelerator="cpu")) == {}
