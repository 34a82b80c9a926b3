"""Real runs with every dashboard, read back; and with dashboards that are broken or away."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from outtake.config.compose import CONF_DIR, compose
from outtake.core.errors import ConfigError
from outtake.evaluation.metrics import scores
from outtake.pages.comparison.run_record import read_run
from outtake.programs.train import train
from outtake.runs.logger_session import flat_config
from outtake.runs.metrics_diff import TIMING_KEYS, read_records
from tests.runs.dashboards import wandb_file
from tests.tiers import keep_few

ONCE = {"augmented.png", "class_frequencies.png"}
PICTURES = ONCE | {
    f"{kind}_epoch_000{e}.png" for e in (0, 1) for kind in ("val", "worst", "confusion")
}
IMAGE_NAMES = {"train/augmented", "data/class_frequencies"}
IMAGE_NAMES |= {"val/images", "val/worst", "val/confusion"}
LOGGED = {"train/loss", "train/gradient_norm", "train/memory_mib", "train/samples_per_second"}
LOGGED |= {"train/loss_cross_entropy", "train/loss_dice", "lr-AdamW", "val/miou", "val/iou/thing"}


def options(runs: ModuleType, pairs: Path, *more: str) -> list[str]:
    """Return the tiny run with the pictures of the default callbacks."""
    shown = {
        "images": "validation_images.ValidationImages",
        "worst": "hard_examples.HardExamples",
        "tables": "validation_tables.ValidationTables",
        "augmented": "data_pictures.AugmentedSamples",
        "frequencies": "data_pictures.ClassFrequencies",
        "gradient_norm": "system_metrics.GradientNorm",
        "memory": "system_metrics.MemoryUsage",
    }
    callbacks = [
        f"+callbacks.{k}._target_=outtake.training.callbacks.{v}" for k, v in shown.items()
    ]
    plain = [option for option in runs.options(pairs) if not option.startswith("logger=")]
    return [*plain, *callbacks, "checkpoint_every_n_steps=null", *more]


def clockless(run: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if key not in TIMING_KEYS}
        for record in read_records(run / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def shown(runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with all dashboards."""
    folder = tmp_path_factory.mktemp("shown")
    overrides = options(
        runs, pairs, "logger=all", f"paths.runs={folder}", "loss=cross_entropy_dice"
    )
    train(compose("train", overrides), folder / "run", overrides)
    return folder / "run"


BRIEF = "trainer.max_epochs=1"


