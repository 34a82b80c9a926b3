"""predict.py: pictures of any kind in, labels, shares and pictures without objects out."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.config.evaluation_data import build_eval_data
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, OutputError, UnknownClassError, UnreadableImageError
from outtake.data.image_files import read_image
from outtake.data.sample_range import SampleRange
from outtake.data.source import DataWarning
from outtake.pictures import predict_pictures
from outtake.pictures.predictor import Predictor
from outtake.pictures.read_picture import read_picture
from outtake.programs.predict import predict
from outtake.programs.train import train

REGION = "regions=[{box:[0,0,5,5]}]"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of several sizes and kinds, one of them broken."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, (48, 64, 4), np.uint8)
    Image.fromarray(noise[..., :3]).save(folder / "a.png")
    Image.fromarray(noise).save(folder / "sub" / "alpha.png")
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(noise[:40, :, :3]).save(folder / "b.jpg", exif=turned)
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "sub" / "deep.png")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder


def run(folder: Path, out: Path, *overrides: str) -> Path:
    return predict(compose("predict", [f"input={folder}", f"output={out}", *overrides]))


def network(run_folder: Path) -> tuple[str, ...]:
    return (f"checkpoint={run_folder}", "backend=torch", "device=cpu")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_everything_is_written_and_a_broken_picture_has_a_line(
    photos: Path, tmp_path: Path, small_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    outputs = "outputs=[labels,colours,overlay,polygons,shares]"
    run(photos, out, *network(small_run), outputs)
    assert [line for line in caplog.messages if "skipped" in line and "broken.png" in line]
    assert not any("partner" in line for line in caplog.messages)
    names = ["a", "b", "sub/alpha", "sub/deep"]
    expected = [
        f"{kind}/{name}{'.json' if kind == 'polygons' else '.png'}"
        for kind in ("colours", "labels", "overlay", "polygons")
        for name in names
    ]
    expected += ["predictions.jsonl", "shares.csv", "shares.json"]
    assert files(out) == sorted(expected)
    with Image.open(out / "labels" / "b.png") as labels:
        assert labels.mode == "P" and labels.size == (40, 64), "turned as EXIF says"
        ids = np.asarray(labels)
        palette = np.array(labels.getpalette()).reshape(-1, 3)
    with Image.open(out / "colours" / "b.png") as colours:
        assert (np.asarray(colours) == palette[ids]).all()
    record = json.loads((out / "shares.json").read_text())
    rows = list(csv.DictReader((out / "shares.csv").open()))
    assert [row["picture"] for row in rows] == ["a.png", "b.jpg", "sub/alpha.png", "sub/deep.png"]
    for index, name in enumerate(record["classes"]):
        share = record["pictures"]["b.jpg"]["shares"][name]
        assert share == pytest.approx((ids == index).mean())
        assert float(rows[1][name]) == pytest.approx(share, abs=1e-6)
    shapes = json.loads((out / "polygons" / "b.json").read_text())
    assert (shapes["imageWidth"], shapes["imageHeight"]) == (40, 64) and shapes["shapes"]
    assert (out / "polygons" / shapes["imagePath"]).resolve() == photos / "b.jpg"


def test_objects_are_removed_by_masks_and_regions_without_a_network(
    photos: Path, tmp_path: Path
) -> None:
    masks, out = tmp_path / "masks", tmp_path / "out"
    (masks / "sub").mkdir(parents=True)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:30] = 255
    for name in ("a", "sub/alpha", "sub/deep"):
        Image.fromarray(mask).save(masks / f"{name}.png")
    run(photos, out, f"masks={masks}", "remover=solid", "regions=[{box:[0,0,4,4]}]")
    assert files(out) == [
        "predictions.jsonl", "removed/a.png", "removed/sub/alpha.png", "removed/sub/deep.png",
    ]  # fmt: skip
    hole = mask > 0
    hole[:4, :4] = True
    for name in ("a", "sub/alpha", "sub/deep"):
        before = np.asarray(Image.open(photos / f"{name}.png"))
        after = np.asarray(Image.open(out / "removed" / f"{name}.png"))
        assert after.dtype == before.dtype and (after[~hole] == before[~hole]).all()
        colours = after[hole][:, :3] if after.ndim == 3 else after[hole]
        assert not colours.any()
    alpha = np.asarray(Image.open(out / "removed" / "sub" / "alpha.png"))[..., 3]
    assert (alpha == np.asarray(Image.open(photos / "sub" / "alpha.png"))[..., 3]).all()


def test_classes_are_removed_as_in_a_video(photos: Path, tmp_path: Path, small_run: Path) -> None:
    out = tmp_path / "out"
    options = ("remover=mask", "mask.dilate=0", "mask.min_area=0", "mask.fill_holes=false")
    chosen = "outputs=[labels,removed]"
    run(photos, out, *network(small_run), "keep_only=[road]", chosen, *options)
    labels = np.asarray(Image.open(out / "labels" / "a.png"))
    mask = np.asarray(Image.open(out / "removed" / "a.png").convert("L"))
    road = json.loads((out / "predictions.jsonl").read_text().splitlines()[1])["shares"]
    assert ((mask > 0) == (labels != list(road).index("road"))).all()


def test_labels_are_refined_and_are_made_again_when_that_changes(
    photos: Path, tmp_path: Path, small_run: Path
) -> None:
    options = (*network(small_run), "outputs=[labels]")
    run(photos, tmp_path / "out", *options)
    with pytest.raises(OutputError, match="refine"):
        run(photos, tmp_path / "out", *options, "refine=smooth")
    picture = np.asarray(Image.open(photos / "a.png").convert("RGB"))
    refine = {"_target_": "outtake.refine.smoother.Smooth"}
    plain = Predictor.from_checkpoint(small_run, device="cpu")(picture)
    refined = Predictor.from_checkpoint(small_run, device="cpu", refine=refine)(picture)
    assert plain.confidence is not None and refined.confidence is not None
    assert np.ptp(refined.confidence) < np.ptp(plain.confidence)


def test_labels_that_the_network_is_not_sure_of_are_left_out_and_train_another(
    tmp_path: Path, runs: ModuleType, tiny_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = runs.write_data(tmp_path / "data")
    pictures = data / "train" / "images"
    predictor = Predictor.from_checkpoint(tiny_run, device="cpu", backend={"name": "torch"})
    seen = {path.stem: predictor(read_image(path, 3)) for path in sorted(pictures.iterdir())}
    level = round(float(np.median([each.confidence for each in seen.values()])), 3)
    out = run(pictures, tmp_path / "out", *network(tiny_run), f"min_confidence={level}")
    record = json.loads((out / "shares.json").read_text())["pictures"]
    for name, found in seen.items():
        labels = np.asarray(Image.open(out / "labels" / f"{name}.png"))
        assert found.confidence is not None
        assert (labels == np.where(found.confidence >= level, found.labels, 255)).all()
        sure = sum(record[f"{name}.png"]["shares"].values())
        assert sure == pytest.approx((found.confidence >= level).mean())
    for name in ("4.png", "5.png", "6.png", "7.png"):  # beside those that were drawn
        shutil.copy(out / "labels" / name, data / "train" / "masks" / name)
    overrides = [*runs.options(data, epochs=1), "+trainer.max_steps=1"]
    train(compose("train", overrides), tmp_path / "second", overrides)
    run(pictures, tmp_path / "none", *network(tiny_run), "min_confidence=0.999999")
    assert any("no pixel reaches min_confidence=0.999999" in line for line in caplog.messages)


def test_a_confidence_of_labels_that_nobody_writes_is_one_line(
    tmp_path: Path, tiny_run: Path
) -> None:
    with pytest.raises(ConfigError, match="it is of labels that are written"):
        run(tmp_path, tmp_path / "out", *network(tiny_run), "remove=[thing]", "min_confidence=0.5")


def test_an_interrupted_run_makes_the_rest_and_another_request_is_refused(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, options = tmp_path / "out", (REGION, "remover=solid")
    make = predict_pictures._make
    made: list[str] = []

    def interrupted(file, *others):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(file.name)
        return make(file, *others)

    monkeypatch.setattr(predict_pictures, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt, match="2 of 5 pictures are finished"):
        run(photos, out, *options)
    assert not list(out.rglob("*.part"))
    before = {path: path.stat().st_mtime_ns for path in (out / "removed").rglob("*.*")}
    monkeypatch.setattr(predict_pictures, "_make", make)
    with (out / "predictions.jsonl").open("a") as record:
        record.write('{"picture": "cut o')
    run(photos, out, *options)
    assert "2 of 5 pictures are finished already" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(files(out / "removed")) == 4
    with pytest.raises(OutputError, match=r"made with regions=.*overwrite=true"):
        run(photos, out, "regions=[{box:[0,0,9,9]}]", "remover=solid")
    run(photos, out, "regions=[{box:[0,0,9,9]}]", "remover=solid", "overwrite=true")
    (photos / "a.png").write_bytes((photos / "sub" / "alpha.png").read_bytes())
    run(photos, out, "regions=[{box:[0,0,9,9]}]", "remover=solid")
    assert Image.open(out / "removed" / "a.png").mode == "RGBA", "made again of the new picture"


@pytest.mark.parametrize(
    ("overrides", "kind", "said"),
    [
        ([], ConfigError, "checkpoint has no value"),
        (["remove=[car]"], ConfigError, "checkpoint has no value"),
        (["checkpoint=x", "outputs=[removed]"], ConfigError, "nothing is to be removed"),
        (["checkpoint=x", "remove=[car]", "outputs=[labels]"], ConfigError, "add removed"),
        (["checkpoint=x", "outputs=[label]"], ConfigError, "outputs"),
        (["regions=[{box:[0,0,5,5],from:1}]"], ConfigError, "a picture has no time"),
        (
            ["regions=[{box:[0,0,5,5]}]", "outputs=[removed,shares]"],
            ConfigError,
            "needs the labels",
        ),
        ([REGION, "output=x.png"], OutputError, "name a folder"),
        ([REGION, "remover.painted=[a.png@0]"], ConfigError, "painted: goes with a clip"),
        (["masks={masks}"], ConfigError, "no mask has the name of a picture"),
    ],
)
def test_a_request_that_cannot_work_leaves_nothing(
    overrides: list[str], kind: type[Exception], said: str, photos: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("x", "y"):
        Image.new("L", (64, 48)).save(masks / f"{name}.png")
    with pytest.raises(kind, match=said):
        run(
            photos,
            tmp_path / "out",
            *(each.format(masks=masks) if "masks=" in each else each for each in overrides),
        )
    assert not (tmp_path / "out").exists()


def test_an_unknown_class_and_files_of_others_are_refused_before_work(
    photos: Path, tmp_path: Path, small_run: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UnknownClassError, match="cat"):
        run(photos, out, *network(small_run), "remove=[cat]")
    assert not out.exists()
    (out / "removed").mkdir(parents=True)
    (out / "removed" / "a.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="overwrite=true"):
        run(photos, out, REGION)
    assert (out / "removed" / "a.png").read_bytes() == b"mine"


def test_only_unreadable_pictures_are_an_error(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="none of 1 pictures"):
        run(photos / "broken.png", tmp_path / "out", REGION)


def test_a_picture_that_broke_since_counts_no_more_and_ignored_keys_have_a_line(
    photos: Path, tmp_path: Path, small_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    run(photos, out, *network(small_run), "outputs=[shares]")
    (photos / "a.png").write_bytes((photos / "broken.png").read_bytes())
    run(photos, out, *network(small_run), "outputs=[shares]")
    assert "\na.png" not in (out / "shares.csv").read_text()
    ignored = ("checkpoint=RUN", "mask.dilate=0.1", "refine=smooth")
    run(photos, tmp_path / "other", REGION, "remover=solid", *ignored)
    said = "checkpoint=RUN, mask.dilate=0.1, refine not used: no labels say what is removed"
    assert said in caplog.text


def test_samples_of_any_depth_are_seen_and_what_was_chosen_is_said(
    tmp_path: Path, small_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    light = np.random.default_rng(2).integers(0, 256, (32, 32), np.uint8)
    light[0, 0] = 255
    Image.fromarray(light).save(folder / "plain.png")
    Image.fromarray((light * (4095 / 255)).round().astype(np.uint16)).save(folder / "deep.png")
    Image.fromarray((light / 255).astype(np.float32)).save(folder / "float.tif")
    run(folder, tmp_path / "out", *network(small_run), "outputs=[labels]")
    plain, deep, real = (
        np.asarray(Image.open(tmp_path / "out" / "labels" / f"{name}.png"))
        for name in ("plain", "deep", "float")
    )
    assert (plain == deep).mean() > 0.98 and (plain == real).mean() > 0.98
    assert "deep.png: samples of uint16: the network sees 0 as black and 4095" in caplog.text
    with pytest.raises(ConfigError, match=r"range=.*give auto"):
        run(folder, tmp_path / "other", *network(small_run), "range=[5,1]")


@pytest.fixture(scope="module")
def deep_run(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second on pictures of 12 bits, beside its data."""
    place = tmp_path_factory.mktemp("deep")
    data = runs.write_data(place / "data")
    for number, path in enumerate(sorted(data.glob("*/images/*.png"))):
        grey = np.random.default_rng(number).integers(0, 4096, (64, 64)).astype(np.uint16)
        with Image.open(path) as opened:
            grey = grey[: opened.height, : opened.width]
        Image.fromarray(grey).save(path)
    overrides = [*runs.options(data), "data.source.channels=3"]
    train(compose("train", overrides), place / "run", overrides)
    return place


