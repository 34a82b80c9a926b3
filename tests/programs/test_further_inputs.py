"""A network of RGB and depth, of which depth alone tells the classes: trained, scored and used."""

import json

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, PairingError, SizeMismatchError
from outtake.programs.evaluate import evaluate
from outtake.programs.export import export
from outtake.programs.infer_video import infer_video
from outtake.programs.predict import predict
from outtake.programs.train import train
from tests.data.generated import save
from tests.programs.depth_pictures import agreement, save_splits
from tests.small_run import SMALL

# What learns a threshold of the fourth channel in a few steps, whatever the seed.
LAYERS = (
    "["
    "{_target_:torch.nn.Conv2d,in_channels:4,out_channels:8,kernel_size:3,padding:1},"
    "{_target_:torch.nn.BatchNorm2d,num_features:8},{_target_:torch.nn.ReLU},"
    "{_target_:torch.nn.Conv2d,in_channels:8,out_channels:2,kernel_size:1}]"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rgbd")
    save_splits(root)
    return root


@pytest.fixture(scope="module")
def run(root):
    runs = root / "runs"
    train(compose("train", [
        *(each for each in SMALL if "data" not in each), "data=folder", f"data.root={root}",
        "data.further_inputs={depth: depth}", "data.crop=[32,32]", "data.batch_size=4",
        "data.workers=0", "data.short_side=48", "trainer.max_epochs=8", f"paths.runs={runs}",
        "model=custom", "model._target_=torch.nn.Sequential", f"+model._args_={LAYERS}",
        "optimizer.lr=0.05", "name=rgbd",
    ]))  # fmt: skip
    return runs / "rgbd"


def test_the_checkpoint_knows_its_inputs(run):
    trained = load_trained(run)
    assert trained.channels == 4
    (depth,) = trained.further_inputs
    assert (depth.name, depth.channels) == ("depth", 1)
    assert depth.sample_range.high == 4095
    assert trained.task.normalize.mean.flatten()[[0, 3]].tolist() == pytest.approx([0.485, 0.5])


def test_evaluation_scores_with_the_inputs_of_the_checkpoint(run, root):
    record = json.loads(evaluate(compose("evaluate", [f"checkpoint={run}"])).read_text())
    best = json.loads((run / "summary.json").read_text())["best"]["val/miou"]
    assert record["miou"] == pytest.approx(best, abs=1e-6)
    assert best > 0.7, "noise tells nothing, depth does"
    other = ["data=folder", f"data.root={root}"]
    with pytest.raises(ConfigError, match=r"inputs, depth, .* none given: set 'data\.further_inp"):
        evaluate(compose("evaluate", [f"checkpoint={run}", *other]))
    named = "data.further_inputs={depth: depth}"
    again = compose("evaluate", [f"checkpoint={run}", *other, named, f"output={root}/again"])
    assert json.loads(evaluate(again).read_text())["miou"] == pytest.approx(best, abs=1e-6)


def test_an_archive_knows_the_inputs_too(run, root):
    made = export(compose("export", [f"checkpoint={run}", f"output={root}/model.zip"]))
    assert load_trained(made).further_inputs == load_trained(run).further_inputs


def test_pictures_are_labelled_with_the_files_of_their_names_in_other_folders(run, root, tmp_path):
    given = [
        f"checkpoint={run}", f"input={root}/val/images", f"output={tmp_path}/out", "device=cpu",
        "outputs=[labels]",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"none given: set 'further_inputs=\{depth:FOLDER\}'"):
        predict(compose("predict", given))
    elsewhere = f"further_inputs={{depth: {root}/train/depth}}"
    with pytest.raises(PairingError, match="depth: 3 of 3 images have no file of their name in"):
        predict(compose("predict", [*given, elsewhere]))
    assert not (tmp_path / "out").exists()
    out = predict(compose("predict", [*given, f"further_inputs={{depth: {root}/val/depth}}"]))
    for number in (8, 9, 10):
        labels = np.asarray(Image.open(out / f"labels/{number}.png"))
        assert agreement(labels, root, number) > 0.85


def test_frames_are_labelled_with_those_of_a_clip_in_step(run, root, tmp_path):
    given = [
        f"checkpoint={run}", f"input={root}/val/images", f"output={tmp_path}/out", "device=cpu",
        "remove=[class_1]", "remover=solid", "mask.vote=0", "mask.dilate=0", "mask.min_area=0",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"none given: set 'further_inputs=\{depth:CLIP\}'"):
        infer_video(compose("infer_video", given))
    longer = f"further_inputs={{depth: {root}/train/depth}}"
    with pytest.raises(ConfigError, match=r"depth has 8 frames, and .*images 3; give one for each"):
        infer_video(compose("infer_video", [*given, longer]))
    small = tmp_path / "small"
    for number in (8, 9, 10):
        save(small / f"{number}.png", np.zeros((24, 32), np.uint8))
    with pytest.raises(SizeMismatchError, match=r"small is 32x24 and .*images, whose .* 64x48"):
        infer_video(compose("infer_video", [*given, f"further_inputs={{depth: {small}}}"]))
    assert not (tmp_path / "out").exists()
    named = f"further_inputs={{depth: {root}/val/depth}}"
    (out,) = infer_video(compose("infer_video", [*given, named]))
    paths = sorted(out.glob("*.png"), key=lambda path: (len(path.name), path.name))
    for number, path in zip((8, 9, 10), paths, strict=True):
        before = np.asarray(Image.open(root / f"val/images/{number}.png"))
        removed = (np.asarray(Image.open(path)) != before).any(axis=2)
        assert agreement(removed, root, number) > 0.85