@pytest.fixture(scope="module")
def brief(runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one epoch without a dashboard."""
    folder = tmp_path_factory.mktemp("brief") / "run"
    train(compose("train", options(runs, pairs, "logger=none", BRIEF)), folder)
    return folder


@pytest.fixture(scope="module")
def alone(runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run, with a loss of one part and no dashboard."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    train(compose("train", options(runs, pairs, "logger=none")), folder)
    return folder


def test_without_a_dashboard_every_picture_is_in_the_run_folder(alone: Path) -> None:
    assert {path.name for path in (alone / "images").iterdir()} == PICTURES
    assert not {"tensorboard", "wandb", "dashboards"} & {path.name for path in alone.iterdir()}


def test_each_validation_of_an_epoch_keeps_its_pictures_and_its_matrix(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    given = options(runs, pairs, "logger=none", "+trainer.val_check_interval=0.5")
    train(compose("train", given), run)
    places = [f"epoch_000{e}_step_00000{step}" for e, step in ((0, 2), (0, 4), (1, 6), (1, 8))]
    pictures = {f"{kind}_{each}.png" for kind in ("val", "worst", "confusion") for each in places}
    assert {path.name for path in (run / "images").iterdir()} == pictures | ONCE
    matrices = sorted((run / "confusion").iterdir())
    assert [path.name for path in matrices] == [f"val_{each}.json" for each in places]
    records = [r for r in read_records(run / "metrics.jsonl") if "val/miou" in r]
    for path, record in zip(matrices, records, strict=True):
        kept = json.loads(path.read_text())
        assert (kept["epoch"], kept["step"]) == (record["epoch"], record["step"] + 1)
        scored = scores(np.array(kept["confusion"]), kept["classes"])
        assert scored["miou"] == pytest.approx(record["val/miou"])
    best = max(range(4), key=lambda each: records[each]["val/miou"])
    found = read_run(run, "run")
    assert found.picture == run / "images" / f"val_{places[best]}.png"


def test_every_number_is_in_the_source_of_truth(shown: Path) -> None:
    records = read_records(shown / "metrics.jsonl")
    assert set().union(*records) >= LOGGED
    for record in records:
        if "train/loss" in record:
            parts = record["train/loss_cross_entropy"] + record["train/loss_dice"]
            assert record["train/loss"] == pytest.approx(parts, rel=1e-5)
            assert record["train/gradient_norm"] > 0 and record["train/memory_mib"] > 50


def test_tensorboard_has_curves_pictures_tables_and_settings(shown: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(shown / "tensorboard"), {"images": 0, "tensors": 0, "scalars": 0})
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) >= LOGGED and set(tags["images"]) == IMAGE_NAMES
    logged = [
        (record["step"], record["val/miou"])
        for record in read_records(shown / "metrics.jsonl")
        if "val/miou" in record
    ]
    curve = [(event.step, event.value) for event in events.Scalars("val/miou")]
    assert curve == [(step, pytest.approx(value, rel=1e-6)) for step, value in logged]
    text = events.Tensors("val/classes/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert text.startswith("| class | iou |") and "| thing |" in text
    assert any("hparams" in tag for tag in events.summary_metadata)


def test_wandb_offline_has_masks_tables_charts_and_the_checkpoint(shown: Path) -> None:
    (path,) = (shown / "wandb").rglob("*.wandb")
    history = wandb_file.history(path)
    keys = set().union(*history)
    assert keys >= LOGGED
    # A list of pictures, each with both masks and what their values mean.
    (images,) = {key for key in keys if key.startswith("val/images_masks") and "all_masks" in key}
    masks = next(record[images] for record in history if images in record)
    assert len(masks) == 4 and all({"truth", "prediction"} == each.keys() for each in masks)
    settings = wandb_file.config(path)
    named = [v for k, v in settings.items() if "class" in str(k) or "_wandb" in str(k)]
    assert "ground" in json.dumps(named) and "unlabelled" in json.dumps(named)
    assert settings["optimizer.lr"] == 0.001
    charts = json.dumps(settings)
    assert "wandb/confusion_matrix/v1" in charts and "wandb/bar/v0" in charts
    tables = {str(p.relative_to(shown)) for p in shown.rglob("*.table.json")}
    assert any("val/classes" in name for name in tables)
    artifacts = [r.artifact for r in wandb_file.records(path) if r.HasField("artifact")]
    (model,) = [artifact for artifact in artifacts if artifact.type == "model"]
    (content,) = model.manifest.contents
    best = shown / "checkpoints" / "best.ckpt"
    assert content.local_path == str(best) and content.size == best.stat().st_size
    copies = [p for p in (shown / "wandb").rglob("*") if p.suffix == ".ckpt"]
    assert not copies, "offline, the checkpoint is named and not copied"


def test_mlflow_has_it_all_in_one_file_for_all_runs(shown: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{shown.parent / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "outtake"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run" and run.info.status == "FINISHED"
    assert run.data.metrics.keys() >= LOGGED
    assert run.data.params["optimizer.lr"] == "0.001"
    history = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "train/loss")]
    logged = read_records(shown / "metrics.jsonl")
    assert history == [(r["step"], r["train/loss"]) for r in logged if "train/loss" in r]
    images = {Path(each.path).name for each in client.list_artifacts(run.info.run_id, "images")}
    assert {name.split("+")[0].replace("~", "/") for name in images} == IMAGE_NAMES
    tables = [each.path for each in client.list_artifacts(run.info.run_id, "tables/val")]
    assert {Path(path).name.rsplit("_", 1)[0] for path in tables} == {"classes", "confusion_matrix"}
    assert run.data.tags["checkpoint"] == str(shown / "checkpoints" / "best.ckpt")
    assert not {"mlflow.user", "mlflow.source.git.commit"} & run.data.tags.keys()


def test_trackio_has_curves_and_pictures_in_its_folder(shown: Path) -> None:
    folder = Path(os.environ["TRACKIO_DIR"])  # settled by the first run of this process
    run = [(shown / "dashboards" / "trackio.id").read_text().strip()]
    with sqlite3.connect(folder / "outtake.db") as database:
        found = database.execute("select metrics from metrics where run_id = ?", run)
        rows = [json.loads(row) for (row,) in found]
        found = database.execute("select config from configs where run_id = ?", run)
        ((config,),) = found.fetchall()
    assert set().union(*rows) >= LOGGED | IMAGE_NAMES | {"val/classes"}
    logged = [r["train/loss"] for r in read_records(shown / "metrics.jsonl") if "train/loss" in r]
    assert [row["train/loss"] for row in rows if "train/loss" in row] == logged
    assert json.loads(config)["optimizer.lr"] == 0.001
    files = [row[name]["file_path"] for row in rows for name in IMAGE_NAMES & row.keys()]
    assert len(files) == len(PICTURES)
    assert all((folder / "media" / file).is_file() for file in files)


def test_a_run_that_goes_on_stays_one_run(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    run = tmp_path / "run"
    begun = options(runs, pairs, "logger=mlflow", f"paths.runs={tmp_path}", "trainer.max_epochs=1")
    train(compose("train", begun), run, begun)
    more = [f"resume={run}", "trainer.max_epochs=2", f"paths.runs={tmp_path}"]
    train(compose("train", more), overrides=more)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "outtake"]
    (found,) = client.search_runs([experiment.experiment_id])
    steps = [m.step for m in client.get_metric_history(found.info.run_id, "train/loss")]
    assert steps == list(range(8)) and found.info.status == "FINISHED"
    images = [each.path for each in client.list_artifacts(found.info.run_id, "images")]
    assert len([p for p in images if "augmented" in p and p.endswith(".png")]) == 1


def test_the_gradient_norm_is_that_before_clipping_and_read_in_logged_steps_only(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    clip, norms = torch.nn.utils.clip_grad_norm_, []

    def noted(*args: Any, **kwargs: Any) -> torch.Tensor:
        norms.append(float(clip(*args, **kwargs)))
        return torch.tensor(norms[-1])

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", noted)
    more = ["logger=none", "trainer.log_every_n_steps=3", "trainer.gradient_clip_val=0.001"]
    train(compose("train", options(runs, pairs, *more)), tmp_path / "run")
    read = {
        record["step"]: record["train/gradient_norm"]
        for record in read_records(tmp_path / "run" / "metrics.jsonl")
        if "train/gradient_norm" in record
    }
    assert len(norms) == 8 and read.keys() == {2, 5}
    assert all(value == pytest.approx(norms[step], rel=1e-5) for step, value in read.items())
    assert min(read.values()) > 0.001


def test_the_config_reaches_dashboards_flat_and_without_secrets(monkeypatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "c4n4ry-5up3r")
    more = ["+service.api_key=c4n4ry-0ther", "+service.note=c4n4ry-5up3r", "+service.empty={}"]
    settings = flat_config(compose("train", ["data.crop=[24,32]", *more]))
    assert settings["optimizer.lr"] == 0.001 and settings["data.crop"] == "[24, 32]"
    assert settings["service.empty"] == "{}" and settings["resume"] is None
    assert settings["paths.runs"] == "${oc.env:OUTTAKE_RUNS,runs}", "no path of a machine"
    assert "c4n4ry" not in str(settings)


def test_mlflow_reports_nothing_home() -> None:
    code = "import outtake, mlflow.telemetry.utils as u; print(u.is_telemetry_disabled())"
    # What MLflow takes for a test, and is silent in anyway.
    environment = {k: v for k, v in os.environ.items() if k != "CI" and "PYTEST" not in k}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.split() == ["True"], done.stderr
    asked = code.replace("import outtake, ", "import ")
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "false"}
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.split() == ["False"], "or this test could not fail"


# --- dashboards that are broken or away ---------------------------------------------------------


class Fake(ModuleType):
    """Stands for the package of a dashboard: whatever is asked of it can raise or hang."""

    def __init__(self, name: str, fault: str, at: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that parts of it can be imported
        self.never = threading.Event()
        self.asked: list[str] = []
        self._fault, self._at = fault, at

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(self, name)

    def reached(self, name: str) -> None:
        self.asked.append(name)
        if name == self._at and self._fault == "raises":
            raise ConnectionError(f"{self.__name__} is broken")
        if name == self._at and self._fault == "hangs":
            self.never.wait(60)


class _Anything:
    """An object whose every attribute is such an object, and which can be called."""

    def __init__(self, fake: Fake, name: str) -> None:
        self._fake, self._name = fake, name
        self.id = "x"
        self.data = SimpleNamespace(params={})

    def __getattr__(self, name: str) -> Any:
        return _Anything(self._fake, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._fake.reached(self._name)
        return self

    def __str__(self) -> str:
        return "x"


# The first call of each, one for a record, and the last.
FIRST_RECORD_LAST = {
    "wandb": ("init", "log", "finish"),
    "mlflow": ("get_experiment_by_name", "log_batch", "set_terminated"),
}
PARTS = {"mlflow": ("entities", "store", "store.tracking", "store.tracking.sqlalchemy_store")}


def put_in_place(name: str, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package be another, for what imports it from now on."""
    monkeypatch.setitem(sys.modules, name, fake)
    for part in PARTS.get(name, ()):
        monkeypatch.setitem(sys.modules, f"{name}.{part}", fake)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_one_that_is_not_installed_costs_one_line(
    name: str, runs: ModuleType, pairs: Path, brief: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    caplog.set_level(logging.WARNING, logger="outtake")
    package = "torch.utils.tensorboard" if name == "tensorboard" else name
    put_in_place(name, None, monkeypatch)
    monkeypatch.setitem(sys.modules, package, None)
    train(compose("train", options(runs, pairs, f"logger={name}", BRIEF)), tmp_path / "run")
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("outtake")]
    assert line.startswith(f"{name} is not installed") and "pip install" in line
    assert clockless(tmp_path / "run") == clockless(brief)


BROKEN = [*product(FIRST_RECORD_LAST, (0, 1, 2), ("raises", "hangs"))]
# The queue that a fault comes through is the same for both: each fault in each place of one.
OFTEN = [
    *(("wandb", *each) for each in ((0, "hangs"), (1, "raises"), (2, "hangs"))),
    *(("mlflow", *each) for each in ((0, "raises"), (1, "hangs"), (2, "raises"))),
]


@pytest.mark.parametrize(("name", "place", "fault"), keep_few(BROKEN, OFTEN))
def test_one_that_is_broken_costs_one_line_and_no_record(
    name: str, place: int, fault: str, runs: ModuleType, pairs: Path, brief: Path,
    tmp_path: Path, monkeypatch, caplog,
) -> None:  # fmt: skip
    caplog.set_level(logging.WARNING, logger="outtake")
    fake = Fake(name, fault, FIRST_RECORD_LAST[name][place])
    put_in_place(name, fake, monkeypatch)
    short = f"logger.{name}.finish_timeout_s=0.4"
    overrides = options(runs, pairs, f"logger={name}", f"paths.runs={tmp_path}", short, BRIEF)
    began_s = time.monotonic()
    best = train(compose("train", overrides), tmp_path / "run", overrides)
    assert time.monotonic() - began_s < 30 and best > 0
    asked = list(fake.asked)  # of the run: one that hung continues with what it has taken
    fake.never.set()
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("outtake")]
    expected = "failed and is not used any more" if fault == "raises" else "did not end in time"
    assert line.startswith(f"{name} {expected}"), line
    assert asked.count(FIRST_RECORD_LAST[name][place]) == 1, "it was not used afterwards"
    assert clockless(tmp_path / "run") == clockless(brief)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["best"]["val/miou"] == best