def test_the_range_of_training_goes_with_the_checkpoint(
    deep_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Dim pictures alone would be stretched to another depth than the network was trained on."""
    trained = load_trained(deep_run / "run")
    assert trained.sample_range == SampleRange(0, 4095)
    scored = shutil.copytree(deep_run / "data", tmp_path / "scored")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, path in enumerate(sorted(scored.glob("*/images/*.png"))):
        dim = np.asarray(Image.open(path)) // 20
        Image.fromarray(dim.astype(np.uint16)).save(path)
        shutil.copy(path, photos / f"{number}.png")
    for named in (
        [f"+data.root={scored}"],
        ["data=folder", f"data.root={scored}", "data.source.channels=3"],
    ):
        cfg = compose("evaluate", ["checkpoint=x", "workers=0", *named])
        with pytest.warns(DataWarning, match="4095 white, as in training"):
            assert build_eval_data(trained, cfg).sample_range == trained.sample_range
    run(photos, tmp_path / "out", *network(deep_run / "run"), "outputs=[labels]")
    assert "sees 0 as black and 4095 as white, as in training" in caplog.text
    picture = read_picture(photos / "0.png")
    seen = picture.for_network(trained.channels, trained.sample_range)
    assert seen.max() <= round(4095 // 20 * 255 / 4095)
    run(photos, tmp_path / "own", *network(deep_run / "run"), "outputs=[labels]", "range=[0,255]")


@pytest.mark.parametrize(("remover", "lines"), [("clean_plate", 1), ("inpaint", 0)])
def test_a_remover_that_looks_at_other_frames_has_a_line_for_pictures(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, remover: str, lines: int
) -> None:
    with caplog.at_level(logging.WARNING, "outtake"):
        run(photos / "a.png", tmp_path / "out", REGION, f"remover={remover}")
    assert caplog.text.count("all of the fill is made up from what lies around it") == lines
