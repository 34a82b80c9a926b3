"""A few labelled frames of one clip: trained, scored, applied to the clip, and trained further."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.load_trained import load_trained
from outtake.config.schema import parse
from outtake.core.errors import ConfigError, OuttakeError, UnknownClassError
from outtake.programs.evaluate import evaluate
from outtake.programs.infer_video import infer_video
from outtake.programs.predict import predict
from outtake.programs.suggest import suggest
from outtake.programs.train import train

SIZE, FRAMES, LABELLED = (48, 80), 16, (1, 6, 14)


def show(number):
    """A camera that pans along a wall, and a red disc that crosses it."""
    noise = np.random.default_rng(3).integers(0, 160, (12, 40, 3)).astype(np.uint8)
    wall = cv2.resize(noise, (240, 72), interpolation=cv2.INTER_CUBIC)
    frame = wall[10:58, 10 + 2 * number : 90 + 2 * number].copy()
    frame[label(number) > 0] = 220, 20, 20
    return frame


def label(number):
    found = np.zeros(SIZE, np.uint8)
    cv2.circle(found, (70 - 4 * number, 24), 9, 1, cv2.FILLED)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project folder with its clip."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("frames", "train/masks"):
        (root / folder).mkdir(parents=True)
    for number in range(FRAMES):
        Image.fromarray(show(number)).save(root / f"frames/{number:05d}.png")
    for number in LABELLED:
        Image.fromarray(label(number)).save(root / f"train/masks/{number:06d}.png")
    (root / "project.json").write_text(json.dumps({"format": 1, "source": "frames"}))
    (root / "classes.yaml").write_text("names: [background, disc]\nignore: 255\n")
    return root


def options(project, *more):
    return [
        "experiment=few_frames", f"data.root={project}", "logger=none", "callbacks.ema.decay=0.9",
        "data.short_side=48", "data.crop=[48,48]", "data.samples_per_epoch=16",
        "data.further_inputs.residual.plate_offsets=[1,2,4]", "model.widths=[8,16]",
        f"paths.runs={project}/runs", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(project):
    given = options(project, "name=first", "budget_s=null", "trainer.max_epochs=14")
    train(compose("train", given))
    return project / "runs/first"


def test_the_checkpoint_knows_its_clip_its_labels_and_the_residual(run):
    trained = load_trained(run)
    assert trained.channels == 6 and trained.further_inputs[0].plate_offsets == (1, 2, 4)
    assert sorted(trained.clip.labels) == list(LABELLED) and trained.clip.name == "frames"
    assert np.array_equal(trained.clip.labels[6], label(6))


def test_it_is_scored_on_its_labels_without_being_told_of_the_residual(run):
    given = [f"checkpoint={run}", "network.flip=false"]
    record = json.loads(evaluate(compose("evaluate", given)).read_text())
    best = json.loads((run / "summary.json").read_text())["best"]["val/miou"]
    assert record["miou"] == pytest.approx(best, abs=1e-6) and best > 0.7


def remove(run, clip, out, *more):
    given = [f"checkpoint={run}", f"input={clip}", f"output={out}", "device=cpu", "remove=[disc]"]
    given += ["remover=solid", "mask.dilate=0", "mask.min_area=0", *more]
    (made,) = infer_video(compose("infer_video", given))
    return [np.asarray(Image.open(path)) for path in sorted(made.glob("*.png"))]


def changed(frames, project):
    read = (np.asarray(Image.open(path)) for path in sorted(project.glob("frames/*.png")))
    return [(one != other).any(axis=2) for one, other in zip(frames, read, strict=True)]


@pytest.fixture(scope="module")
def whole(run, project):
    return remove(run, project / "frames", project / "whole", "backend=torch")


def test_frames_keep_their_labels_and_segments_make_no_difference(
    run, project, whole, tmp_path, caplog
):
    caplog.set_level("INFO", logger="outtake")
    masks = changed(whole, project)
    for number in LABELLED:
        truth = label(number) > 0
        # Where the colour of the solid is that of the picture, nothing changes.
        assert not masks[number][~truth].any() and masks[number][truth].mean() > 0.9
    segments = ["backend=torch", "job.segment_frames=5"]
    parts = remove(run, project / "frames", tmp_path / "parts", *segments)
    assert "frames with labels of their own keep them: 1, 6, 14" in caplog.text
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


def test_a_frame_that_was_corrected_since_the_training_has_its_correction(
    run, project, tmp_path, caplog
):
    caplog.set_level("INFO", logger="outtake")
    now = tmp_path / "now"
    (now / "train/masks").mkdir(parents=True)
    source = {"source": str(project / "frames")}
    (now / "project.json").write_text(json.dumps(source))
    (now / "classes.yaml").write_text("names: [background, disc]\nignore: 255\n")
    corner = np.zeros(SIZE, np.uint8)
    corner[:9, :9] = 1
    Image.fromarray(corner).save(now / "train/masks/000009.png")
    given = ["backend=torch", f"labels={now}", "mask.vote=2", "mask.min_area=0.1"]
    made = changed(remove(run, project / "frames", tmp_path / "out", *given), project)
    assert "frames with labels of their own keep them: 9" in caplog.text
    assert np.array_equal(made[9], corner > 0) and not made[8][:9, :9].any()
    Image.fromarray(corner).save(now / "train/masks/000016.png")
    with pytest.raises(ConfigError, match="of frame 16 too, and frames has 16 frames, counted"):
        remove(run, project / "frames", tmp_path / "out2", *given)
    with pytest.raises(ConfigError, match=r"labels=.*: is no project"):
        infer_video(compose("infer_video", [
            f"checkpoint={run}", f"input={project / 'frames'}", f"output={tmp_path / 'o'}",
            "remove=[disc]", f"labels={tmp_path}",
        ]))  # fmt: skip
    with pytest.raises(ConfigError, match="no network is used; leave it out"):
        parse(InferVideoConfig, resolve_config(compose("infer_video", [
            "input=a", "output=b", "labels=c", "masks.path=d"
        ])))  # fmt: skip


def test_masks_of_a_network_of_one_clip_have_no_vote():
    mask = parse(InferVideoConfig, resolve_config(compose("infer_video", [
        "input=a", "output=b", "checkpoint=c", "remove=[d]"
    ]))).mask  # fmt: skip
    assert mask.policy_options()["vote"] == 2
    assert mask.policy_options(of_one_clip=True)["vote"] == 0
    assert replace(mask, vote=3).policy_options(of_one_clip=True)["vote"] == 3


def test_a_network_of_one_clip_is_averaged_with_the_mirrored_picture(run):
    network = parse(InferVideoConfig, resolve_config(compose("infer_video", [
        "input=a", "output=b", "checkpoint=c", "remove=[d]"
    ]))).network  # fmt: skip
    assert network.passes()["flip"] is False
    assert network.passes(of_one_clip=True)["flip"] is True
    assert replace(network, flip=False).passes(of_one_clip=True)["flip"] is False
    record = json.loads(evaluate(compose("evaluate", [f"checkpoint={run}"])).read_text())
    assert record["network"]["flip"] is True
    with pytest.raises(ConfigError, match="must be true, false or auto"):
        suggest(compose("suggest", [f"checkpoint={run}", "input=a", "network.flip=often"]))


@pytest.mark.parametrize(
    "backend",
    [
        ["backend=onnxruntime"],
        ["backend=openvino"],
        ["backend=openvino", "network.precision=int8"],
    ],
    ids=lambda options: options[-1],
)
def test_every_backend_sees_the_residual(run, project, whole, tmp_path, backend):
    if "int8" in backend[-1]:
        pytest.importorskip("nncf")
    pytest.importorskip(backend[0].partition("=")[2])
    masks = changed(remove(run, project / "frames", tmp_path / "out", *backend), project)
    own = changed(whole, project)
    different = np.mean([one != other for one, other in zip(masks, own, strict=True)])
    assert different < (0.02 if "int8" in backend[-1] else 0.001)


def test_of_a_part_of_the_clip_the_labels_are_those_of_its_frames(run, project, tmp_path):
    part = ["read.start=0.2", "read.fps=25"]  # from frame 5 on
    frames = remove(run, project / "frames", tmp_path / "part", *part)
    assert len(frames) == FRAMES - 5
    truth, before = label(6) > 0, show(6)
    assert not (frames[1] != before).any(axis=2)[~truth].any()


def test_another_clip_is_named(run, project, tmp_path, caplog):
    for number in range(4):
        Image.fromarray(show(number)[::-1].copy()).save(tmp_path / f"{number}.png")
    remove(run, tmp_path, tmp_path / "out")
    assert "trained on one clip, frames, and" in caplog.text


def test_pictures_have_no_plate(run, project, tmp_path):
    given = [f"checkpoint={run}", f"input={project}/frames", f"output={tmp_path}/out"]
    with pytest.raises(ConfigError, match=r"plate of a clip \(residual\), and pictures have none"):
        predict(compose("predict", given))
    assert not (tmp_path / "out").exists()


def test_a_budget_sets_the_epochs_and_the_run_resumes_with_them(run, project):
    given = options(project, "name=budget", "budget_s=2", f"init_from={run}")
    train(compose("train", given))
    folder = project / "runs/budget"
    begun = compose("train", given)
    epochs = json.loads((folder / "summary.json").read_text())["epochs"]
    saved = (folder / "config.yaml").read_text()
    assert f"max_epochs: {epochs}" in saved and epochs != begun.trainer.max_epochs
    assert json.loads((folder / "init_from.json").read_text())
    # Measured anew, it would be another number on a machine that is busier.
    resumed = compose("train", [*given, "resume=auto"])
    train(resumed)
    assert resumed.trainer.max_epochs == epochs
    with pytest.raises(ConfigError, match=r"budget_s=0\.0001: an epoch of 4 steps takes about"):
        train(compose("train", options(project, "name=none", "budget_s=1e-4")))
    assert not (project / "runs/none").exists()


def test_other_data_have_no_plate(project):
    with pytest.raises(ConfigError, match="needs frames of one clip, and scenes has pictures"):
        train(compose("train", [
            "data=scenes", "+data.further_inputs.residual.plate_offsets=[6]",
            f"paths.runs={project}/runs",
        ]))  # fmt: skip
    with pytest.raises(ConfigError, match=r"plate_offsets=\[0\]: give one to 4 distances"):
        train(compose("train", [
            *options(project), "data.further_inputs={residual: {plate_offsets: [0]}}",
        ]))  # fmt: skip


def test_frames_are_suggested_that_have_no_labels(run, project, tmp_path, capsys):
    given = [f"checkpoint={run}", f"input={project}/frames", "device=cpu", "count=2"]
    path = suggest(compose("suggest", [*given, f"output={tmp_path}/new", "distance=1"]))
    record = json.loads(path.read_text())
    assert record["labelled"] == list(LABELLED) and record["classes"] == ["disc"]
    assert [each["frame"] for each in record["frames"]] == list(range(FRAMES))
    unsure = {each["frame"]: each["uncertainty"] for each in record["frames"]}
    first, second = (each["frame"] for each in record["suggestions"])
    others = [unsure[n] or 0 for n in range(FRAMES) if n not in LABELLED]
    assert unsure[first] is None or unsure[first] == max(others)
    assert abs(first - second) > 1 and not {first, second} & set(LABELLED)
    assert f"label frame {first} next: " in capsys.readouterr().out
    assert Image.open(path.with_suffix(".png")).width > 800


def test_what_can_not_be_suggested_is_one_line(run, project, tmp_path):
    given = [f"checkpoint={run}", f"input={project}/frames", "device=cpu"]
    with pytest.raises(UnknownClassError, match="cat"):
        suggest(compose("suggest", [*given, "classes=[cat]", f"output={tmp_path}/a"]))
    with pytest.raises(ConfigError, match=r"count=0: must be a whole number of frames, at least 1"):
        suggest(compose("suggest", [*given, "count=0"]))
    with pytest.raises(OuttakeError, match="nothere"):
        suggest(compose("suggest", [f"checkpoint={run}", f"input={tmp_path}/nothere"]))
    assert not (tmp_path / "a").exists()