def test_an_option_that_does_not_exist_is_refused_before_the_run_folder_is_made(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    overrides = options(runs, pairs, "logger=wandb", "logger.wandb.log_model=all")
    with pytest.raises(ConfigError, match="log_model=all: allowed are best, none"):
        train(compose("train", overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_hanging_dashboard_does_not_keep_the_process_from_ending(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    """The real wandb against a server that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, CONF_DIR.parent / "train.py"]
        command += options(runs, pairs, "logger=wandb", f"paths.runs={tmp_path}", "name=run")
        command += [BRIEF, "logger.wandb.finish_timeout_s=0.5", "logger.wandb.mode=online"]
        environment = {**os.environ, "WANDB_BASE_URL": address, "WANDB_API_KEY": 40 * "a"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment
        )
        server.settimeout(1)
        server.accept()[0].close()  # it did come here
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("wandb ")]
    assert len(lines) == 1 and "did not end in time" in lines[0], done.stderr
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_run_that_is_killed_keeps_every_step_but_one_at_most(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    overrides = options(runs, pairs, "logger=tensorboard", "trainer.max_epochs=500")
    done, report = os.pipe()

    def work() -> None:
        from outtake.training.callbacks.throughput import Throughput

        ended = Throughput.on_train_batch_end

        def noted(self: Any, *args: Any, **kwargs: Any) -> None:
            ended(self, *args, **kwargs)
            os.write(report, b".")  # a step is over; its record is written right after this

        Throughput.on_train_batch_end = noted
        train(compose("train", overrides), tmp_path / "run")

    pid = runs.start(work, tmp_path / "log")
    os.close(report)
    steps = 0
    while steps < 30:
        heard = os.read(done, 1)
        assert heard, (tmp_path / "log").read_text()
        steps += 1
    os.kill(pid, signal.SIGKILL)
    assert runs.wait(pid) == -signal.SIGKILL
    while heard := os.read(done, 4096):  # what came in before the kill did
        steps += len(heard)
    os.close(done)
    kept = [
        r["step"] for r in read_records(tmp_path / "run" / "metrics.jsonl") if "train/loss" in r
    ]
    assert kept == list(range(len(kept)))
    assert steps - 1 <= len(kept) <= steps
