from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, ForbiddenTargetError, OutputError, RecordError
from outtake.inference.export_onnx import ExportGraph
from outtake.programs.evaluate import evaluate
from outtake.programs.export import export, make_checked_onnx
from outtake.programs.export_records import collect_records
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    evaluate(compose("evaluate", [f"checkpoint={tiny_run}", "device=cpu"]))
    target = tmp_path_factory.mktemp("elsewhere") / "street.zip"
    given = [f"checkpoint={tiny_run}", f"output={target}", "licence='CC BY 4.0'", "onnx=[32,32]"]
    return export(compose("export", given))


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_it_holds_what_it_promises(exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        names = set(archive.namelist())
    assert names >= {
        "README.md", "LICENCE.md", "config.yaml", "labels.json", "model.json", "model.onnx",
        "weights.safetensors", "report/summary.json", "report/metrics.jsonl", "report/data.json",
        "report/metrics.json",
    }  # fmt: skip
    assert "files" not in json.loads(member(exported, "report/data.json"))["splits"]["train"]


def test_the_card_tells_classes_scores_and_origin(tiny_run: Path, exported: Path) -> None:
    card = member(exported, "README.md").decode()
    scored = json.loads(member(exported, "report/metrics.json"))
    trained = load_trained(tiny_run)
    assert card.startswith("# street\n") and "CC BY 4.0" in card
    assert all(f"| {name} |" in card for name in trained.labels.names)
    assert f"| mIoU | {scored['miou']:.4f} |" in card and "torch.nn.Sequential" in card
    assert str(tiny_run) not in card
    assert "CC BY 4.0" in member(exported, "LICENCE.md").decode()


def test_the_scores_are_those_of_the_checkpoint_that_is_exported(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    shutil.rmtree(run / "evaluation", ignore_errors=True)
    best, last = (run / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
    evaluate(compose("evaluate", [f"checkpoint={best}", "device=cpu", "bootstrap.resamples=100"]))

    def exported(checkpoint: Path) -> Path:
        target = tmp_path / f"{checkpoint.stem}.zip"
        return export(compose("export", [f"checkpoint={checkpoint}", f"output={target}"]))

    bare = exported(last)
    with zipfile.ZipFile(bare) as archive:
        assert not {"report/metrics.json", "report/report.html"} & set(archive.namelist())
    assert not {"best", "checkpoint"} & json.loads(member(bare, "report/summary.json")).keys()
    assert "None were recorded" in member(bare, "README.md").decode()
    newer = evaluate(
        compose("evaluate", [f"checkpoint={last}", "device=cpu", "bootstrap.resamples=100"])
    )
    os.utime(newer, (2e9, 2e9))
    for checkpoint in (best, last):
        bundle = exported(checkpoint)
        record = json.loads(member(bundle, "report/metrics.json"))
        assert record["checkpoint_sha256"] == load_trained(checkpoint).sha256
        assert f"| mIoU | {record['miou']:.4f} |" in member(bundle, "README.md").decode()
        assert checkpoint.name.encode() in member(bundle, "report/report.html")
    assert "best" in json.loads(member(exported(best), "report/summary.json"))


def test_no_place_of_this_machine_is_in_it(tiny_run: Path, pairs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    table = tmp_path / "table.csv"
    with table.open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["split", "image", "mask"])
        for split in ("train", "val"):
            for image in sorted((pairs / split / "images").iterdir()):
                rows.writerow([split, image, pairs / split / "masks" / image.name])
    given = [f"checkpoint={run}", f"baseline={run}", "data=folder", f"data.root={pairs}"]
    given += [f"data.source.csv={table}", "device=cpu", "bootstrap.resamples=100"]
    path = evaluate(compose("evaluate", given))
    assert str(pairs) in path.read_text() and str(run) in path.read_text()
    bundle = export(compose("export", [f"checkpoint={run}", f"output={tmp_path / 'x.zip'}"]))
    record = json.loads(member(bundle, "report/metrics.json"))
    assert record["checkpoint"] == record["paired"]["baseline"] == "best.ckpt"
    assert {each["id"] for each in record["per_image"]} == {"0", "1", "2", "3"}
    page = member(bundle, "report/report.html").decode()
    assert '"baseline":"best.ckpt"' in page
    with zipfile.ZipFile(bundle) as archive:
        reports = [name for name in archive.namelist() if name.startswith("report/")]
    for name in [*reports, "README.md"]:
        assert str(tmp_path).encode() not in member(bundle, name), name
        assert str(pairs).encode() not in member(bundle, name), name


def test_records_stay_json_whatever_a_class_is_called(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(pairs, tmp_path / "data"))
    (data / "classes.yaml").write_text("names: [board, token]\n")
    for kind in ("images", "masks"):
        (data / "val" / kind / "0.png").rename(data / "val" / kind / "password=c4n4ry-1.png")
    run = tmp_path / "run"
    train(compose("train", [*runs.options(data), "trainer.max_epochs=1"]), run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9')  # died while it wrote
    written = evaluate(compose("evaluate", [f"checkpoint={run}", "bootstrap.resamples=100"]))
    assert "c4n4ry-1" not in (written.with_name("report.html")).read_text()
    bundle = export(compose("export", [f"checkpoint={run}", f"output={tmp_path / 'x.zip'}"]))
    for name in ("summary", "data", "metrics"):
        json.loads(member(bundle, f"report/{name}.json"))
    lines = [json.loads(line) for line in member(bundle, "report/metrics.jsonl").splitlines()]
    assert any(isinstance(line.get("val/iou/token"), float) for line in lines)
    page = member(bundle, "report/report.html").decode()
    block = page.partition('id="data">')[2].partition("</script>")[0]
    assert isinstance(json.loads(block)["record"]["iou"]["token"], float)
    assert "c4n4ry-1" not in page


def test_a_record_that_is_not_json_is_named(tiny_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "summary.json").write_text("{")
    with pytest.raises(RecordError, match=r"summary\.json is not JSON"):
        export(compose("export", [f"checkpoint={run}", f"output={tmp_path / 'x.zip'}"]))


def test_it_predicts_as_the_checkpoint_does(tiny_run: Path, exported: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    there, here = load_trained(exported), load_trained(tiny_run)
    with torch.inference_mode():
        assert torch.equal(there.task(images), here.task(images))
    assert (there.short_side, there.channels, there.epoch) == (
        here.short_side,
        here.channels,
        here.epoch,
    )
    assert there.labels == here.labels


def test_it_is_evaluated_by_its_path(tiny_run: Path, exported: Path) -> None:
    path = evaluate(compose("evaluate", [f"checkpoint={exported}", "device=cpu"]))
    assert exported.parent in path.parents
    best = json.loads((tiny_run / "summary.json").read_text())["best"]
    assert json.loads(path.read_text())["miou"] == best["val/miou"]


def test_it_cleans_a_video_by_its_path(exported: Path, tmp_path: Path) -> None:
    from outtake.programs.infer_video import infer_video
    from outtake.video.read.clip import open_clip

    frames = tmp_path / "frames"
    frames.mkdir()
    import cv2

    for index in range(3):
        cv2.imwrite(str(frames / f"{index:03d}.png"), np.full((32, 32, 3), 40 * index, np.uint8))
    name = load_trained(exported).labels.names[0]
    given = [
        f"checkpoint={exported}",
        f"input={frames}",
        "read.fps=5",
        f"output={tmp_path / 'o.mkv'}",
    ]
    given += [
        f"remove=[{name}]",
        "remover=solid",
        "device=cpu",
        "backend=torch",
        "encode.codec=ffv1",
    ]
    infer_video(compose("infer_video", given))
    with open_clip(tmp_path / "o.mkv") as clip:
        assert len(list(clip)) == 3


def test_onnx_gives_what_torch_gives_for_any_number_of_images(exported: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        member(exported, "model.onnx"), providers=["CPUExecutionProvider"]
    )
    task = load_trained(exported).task
    for count in (1, 3):
        images = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), np.uint8)
        (logits,) = session.run(["logits"], {"images": images})
        with torch.inference_mode():
            wanted = ExportGraph(task).eval()(torch.from_numpy(images)).numpy()
        assert np.abs(logits - wanted).max() < 1e-3 * max(1.0, np.abs(wanted).max())
        assert (logits.argmax(-1) == wanted.argmax(-1)).mean() > 0.999


def test_an_onnx_model_with_other_logits_is_never_written(tiny_run: Path, monkeypatch) -> None:
    trained = load_trained(tiny_run)
    call = ExportGraph.forward
    tracing = torch.onnx.is_in_onnx_export
    monkeypatch.setattr(
        ExportGraph, "forward", lambda self, x: call(self, x) * (1.01 if tracing() else 1.0)
    )
    with pytest.raises(ConfigError, match="differ from torch"):
        make_checked_onnx(trained, (32, 32))


def test_files_outside_of_runs_have_a_zip_each_and_none_is_its_own(
    tiny_run: Path, tmp_path: Path
) -> None:
    best = tiny_run / "checkpoints" / "best.ckpt"
    for name in ("mean", "greedy"):
        shutil.copyfile(best, tmp_path / f"{name}.ckpt")
        made = export(compose("export", [f"checkpoint={tmp_path / name}.ckpt"]))
        assert made == tmp_path / f"{name}.zip" and member(made, "README.md").startswith(
            b"# " + name.encode()
        )
    whole = made.read_bytes()
    with pytest.raises(OutputError, match="the checkpoint itself"):
        export(compose("export", [f"checkpoint={made}"]))
    assert made.read_bytes() == whole


def test_the_same_run_gives_the_same_bytes(tiny_run: Path, tmp_path: Path) -> None:
    one, other = (
        export(compose("export", [f"checkpoint={tiny_run}", f"output={tmp_path / name}/n.zip"]))
        for name in ("a", "b")
    )
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("onnx", ["5", "[0,4]", "[1,2,3]", "[a,b]"])
def test_bad_options_are_one_line(tiny_run: Path, tmp_path: Path, onnx: str) -> None:
    given = [f"checkpoint={tiny_run}", f"output={tmp_path / 'x.zip'}", f"onnx={onnx}"]
    with pytest.raises(ConfigError, match="height"):
        export(compose("export", given))
    with pytest.raises(OutputError, match=r"\.zip"):
        export(compose("export", [given[0], f"output={tmp_path / 'x.tar'}"]))
    assert not list(tmp_path.iterdir())


def test_a_label_map_without_onnx_is_refused_before_work() -> None:
    with pytest.raises(ConfigError, match=r"label_map=depth: .* name its size too, as in onnx="):
        export(compose("export", ["checkpoint=missing", "label_map=depth"]))


def test_what_refines_labels_goes_with_the_network(tiny_run: Path, tmp_path: Path) -> None:
    target = tmp_path / "net.zip"
    export(compose("export", [f"checkpoint={tiny_run}", f"output={target}", "refine=smooth"]))
    trained = load_trained(target)
    assert trained.refine is not None and trained.refine["strength"] == 300
    assert "labels refined by" in member(target, "README.md").decode()

    def scored(*asked: str) -> dict:
        options = [f"output={tmp_path / 'scores'}", "device=cpu", "report=false", *asked]
        return json.loads(evaluate(compose("evaluate", options)).read_text())

    as_exported = scored(f"checkpoint={target}")
    assert as_exported["refine"] == trained.refine
    asked = scored(f"checkpoint={tiny_run}", "refine=smooth")
    without = scored(f"checkpoint={target}", "refine=none")
    assert as_exported["confusion"] == asked["confusion"] != without["confusion"]
    assert load_trained(tiny_run).refine is None


def test_a_checkpoint_cannot_name_any_class_as_its_refiner(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(tiny_run / "checkpoints" / "best.ckpt")
    for target in ("os.system", "outtake.refine.smoother.cv2.imwrite"):
        checkpoint["outtake"]["refine"] = {"_target_": target}
        save_checkpoint(checkpoint, tmp_path / "bad.ckpt")
        with pytest.raises(ForbiddenTargetError):
            load_trained(tmp_path / "bad.ckpt")


def test_the_score_of_a_further_label_map_is_not_that_of_the_network(tmp_path: Path) -> None:
    for name, more in (("val", {"miou": 0.8}), ("val-depth", {"miou": 0.3, "label_map": "depth"})):
        (tmp_path / "evaluation" / name).mkdir(parents=True)
        record = json.dumps({"checkpoint_sha256": "ab" * 32, **more})
        (tmp_path / "evaluation" / name / "metrics.json").write_text(record)
    found = collect_records(tmp_path, tmp_path / "best.ckpt", "ab" * 32)
    assert json.loads(found["metrics.json"])["miou"] == 0.8


def test_the_scores_are_those_of_the_training_s_own_data(tmp_path: Path) -> None:
    each = {"val": (0.5, True, 1e9), "val-old": (0.4, True, 9e8), "val-ds2-1a": (0.9, False, 2e9)}
    for name, (miou, own, time_s) in each.items():
        path = tmp_path / "evaluation" / name / "metrics.json"
        path.parent.mkdir(parents=True)
        record = {"checkpoint_sha256": "ab" * 32, "miou": miou, "data_of_training": own}
        path.write_text(json.dumps(record))
        os.utime(path, (time_s, time_s))

    def exported() -> float:
        found = collect_records(tmp_path, tmp_path / "best.ckpt", "ab" * 32)
        return float(json.loads(found["metrics.json"])["miou"])

    assert exported() == 0.5
    shutil.rmtree(tmp_path / "evaluation/val")
    shutil.rmtree(tmp_path / "evaluation/val-old")
    assert exported() == 0.9
