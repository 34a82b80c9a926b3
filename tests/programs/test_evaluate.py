from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from outtake.config.compose import compose
from outtake.config.evaluation_data import build_eval_data, make_baseline_loader
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, DataRootError, LabelSpaceError
from outtake.data.folder import Folder
from outtake.data.source import DataChoice
from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.evaluation_loop import evaluate_split
from outtake.evaluation.metrics import scores
from outtake.evaluation.sampling_units import choose_units
from outtake.evaluation.summary import detailed_scores
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint
from tests.training.one_layer import QUICK


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two short epochs on the scenes."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    train(compose("train", [*QUICK, "optimizer.lr=0.05"]), folder, QUICK)
    return folder


def run(*overrides: str) -> dict:
    return json.loads(evaluate(compose("evaluate", overrides)).read_text())


def logged_confusion(folder: Path) -> list[list[int]]:
    """The matrix of the validation after which the best checkpoint was saved."""
    epoch = read_checkpoint(folder / "checkpoints" / "best.ckpt")["epoch"]
    logged = json.loads((folder / "confusion" / f"val_epoch_{epoch:04d}.json").read_text())
    return logged["confusion"]


def test_it_gives_the_miou_that_training_logged(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}", "device=cpu")
    summary = json.loads((small_run / "summary.json").read_text())
    assert record["confusion"] == logged_confusion(small_run)
    # What training logs has the digits of float32.
    assert summary["best"]["val/miou"] == pytest.approx(record["miou"], rel=1e-7)
    for name, value in record["iou"].items():
        assert summary["best"].get(f"val/iou/{name}") == pytest.approx(value, rel=1e-7)


def test_every_score_is_written_and_follows_from_the_confusion_matrix(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}/checkpoints/last.ckpt", "device=cpu")
    again = scores(np.array(record["confusion"]), record["classes"])
    for key in ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "classes_scored"):
        assert record[key] == again[key]
    for key in ("iou", "precision", "recall", "dice"):
        assert list(record[key]) == record["classes"]
    assert record["images"] == 8 and record["images_per_second"] > 0
    assert sum(map(sum, record["confusion"])) == record["pixels"] == 8 * 64 * 96


