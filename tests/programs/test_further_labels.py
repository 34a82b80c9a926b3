"""One network with two label maps, of which each colour channel tells one: trained and used."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from outtake.config.build_label_maps import build_label_maps
from outtake.config.build_task import build_task
from outtake.config.compose import compose
from outtake.config.load_ensemble import load_one_or_several, log_left_out_label_maps
from outtake.config.load_trained import load_trained
from outtake.core.errors import CheckpointError, ConfigError, PairingError
from outtake.core.labels import LabelSpace
from outtake.programs.evaluate import evaluate
from outtake.programs.export import export
from outtake.programs.infer_video import infer_video
from outtake.programs.pack import pack_data
from outtake.programs.predict import predict
from outtake.programs.train import train
from tests.data.generated import save
from tests.small_run import SMALL

SIZE = (32, 48)
FACTORS = "loss.class_factors={right: 1.5}"  # of the classes of the masks
FURTHER = "data.further_labels={layout: {folder: layout, classes: [wall, floor, roof]}}"


def maps_of(number):
    """Two halves beside each other, and three parts above each other: uint8 (H, W) each."""
    halves, parts = np.zeros((2, *SIZE), np.uint8)
    halves[:, 12 + 4 * (number % 6) :] = 1
    parts[8:], parts[18 + number % 6 :] = 1, 2
    return halves, parts


def save_pictures(folder, numbers):
    for number in numbers:
        halves, parts = maps_of(number)
        image = np.stack([halves * 200, parts * 100, np.full(SIZE, 90, np.uint8)], axis=2)
        save(folder / f"images/{number}.png", image)
        save(folder / f"masks/{number}.png", halves)
        save(folder / f"layout/{number}.png", parts)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("maps")
    save_pictures(root / "train", range(8))
    save_pictures(root / "val", range(8, 11))
    return root


def options(root, *own):
    return [
        *(each for each in SMALL if "data" not in each), "data=folder", f"data.root={root}",
        "data.source.classes=[left,right]", "data.crop=[24,24]", "data.batch_size=4",
        "data.workers=0", "data.short_side=32", f"paths.runs={root}/runs", "optimizer.lr=0.1",
        "model=custom", "model._target_=torch.nn.Conv2d", "+model.out_channels=5",
        "+model.kernel_size=1", "trainer.max_epochs=40", "scheduler=null", *own,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(root):
    train(
        compose("train", options(root, FURTHER, "name=both", "objective=val/layout/miou", FACTORS))
    )
    return root / "runs" / "both"


def test_each_label_map_has_a_loss_and_scores_in_training(run):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = {key for record in records for key in record}
    assert {"train/loss_labels", "train/loss_layout", "val/layout/miou"} <= keys
    assert {"val/iou/left", "val/layout/iou/roof"} <= keys
    best = json.loads((run / "summary.json").read_text())["best"]
    assert best["val/miou"] > 0.9 and best["val/layout/miou"] > 0.6


def test_evaluation_scores_each_as_training_did(run, root):
    best = json.loads((run / "summary.json").read_text())["best"]
    first = evaluate(compose("evaluate", [f"checkpoint={run}"]))
    assert json.loads(first.read_text())["miou"] == pytest.approx(best["val/miou"], abs=1e-6)
    record = json.loads((first.parent.parent / "folder-val-layout/metrics.json").read_text())
    assert record["miou"] == pytest.approx(best["val/layout/miou"], abs=1e-6)
    page = (first.parent.parent / "folder-val-layout/report.html").read_text()
    assert "<title>folder val layout: mIoU" in page
    assert record["label_map"] == "layout" and record["classes"] == ["wall", "floor", "roof"]
    other = [
        f"checkpoint={run}", "data=folder", f"data.root={root}", "label_map=layout",
        f"data.source.images={root}/val/images", f"data.source.masks={root}/val/layout",
        "data.source.classes=[wall,floor,roof]", f"output={root}/as-masks", "report=false",
        "split=train", "data.source.val_fraction=null",
    ]  # fmt: skip
    found = json.loads(evaluate(compose("evaluate", other)).read_text())
    assert found["miou"] == pytest.approx(record["miou"], abs=1e-6)


def test_a_label_map_that_is_not_scored_is_said(run, root, caplog, tmp_path):
    caplog.set_level("INFO")
    given = [f"checkpoint={run}", "report=false", f"output={tmp_path}/out"]
    data = ["data=folder", f"data.root={root}", "data.source.classes=[left,right]"]
    evaluate(compose("evaluate", [*given, *data]))
    assert "label map layout: not scored, these data.further_labels have none" in caplog.text
    assert not (tmp_path / "out-layout").exists()
    evaluate(compose("evaluate", [*given, f"baseline={run}"]))
    assert "layout: scored without the baseline; label_map=layout compares" in caplog.text
    with pytest.raises(ConfigError, match=r"further_labels\.depth: .* label map, only layout"):
        evaluate(compose("evaluate", [
            f"checkpoint={run}", f"output={tmp_path}/none", *data,
            FURTHER.replace("{layout:", "{depth:"),
        ]))  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_a_label_map_that_cannot_be_scored_is_said_before_another_is(run, root, tmp_path):
    shutil.copytree(root / "val", tmp_path / "data" / "val")
    shutil.copytree(root / "train", tmp_path / "data" / "train")
    shutil.rmtree(tmp_path / "data" / "val" / "layout")
    with pytest.raises(PairingError, match="layout"):
        evaluate(compose("evaluate", [
            f"checkpoint={run}", f"+data.root={tmp_path}/data", f"output={tmp_path}/out",
        ]))  # fmt: skip
    assert not list(tmp_path.glob("out*"))


def test_pictures_get_each_label_map_in_a_folder_of_its_own(run, root, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(root / "val" / "images", photos)
    out = predict(compose("predict", [
        f"checkpoint={run}", f"input={photos}", f"output={photos}/out", "device=cpu",
        "outputs=[labels,shares]",
    ]))  # fmt: skip
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    # What the first pass wrote is no picture of the second.
    assert written == [f"{place}labels/{n}.png" for place in ("", "layout/") for n in (10, 8, 9)]
    for number in (8, 9, 10):
        for folder, truth in zip((out, out / "layout"), maps_of(number), strict=True):
            labels = np.asarray(Image.open(folder / f"labels/{number}.png"))
            assert (labels == truth).mean() > 0.8, folder


@pytest.fixture(scope="module")
def single(root):
    train(compose("train", [
        *(each for each in options(root) if "out_channels" not in each), "+model.out_channels=2",
        "name=single", "trainer.max_epochs=1",
    ]))  # fmt: skip
    return root / "runs" / "single"


@pytest.mark.parametrize("first", ["both", "single"])
def test_an_ensemble_gives_the_label_maps_that_all_its_networks_have(
    run, single, root, tmp_path, caplog, first
):
    caplog.set_level("INFO")
    runs = [run, single] if first == "both" else [single, run]
    named = f"checkpoint=[{runs[0]},{runs[1]}]"
    left_out = "label map layout: left out, not all networks of the ensemble have it"
    evaluate(compose("evaluate", [named, f"output={tmp_path}/scores", "report=false"]))
    assert caplog.text.count(left_out) == 1 and not list(tmp_path.glob("scores-*"))
    caplog.clear()
    given = [named, f"input={root}/val/images", "device=cpu", "outputs=[labels]"]
    out = predict(compose("predict", [*given, f"output={tmp_path}/out"]))
    assert caplog.text.count(left_out) == 1 and (out / "labels").is_dir()
    assert not (out / "layout").exists()
    with pytest.raises(ConfigError, match=r"single.*has no such label map"):
        predict(compose("predict", [*given, f"output={tmp_path}/none", "label_map=layout"]))


def test_a_label_map_of_other_classes_is_not_shared(run, tmp_path, caplog):
    caplog.set_level("INFO")
    stored = torch.load(run / "checkpoints/best.ckpt", weights_only=False)
    stored["epoch"] = 99
    same, other = tmp_path / "same.ckpt", tmp_path / "other.ckpt"
    torch.save(stored, same)
    assert load_one_or_several([str(run), str(same)]).further_labels == ("layout",)
    stored["outtake"]["further_labels"][0]["labels"]["names"] = ["wall", "floor", "sky"]
    torch.save(stored, other)
    trained = load_one_or_several([str(run), str(other)])
    assert trained.further_labels == ()
    log_left_out_label_maps(trained)
    assert "layout: left out" in caplog.text


def test_a_clip_is_labelled_by_the_one_that_is_named(run, root, tmp_path):
    given = [
        f"checkpoint={run}", f"input={root}/val/images", "device=cpu", "remover=solid",
        "mask.vote=0", "mask.dilate=0", "mask.min_area=0", f"output={tmp_path}/out",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"label_map=depth: .* the masks' own \(null\), layout"):
        infer_video(compose("infer_video", [*given, "remove=[roof]", "label_map=depth"]))
    (out,) = infer_video(compose("infer_video", [*given, "remove=[roof]", "label_map=layout"]))
    before = np.asarray(Image.open(root / "val/images/8.png"))
    after = np.asarray(Image.open(sorted(out.glob("*.png"), key=lambda p: len(p.name))[0]))
    removed = (after != before).any(axis=2)
    assert (removed == (maps_of(8)[1] == 2)).mean() > 0.8


def test_an_archive_holds_all_label_maps_and_its_network_gives_one(run, root):
    made = export(compose("export", [f"checkpoint={run}", f"output={root}/model.zip"]))
    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    first, layout = (load_trained(made, label_map=name) for name in (None, "layout"))
    assert first.further_labels == ("layout",) and layout.labels.names == ("wall", "floor", "roof")
    assert first.sha256 != layout.sha256, "what is kept of one is not taken for the other's"
    assert first.task(images).shape[1] == 2 and layout.task(images).shape[1] == 3


def test_the_objective_is_a_miou_that_is_logged(root, run):
    summary = json.loads((run / "summary.json").read_text())
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = max(record.get("val/layout/miou", 0) for record in records)
    assert summary["objective"] == "val/layout/miou" and summary["best"]["val/layout/miou"] == best
    with pytest.raises(
        ConfigError, match=r"objective=val/loss: allowed are val/miou, val/layout/m"
    ):
        train(compose("train", options(root, FURTHER, "name=wrong", "objective=val/loss")))
    assert not (root / "runs" / "wrong").exists()


def test_what_knows_the_masks_alone_is_refused(root, tmp_path):
    with pytest.raises(ConfigError, match=r"further_labels=\{layout\}: what trains beside the lab"):
        train(compose("train", options(root, FURTHER, "supervision=unimatch", "name=wrong",
                                       f"data.unlabelled={root}/val/images")))  # fmt: skip
    assert not (root / "runs" / "wrong").exists()
    with pytest.raises(ConfigError, match=r"data\.further_labels: shards hold one file and one ma"):
        pack_data(compose("pack", [
            "data=folder", f"data.root={root}", FURTHER, f"output={tmp_path}/s"
        ]))  # fmt: skip


def test_a_network_has_the_classes_of_all_label_maps():
    cfg = compose("train", ["model=enet", "loss=deep_supervision", FURTHER])
    spaces = {"layout": LabelSpace.from_names(["wall", "floor", "roof"])}
    maps = build_label_maps(cfg, 2, spaces, {})
    task = build_task(cfg, LabelSpace.from_names(["a", "b"]), 3, label_maps=maps).eval()
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert task.net(task.normalize(images)).shape[1] == 5 and task(images).shape[1] == 2


def test_a_name_out_of_a_checkpoint_is_no_path(run, tmp_path):
    stored = torch.load(run / "checkpoints/best.ckpt", weights_only=False)
    stored["outtake"]["further_labels"][0]["name"] = "../outside"
    torch.save(stored, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"'\.\./outside' is no name of a label map"):
        load_trained(tmp_path / "other.ckpt")
