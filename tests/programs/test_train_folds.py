from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, DataRootError, OutputError, RecordError
from outtake.core.format_version import FORMAT_VERSION
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.programs.train_folds import train_folds
from outtake.programs.training_records import describe_data
from tests.training.one_layer import QUICK

SMALL = [*QUICK, "data.source.height=32", "data.source.width=48", "data.crop=[32,32]"]
FOLDS = [*SMALL, "trainer.max_epochs=1", "folds=2"]


class Trainings:
    """In the place of trainings: leaves what one leaves, and fails at some."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.trained: list[int] = []
        self._fails_at = fails_at

    def __call__(self, cfg, run: Path, overrides) -> float:
        if cfg.fold == self._fails_at:
            raise SystemExit(143)
        self.trained.append(cfg.fold)
        run.mkdir(parents=True)
        best = {"val/miou": 0.5 + 0.1 * cfg.fold, "val/iou/car": 0.2, "epoch": 3}
        (run / "summary.json").write_text(json.dumps({"best": best, "epochs": 4}))
        splits = {split: {"count": 3} for split in ("train", "val")}
        data = build_data(cfg)
        data.setup("fit")
        record = describe_data(data) | {"splits": splits}
        (run / "data.json").write_text(json.dumps(record))
        (run / "environment.json").write_text(json.dumps({"format": FORMAT_VERSION}))
        (run / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
        return best["val/miou"]


def test_folds_are_runs_with_one_table_and_one_ensemble(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "c v"
    mean = train(compose("train", FOLDS), folder, FOLDS)
    record = json.loads((folder / "folds.json").read_text())
    scores = [run["best"]["val/miou"] for run in record["runs"]]
    assert mean == pytest.approx(sum(scores) / 2) == record["mean"]["val/miou"]
    said = capsys.readouterr().out
    assert "2 folds" in said and f"""ensemble: 'checkpoint="{folder}"'""" in said
    held_out = []
    for run in record["runs"]:
        data = json.loads((folder / run["run"] / "data.json").read_text())["splits"]
        assert not data["train"]["files"].keys() & data["val"]["files"].keys()
        held_out += data["val"]["files"]
        assert json.loads((folder / run["run"] / "notes.json").read_text())["group"] == "c v"
    assert len(held_out) == len(set(held_out)) == 5 * 4
    options = ["device=cpu", "report=false", f"output={tmp_path / 'scores'}"]
    with pytest.raises(ConfigError, match="different folds"):
        evaluate(compose("evaluate", [f"checkpoint='{folder}'", *options]))
    path = evaluate(compose("evaluate", [f"checkpoint='{folder}'", "split=test", *options]))
    assert len(json.loads(path.read_text())["members"]) == 2


def test_folds_that_have_ended_are_not_trained_again(tmp_path: Path, caplog) -> None:
    options = [*SMALL, "folds=3", "name=cv"]
    with pytest.raises(SystemExit):
        train_folds(compose("train", options), tmp_path / "cv", options, Trainings(fails_at=1))
    with pytest.raises(OutputError, match=r"is not empty; .*resume=auto"):
        train_folds(compose("train", options), tmp_path / "cv", options, Trainings())
    again = Trainings()
    resumed = compose("train", [*options, "resume=auto"])
    mean = train_folds(resumed, tmp_path / "cv", options, again)
    assert again.trained == [1, 2] and mean == pytest.approx(0.6)
    record = json.loads((tmp_path / "cv" / "folds.json").read_text())
    assert record["std"]["val/miou"] == pytest.approx(0.1)
    other = compose("train", [*SMALL, "folds=2", "name=cv", "resume=auto"])
    with pytest.raises(ConfigError, match=r"folds=2: .*made with folds=3"):
        train_folds(other, tmp_path / "cv", options, again)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("seed=7", "seed was 0 .* is now 7"),
        ("optimizer.lr=0.5", r"optimizer\.lr was"),
        ("trainer.max_epochs=9", r"trainer\.max_epochs was 2"),
        ("model=fcn32s", r"model\.stride"),
        ("augment=none", r"augment"),
        ("data.source.frames_per_clip=5", r"data\.source\.frames_per_clip was 4"),
        ("data.workers=1", None),
        ("+logger.x=null", None),
        ("note=later", None),
    ],
)
def test_folds_of_other_settings_are_not_mixed(
    tmp_path: Path, change: str, named: str | None
) -> None:
    options, folder = [*SMALL, "folds=2", "name=cv"], tmp_path / "cv"
    with pytest.raises(SystemExit):
        train_folds(compose("train", options), folder, options, Trainings(fails_at=1))
    again, changed = Trainings(), compose("train", [*options, "resume=auto", change])
    if named is None:
        train_folds(changed, folder, options, again)
    else:
        with pytest.raises(ConfigError, match=rf"resume=auto in .*fold_0: {named}"):
            train_folds(changed, folder, options, again)
    assert again.trained == ([] if named else [1])


def test_folds_of_other_data_are_not_mixed(tmp_path: Path) -> None:
    options, folder = [*SMALL, "folds=2", "name=cv"], tmp_path / "cv"
    with pytest.raises(SystemExit):
        train_folds(compose("train", options), folder, options, Trainings(fails_at=1))
    record = folder / "fold_0" / "data.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"fingerprint": "other"}))
    with pytest.raises(DataRootError, match="fingerprints differ"):
        train_folds(compose("train", [*options, "resume=auto"]), folder, options, Trainings())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("folds.json", "{", r"folds\.json is not JSON .*; delete it: resume=auto"),
        ("fold_0/summary.json", "{", r"summary\.json is not JSON .*; restore it"),
        ("fold_0/summary.json", "{}", r"fold_0: .* has no 'best' .*; restore it"),
        ("fold_0/data.json", '{"spli', r"data\.json is not JSON .*; restore it"),
    ],
)
def test_damaged_records_of_folds_are_named(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    options, folder = [*SMALL, "folds=2", "name=cv"], tmp_path / "cv"
    with pytest.raises(SystemExit):
        train_folds(compose("train", options), folder, options, Trainings(fails_at=1))
    (folder / name).write_text(content)
    again = Trainings()
    with pytest.raises(RecordError, match=said):
        train_folds(compose("train", [*options, "resume=auto"]), folder, options, again)
    assert again.trained == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["fold=1"], "fold=1: .*as in folds=5 fold=2"),
        (["folds=2", "fold=2"], "fold=2: folds=2 has 0 to 1"),
        (["folds=1"], "folds=1: must be .*at least 2"),
        (["folds=9", "fold=0"], r"folds=9: .* 5 groups .*train/0000"),
        (["folds=2", "resume=auto"], "resume=auto: the run needs a name"),
        (["folds=2", "resume=runs/x"], "resume=runs/x: .*resume=auto"),
    ],
)
def test_folds_that_cannot_work_leave_nothing(tmp_path: Path, options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(compose("train", [*SMALL, f"paths.runs={tmp_path / 'runs'}", *options]))
    assert not (tmp_path / "runs").exists()
