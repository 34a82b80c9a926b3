from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest

from outtake.config.build_refiner import choose_refine
from outtake.config.compose import compose
from outtake.config.evaluate_schema import EvaluateOptions
from outtake.config.evaluation_data import build_eval_data
from outtake.config.load_trained import load_trained
from outtake.config.program_options import read_options
from outtake.core.errors import OutputError
from outtake.programs.evaluate import _write_results, evaluate
from outtake.programs.evaluation_folder import (
    ScoredData,
    choose_evaluation_folder,
    describe_scored_data,
)


def run(*overrides: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(evaluate(compose("evaluate", overrides)).read_text())
    return record


def test_each_way_of_scoring_has_a_folder_of_its_own(small_run: Path) -> None:
    trained, data = load_trained(small_run), ScoredData("camvid", True, "")

    def name(*overrides: str) -> str:
        cfg = compose("evaluate", [f"checkpoint={small_run}", *overrides])
        options = read_options(EvaluateOptions, cfg)
        refine = choose_refine(options.refine, trained)
        return choose_evaluation_folder(trained, data, options, refine).name

    assert name() == name("network.flip=false", "network.scales=[1]") == "camvid-val"
    assert name("network.flip=true", "split=test") == "camvid-test-flip"
    ways = "network.short_side=96", "network.scales=[0.75,1]", "network.window=[64,96]"
    assert name(*ways) == "camvid-val-short_side-96-scales-0.75-1-window-64x96-0.25"
    smooth = name("refine=smooth")
    assert smooth.startswith("camvid-val-smooth-") and smooth != name(
        "refine=smooth", "refine.sigma=9"
    )


def test_other_data_and_a_baseline_have_folders_of_their_own(
    tiny_run: Path, pairs: Path, tmp_path: Path
) -> None:
    trained = load_trained(tiny_run)

    def name(*overrides: str) -> str:
        cfg = compose("evaluate", [f"checkpoint={tiny_run}", *overrides])
        options = read_options(EvaluateOptions, cfg)
        report = build_eval_data(trained, cfg).report(options.split)
        data = describe_scored_data(trained, cfg, report)
        baseline = load_trained(options.baseline) if options.baseline else None
        return choose_evaluation_folder(trained, data, options, None, baseline).name

    moved = Path(shutil.copytree(pairs, tmp_path / "moved"))
    assert name() == name(f"+data.root={moved}") == "folder-val"
    assert name("data=folder", f"data.root={moved}") == "folder-val", "the same files"
    assert name(f"baseline={tiny_run}") == f"folder-val-against-{trained.sha256[:8]}"
    for root in (moved, Path(shutil.copytree(moved, tmp_path / "other one"))):
        image = next((root / "val" / "images").iterdir())
        cv2.imwrite(str(image), 255 - cv2.imread(str(image)) // (2 if root == moved else 3))
    changed = name("data=folder", f"data.root={moved}")
    assert changed.startswith("folder-val-moved-") and changed == name(f"+data.root={moved}")
    assert name("data=folder", f"data.root={root}").startswith("folder-val-other_one-")
    # No run recorded the files of a test split.
    shutil.copytree(pairs / "val", moved / "test")
    assert name("data=folder", f"data.root={moved}", "split=test").startswith("folder-test-moved-")
    trained.config.data.root = str(moved)
    assert name("split=test") == "folder-test"
    assert name("split=test", "data=folder", f"data.root={moved}") == "folder-test"


def test_a_data_json_beside_a_file_outside_of_a_run_is_not_its_record(
    tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.json").write_text("[]")
    checkpoint = shutil.copy(tiny_run / "checkpoints" / "best.ckpt", tmp_path / "net.ckpt")
    trained = load_trained(checkpoint)
    cfg = compose("evaluate", [f"checkpoint={checkpoint}"])
    report = build_eval_data(trained, cfg).report("val")
    assert describe_scored_data(trained, cfg, report).of_training


def test_a_page_of_an_earlier_evaluation_does_not_stay_beside_new_scores(
    tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = (f"checkpoint={tiny_run}", "device=cpu", f"output={tmp_path}")
    run(*given, "bootstrap.resamples=100")
    assert (tmp_path / "report.html").is_file()
    with caplog.at_level("INFO"):
        run(*given, "report=false")
    assert not (tmp_path / "report.html").exists()
    assert f"removed {tmp_path / 'report.html'}, the page of an earlier" in caplog.text


def test_no_page_is_left_beside_scores_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "metrics.json").write_text("{}")

    def fail(path: Path, text: str) -> None:
        raise OutputError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("outtake.programs.evaluate.replace_text", fail)
    with pytest.raises(OutputError, match="disk is full"):
        _write_results(tmp_path / "metrics.json", {"miou": 0.5}, "new")
    assert not (tmp_path / "report.html").exists()


def test_scores_on_other_data_leave_those_of_the_run_s_own(
    tiny_run: Path, pairs: Path, tmp_path: Path
) -> None:
    # Other tests leave evaluations in the shared run.
    unevaluated = shutil.ignore_patterns("evaluation")
    folder = Path(shutil.copytree(tiny_run, tmp_path / "run", ignore=unevaluated))
    data = Path(shutil.copytree(pairs, tmp_path / "ds2"))
    next((data / "val" / "images").iterdir()).unlink()
    for mask in (data / "val" / "masks").iterdir():
        if not (data / "val" / "images" / mask.name).exists():
            mask.unlink()
    given = (f"checkpoint={folder}", "device=cpu", "report=false")
    own = run(*given)
    other = run(*given, "data=folder", f"data.root={data}")
    run(*given, f"baseline={folder}/checkpoints/last.ckpt")
    assert (own["data_of_training"], other["data_of_training"]) == (True, False)
    kept = json.loads((folder / "evaluation/folder-val/metrics.json").read_text())
    assert kept == own and other["images"] == own["images"] - 1
    assert len(list((folder / "evaluation").iterdir())) == 3