def test_mirrored_prediction_gives_mirrored_labels(small_run: Path) -> None:
    task = load_trained(small_run).task
    images = torch.randint(0, 255, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        there = task.predict(images, flip=True)
        back = task.predict(images.flip(-1), flip=True).flip(-1)
    assert torch.allclose(there, back, atol=1e-4)
    record = run(f"checkpoint={small_run}", "network.flip=true", "device=cpu", "split=test")
    assert record["network"]["flip"] is True


def test_an_ensemble_is_scored_and_all_its_members_are_named(
    small_run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.ckpt"
    checkpoint = read_checkpoint(small_run / "checkpoints" / "best.ckpt")
    save_checkpoint(checkpoint | {"epoch": 9}, other)
    options = (f"checkpoint=[{small_run},{other}]", "device=cpu", "split=test")
    record = run(*options, "network.scales=[0.75,1.5]", f"output={tmp_path / 'out'}")
    assert [each["epoch"] for each in record["members"]][1] == 9
    assert [each["checkpoint"] for each in record["members"]][1] == str(other)
    assert record["forward"]["networks"] == 2 and record["network"]["scales"] == [0.75, 1.5]
    page = (tmp_path / "out" / "report.html").read_text()
    assert str(other) in page and "0.75" in page
    finer = run(*options, "network.short_side=96", "report=false", f"output={tmp_path / 'finer'}")
    assert finer["forward"]["height"] == finer["network"]["short_side"] == 96


def test_members_of_other_folds_are_not_scored_on_what_some_have_learned(
    small_run: Path, tmp_path: Path
) -> None:
    paths = [save_as_fold(small_run, tmp_path, fold) for fold in (0, 1)]
    named = f"checkpoint=[{paths[0]},{paths[1]}]"
    data = ["data=scenes", *(each for each in QUICK if each.startswith("data.source."))]
    for given in ([], data):
        with pytest.raises(ConfigError, match=r"split=val: the members .* different folds"):
            run(named, "device=cpu", *given)


def save_as_fold(run_folder: Path, place: Path, fold: int) -> Path:
    """Write the checkpoint of a run as that of one of two folds."""
    checkpoint = read_checkpoint(run_folder / "checkpoints" / "best.ckpt")
    text = checkpoint["outtake"]["config"].replace("\nfolds: null", "\nfolds: 2")
    checkpoint["outtake"]["config"] = text.replace("\nfold: null", f"\nfold: {fold}")
    save_checkpoint(checkpoint, place / f"fold_{fold}.ckpt")
    return place / f"fold_{fold}.ckpt"


def test_the_data_of_a_fold_are_divided_as_in_its_training_also_where_they_are_named(
    small_run: Path, tmp_path: Path
) -> None:
    path = save_as_fold(small_run, tmp_path, 0)
    trained = load_trained(path)
    own = compose("evaluate", [f"checkpoint={path}"])
    data = build_eval_data(trained, own)
    source = [each for each in QUICK if each.startswith("data.source.")]
    with pytest.warns(DataChoice, match=r"folds=2, fold=0, fold_by=.*, as in training"):
        named = build_eval_data(
            trained, compose("evaluate", [f"checkpoint={path}", "data=scenes", *source])
        )
    whole = build_eval_data(load_trained(small_run), own)
    for split in ("train", "val"):
        assert named.report(split).fingerprint == data.report(split).fingerprint
        assert whole.report(split).fingerprint != data.report(split).fingerprint
    assert make_baseline_loader(trained, trained, own, data)
    # A network without folds is shown the same images.
    assert make_baseline_loader(load_trained(small_run), trained, own, data)


def test_data_that_has_moved_is_found_by_its_root(small_run: Path) -> None:
    record = run(f"checkpoint={small_run}", "+data.root=elsewhere", "device=cpu", "split=test")
    assert record["images"] == 4, "the scenes are rendered, so any root will do"
    fewer = run(
        f"checkpoint={small_run}", "+data.source.frames_per_clip=3", "device=cpu", "split=test"
    )
    assert fewer["images"] == 3, "an option of the source is changed, the others stay"


def test_evaluation_may_see_images_at_another_size_than_training(tmp_path: Path) -> None:
    finer = [*QUICK, "trainer.max_epochs=1", "data.eval_short_side=96"]
    train(compose("train", finer), tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    assert trained.short_side == 96, "video and other data follow the evaluation"
    data = build_eval_data(trained, compose("evaluate", ["checkpoint=x", "workers=0"]))
    batch = next(iter(data.eval_loader("val")))
    assert batch["image"].shape[2:] == (96, 144) and batch["mask"].shape[1:] == (64, 96)
    record = run(f"checkpoint={tmp_path / 'run'}", "device=cpu")
    assert record["confusion"] == logged_confusion(tmp_path / "run")


def test_the_checkpoint_alone_is_enough(small_run: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "net.ckpt"
    shutil.copy(small_run / "checkpoints" / "best.ckpt", lonely)
    record = run(f"checkpoint={lonely}", "split=test", "device=cpu", f"output={tmp_path / 'out'}")
    assert record["split"] == "test" and record["images"] == 4
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_other_data_of_the_same_classes_can_be_named(small_run: Path) -> None:
    small = ["data.source.height=48", "data.source.width=70", "data.source.clips.val=1"]
    record = run(f"checkpoint={small_run}", "data=scenes", *small, "device=cpu")
    assert record["pixels"] == record["images"] * 48 * 70


def test_data_of_other_classes_is_refused(small_run: Path, camvid_root: Path) -> None:
    with pytest.raises(LabelSpaceError, match="sky"):
        run(f"checkpoint={small_run}", "data=camvid", f"data.root={camvid_root}", "device=cpu")


def test_a_folder_with_a_test_split_alone_is_scored(
    tiny_run: Path, pairs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(pairs / "val", data / "test")
    shutil.copy(pairs / "classes.yaml", data)
    given = (f"checkpoint={tiny_run}", "data=folder", f"data.root={data}", "report=false")
    assert run(*given, "split=test", f"output={tmp_path / 'out'}")["images"] == 4
    with pytest.raises(DataRootError, match=r"no split 'val'.*split=test"):
        run(*given)
    (data / "classes.yaml").unlink()
    with pytest.raises(LabelSpaceError) as refused:
        run(*given, "split=test")
    said = str(refused.value)
    assert "ground, thing there, class_0, class_1 here; where its masks have those in" in said
    added = said.rpartition(" add ")[2]
    assert run(*given, "split=test", *shlex.split(added))["images"] == 4


def test_what_training_validated_on_is_not_its_train(
    tiny_run: Path, pairs: Path, tmp_path: Path
) -> None:
    shutil.copytree(pairs / "train", tmp_path / "data/train")
    shutil.copy(pairs / "classes.yaml", tmp_path / "data")
    trained = load_trained(tiny_run)
    trained.config.data.source.val_fraction = 0.5
    root, count = str(tmp_path / "data"), len(list((pairs / "train/images").iterdir()))
    given = ["checkpoint=x", "data=folder", f"data.root={root}"]
    with pytest.warns(DataChoice, match=r"val_fraction=0.5, as in training"):
        data = build_eval_data(trained, compose("evaluate", given))
    own = Folder(root, val_fraction=0.5)
    assert data.source.samples("train") == own.samples("train") != own.samples("val")
    with pytest.warns(DataChoice, match=r"val_fraction=None, and 0.5 in training.*other parts"):
        data = build_eval_data(
            trained, compose("evaluate", [*given, "data.source.val_fraction=null"])
        )
    assert len(data.source.samples("train")) == count


def test_the_report_adds_numbers_and_changes_none(small_run: Path, tmp_path: Path) -> None:
    common = (f"checkpoint={small_run}", "device=cpu")
    plain = run(*common, "report=false", f"output={tmp_path / 'plain'}")
    full = run(*common, f"output={tmp_path / 'full'}")
    assert not (tmp_path / "plain" / "report.html").exists()
    assert (tmp_path / "full" / "report.html").is_file()
    timed = ("images_per_second", "speed", "forward_ms", "forward")
    assert {k: v for k, v in full.items() if k in plain and k not in timed} == {
        k: v for k, v in plain.items() if k not in timed
    }
    for key in ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "mean_dice"):
        low, high = full["intervals"][key]
        assert low <= full[key] <= high, key
    assert full["bootstrap"] == {
        "unit": "image", "units": 8, "images": 8, "images_without_labels": 0,
        "within": {"kind": "recording", "count": 2},
        "resamples": 2000, "level": 0.95, "seed": 0,
    }  # fmt: skip
    assert set(full["speed"]["ms_per_image"]) == {"load", "network", "count"}
    assert full["forward_ms"] > 0 and "thread" in full["forward"]["device"]
    assert (full["forward"]["height"], full["forward"]["width"]) == (64, 96)
    assert 0 <= full["boundary"]["iou"] <= 1 and 0 <= full["boundary"]["f_score"] <= 1
    assert 0 <= full["calibration"]["ece"] <= 1
    assert sum(full["calibration"]["pixels"]) == full["pixels"]
    assert len(full["per_image"]) == full["images"]


def test_scores_of_single_images_and_their_resampling_follow_from_single_evaluations(
    small_run: Path,
) -> None:
    trained = load_trained(small_run)
    cfg = compose("evaluate", [f"checkpoint={small_run}", "workers=0"])
    loader = build_eval_data(trained, cfg).eval_loader("val")
    done = evaluate_split(
        trained.task.predict,
        trained.labels,
        loader,
        torch.device("cpu"),
        with_details=True,
        show_progress=False,
    )
    names = trained.labels.names
    images = choose_units([None] * 8, np.ones(8, bool))
    ids = [str(index) for index in range(8)]
    detail = detailed_scores(done.evaluator, names, ids, Bootstrap(200), images)
    matrices = []
    with torch.inference_mode():
        for batch in loader:
            guess = trained.task.predict(batch["image"], (64, 96)).argmax(1)
            for g, t in zip(guess, batch["mask"], strict=True):
                one = ConfusionMatrix(len(names), 255)
                one.update(g, t)
                matrices.append(one.counts())
    for each, matrix in zip(detail["per_image"], matrices, strict=True):
        assert each["miou"] == pytest.approx(scores(matrix, names)["miou"])
    shown = [e.miou for e in done.evaluator.best_worst.worst]
    assert shown == sorted(e["miou"] for e in detail["per_image"])[:4]
    assert [e.miou for e in done.evaluator.best_worst.best] == pytest.approx(
        sorted((e["miou"] for e in detail["per_image"]), reverse=True)[:4]
    )
    draws = np.random.default_rng(0).multinomial(8, [1 / 8] * 8, 200)
    resampled = [scores(np.tensordot(d, np.array(matrices), 1), names)["miou"] for d in draws]
    assert detail["intervals"]["miou"] == pytest.approx(
        Bootstrap(200).interval(np.array(resampled), 8)
    )


def test_two_checkpoints_are_compared_on_the_same_draws(small_run: Path, tmp_path: Path) -> None:
    last = small_run / "checkpoints" / "last.ckpt"
    options = ("device=cpu", f"output={tmp_path}", "bootstrap.resamples=300", "report=false")
    same = run(f"checkpoint={small_run}", f"baseline={small_run}", *options)["paired"]
    assert same["difference"] == 0 and same["interval"] == [0, 0]
    there = run(f"checkpoint={small_run}", f"baseline={last}", *options)
    back = run(f"checkpoint={last}", f"baseline={small_run}", *options)
    paired, reverse = there["paired"], back["paired"]
    assert paired["baseline_miou"] == pytest.approx(back["miou"])
    assert paired["difference"] == pytest.approx(there["miou"] - back["miou"])
    assert paired["interval"][0] <= paired["difference"] <= paired["interval"][1]
    assert reverse["difference"] == pytest.approx(-paired["difference"])
    assert reverse["interval"] == pytest.approx([-paired["interval"][1], -paired["interval"][0]])


def test_a_baseline_of_another_resolution_sees_the_same_images(
    small_run: Path, tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(small_run / "checkpoints" / "best.ckpt")
    checkpoint["outtake"]["short_side"] = 96
    save_checkpoint(checkpoint, tmp_path / "finer.ckpt")
    finer, own = load_trained(tmp_path / "finer.ckpt"), load_trained(small_run)
    cfg = compose("evaluate", ["checkpoint=x", "workers=0"])
    data = build_eval_data(own, cfg)
    batch = next(iter(make_baseline_loader(finer, own, cfg, data)))
    same = next(iter(data.eval_loader("val")))
    assert batch["image"].shape[2:] == (96, 144) and same["image"].shape[2:] == (64, 96)
    assert torch.equal(batch["mask"], same["mask"])
    small = ["data=scenes", "data.source.height=48", "data.source.width=70"]
    other = [*small, "data.source.clips.val=1", "checkpoint=x", "workers=0"]
    moved = compose("evaluate", other)
    with pytest.raises(DataRootError, match="other images"):
        make_baseline_loader(finer, own, moved, data)


def test_too_few_draws_are_refused(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="resamples"):
        run(f"checkpoint={small_run}", "bootstrap.resamples=3", f"output={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_a_class_may_be_called_like_a_secret(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(pairs, tmp_path / "data"))
    (data / "classes.yaml").write_text("names: [board, token]\n")
    run = tmp_path / "run"
    train(compose("train", [*runs.options(data), "trainer.max_epochs=1"]), run)
    written = evaluate(compose("evaluate", [f"checkpoint={run}"]))
    record = json.loads(written.read_text())
    assert isinstance(record["iou"]["token"], float)
    assert "redacted" not in written.read_text() + (run / "summary.json").read_text()
    assert "redacted" not in (written.parent / "report.html").read_text()


@pytest.mark.parametrize("change", ["bootstrap.resamples=abc", "bootstrap.seed=-1"])
def test_draws_that_are_no_number_are_refused_before_the_work(change: str) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        evaluate(compose("evaluate", ["checkpoint=missing", change]))


def test_labels_are_refined_and_compared_with_those_that_are_not(
    small_run: Path, tmp_path: Path
) -> None:
    plain = run(f"checkpoint={small_run}", "device=cpu", f"output={tmp_path / 'plain'}")
    record = run(
        f"checkpoint={small_run}", f"baseline={small_run}", "refine=smooth", "refine.sigma=9",
        "device=cpu", "bootstrap.resamples=100", f"output={tmp_path / 'refined'}",
    )  # fmt: skip
    assert plain["refine"] is None and record["refine"]["sigma"] == 9
    assert record["calibration"]["ece"] != plain["calibration"]["ece"]
    difference = record["paired"]["difference"]
    assert difference == pytest.approx(record["miou"] - plain["miou"], abs=1e-9)
