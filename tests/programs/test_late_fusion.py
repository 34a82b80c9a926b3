"""Two networks, on the picture and on depth, trained alone and fused: scored, exported and used."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import CheckpointError, ConfigError
from outtake.inference.open_backend import open_backend
from outtake.programs.evaluate import evaluate
from outtake.programs.export import export
from outtake.programs.infer_video import infer_video
from outtake.programs.predict import predict
from outtake.programs.train import train
from tests.programs.depth_pictures import agreement, save_splits
from tests.small_run import SMALL


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("fusion")
    save_splits(root)
    return root


def convolution(member):
    node = "{_target_: torch.nn.Conv2d, out_channels: 2, kernel_size: 1}"
    return f"+model.members.{member}={node}"


def options(root, name, *own):
    return [
        *(each for each in SMALL if "data" not in each), "data=folder", f"data.root={root}",
        "data.further_inputs={depth: depth}", "data.crop=[32,32]", "data.batch_size=4",
        "data.workers=0", "data.short_side=48", f"paths.runs={root}/runs", "optimizer.lr=0.1",
        "model=late_fusion", "~model@model.members.image", "trainer.max_epochs=20",
        "scheduler=null", f"name={name}", *own,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(root):
    """The network on depth is trained alone first, as the paper does; one on RGB joins it."""
    train(compose("train", options(root, "depth", convolution("depth"))))
    train(compose("train", options(
        root, "both", convolution("image"), convolution("depth"), "trainer.max_epochs=12",
        f"init_from={{depth: {root}/runs/depth}}", "freeze=['members.depth.*']",
        "optimizer.lr=0.05",
    )))  # fmt: skip
    return root / "runs" / "both"


def test_a_member_begins_from_a_run_and_stays_frozen(run, root):
    record = json.loads((run / "init_from.json").read_text())["members"]["depth"]
    assert record["taken"] and not record["missing"] and not record["other_shape"]
    assert record["remarks"] == []
    alone, both = (load_trained(root / "runs" / name).task.net for name in ("depth", "both"))
    own = both.members["depth"].state_dict()
    for name, value in alone.members["depth"].state_dict().items():
        assert torch.equal(own[name], value), name


def test_the_fusion_is_scored_as_in_training(run):
    record = json.loads(evaluate(compose("evaluate", [f"checkpoint={run}"])).read_text())
    best = json.loads((run / "summary.json").read_text())["best"]["val/miou"]
    assert record["miou"] == pytest.approx(best, abs=1e-6) and best > 0.7


def test_an_exported_fusion_is_the_same_network(run, root):
    pytest.importorskip("onnxruntime")
    made = export(compose("export", [f"checkpoint={run}", f"output={root}/m.zip", "onnx=[48,64]"]))
    assert load_trained(made).task.net.member_channels == {"image": (0, 1, 2), "depth": (3,)}


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_openvino_labels_as_torch_does(run, precision):
    pytest.importorskip("openvino")
    if precision == "int8":
        pytest.importorskip("nncf")
    trained = load_trained(run)
    images = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 4), np.uint8)
    images[..., 3] = np.where(np.arange(64) < 30, 50, 200)
    own, other = (
        open_backend(name, trained, device="cpu", precision=kind, calibration=lambda: [images[0]])
        for name, kind in (("torch", "float32"), ("openvino", precision))
    )
    assert (own(images, (48, 64))[0] == other(images, (48, 64))[0]).mean() > 0.98


def test_pictures_and_clips_are_labelled_by_both(run, root, tmp_path):
    given = [
        f"checkpoint={run}", f"input={root}/val/images", "device=cpu",
        f"further_inputs={{depth: {root}/val/depth}}",
    ]  # fmt: skip
    out = predict(compose("predict", [*given, f"output={tmp_path}/out", "outputs=[labels]"]))
    for number in (8, 9, 10):
        labels = np.asarray(Image.open(out / f"labels/{number}.png"))
        assert agreement(labels, root, number) > 0.75
    (clip,) = infer_video(compose("infer_video", [
        *given, f"output={tmp_path}/clip", "remove=[class_1]", "remover=solid",
    ]))  # fmt: skip
    assert len(list(clip.glob("*.png"))) == 3


def test_wrong_members_end_before_the_run_folder_is_made(root, run):
    image, heat = convolution("image"), convolution("heat")
    for own, error, line in (
        ([heat], ConfigError, r"members\.heat: the data have no such input, only image, depth"),
        ([image, f"init_from={{heat: {run}}}"], ConfigError, r"init_from\.heat: model has no such"),
        ([image, "init_from={image: absent}"], CheckpointError, "absent: no such file"),
        ([image, f"init_from={root}/a.pth"], CheckpointError, r"of a member as init_from=\{MEMBER"),
    ):
        torch.save({"a": torch.ones(1)}, root / "a.pth")
        with pytest.raises(error, match=line):
            train(compose("train", options(root, "wrong", *own)))
        assert not (root / "runs" / "wrong").exists()
