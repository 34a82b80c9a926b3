"""Weights of another network: what fits is taken, what does not is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from outtake.core.errors import CheckpointError
from outtake.core.labels import LabelSpace
from outtake.models.fcn_vgg16 import FCNVGG16
from outtake.models.normalisation import CaffeNormalize, Normalize
from outtake.models.smp import SmpNet
from outtake.models.torchvision_net import TorchvisionNet
from outtake.models.weight_files import match_names
from outtake.training.initial_weights import (
    InitialWeights,
    load_initial_weights,
    load_into_task,
)
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.task import SegmentationTask

# DPT is built on transformers alone.
OPTIONS_OF_SMP = {"dpt": {"encoder_name": "tu-vit_tiny_patch16_224", "dynamic_img_size": True}}


class Net(nn.Module):
    def __init__(self, classes: int = 2, channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.score = nn.Conv2d(width, classes, 1)


def weights_of(net: nn.Module, prefix: str = "", **facts) -> InitialWeights:
    state = {prefix + key: value.clone() for key, value in net.state_dict().items()}
    return InitialWeights(Path("run/best.ckpt"), "0" * 64, state, **facts)


def test_other_classes_get_everything_but_the_scores() -> None:
    source, net = Net(classes=3), Net(classes=5)
    fresh = net.score.weight.clone()
    match = load_initial_weights(net, weights_of(source), 3)
    assert torch.equal(net.body.weight, source.body.weight)
    assert torch.equal(net.score.weight, fresh)
    assert match.other_shape == {
        "score.weight": ([3, 4, 1, 1], [5, 4, 1, 1]),
        "score.bias": ([3], [5]),
    }
    line = match.describe()
    assert "6 of 8 tensors taken" in line and "score.weight, score.bias" in line
    assert "\n" not in line


def test_the_stages_of_the_paper_keep_the_layers_of_the_same_name() -> None:
    torch.manual_seed(0)
    coarse = FCNVGG16(3, stride=32, width=1 / 32)
    nn.init.normal_(coarse.score_fr.weight)
    nets = [coarse, *(FCNVGG16(3, stride=stride, width=1 / 32) for stride in (16, 8))]
    image = torch.rand(1, 3, 20, 20)
    for before, after, added in zip(nets, nets[1:], ("pool4", "pool3"), strict=False):
        match = load_initial_weights(after, weights_of(before), 3)
        assert match.missing == [f"score_{added}.weight", f"score_{added}.bias"]
        assert not match.other_shape and not match.unused
        for key, value in before.state_dict().items():
            assert torch.equal(after.state_dict()[key], value), key
        assert after.eval()(image).any(), "a stage begins with the scores of the one before"


@pytest.mark.parametrize(("given", "channels"), [(3, 5), (3, 1), (4, 3)])
def test_first_filters_are_adapted_to_other_channels(given: int, channels: int) -> None:
    source, net = Net(channels=given), Net(channels=channels)
    match = load_initial_weights(net, weights_of(source, channels=given), channels)
    assert match.adapted == ["body.weight"] and not match.other_shape
    if channels > given:
        assert torch.equal(net.body.weight[:, :given], source.body.weight)
        mean = source.body.weight.mean(1, keepdim=True)
        assert torch.allclose(net.body.weight[:, given:], mean.expand(-1, channels - given, -1, -1))
    elif channels < 3:  # the response to a grey image stays
        assert torch.allclose(net.body.weight.sum(1), source.body.weight.sum(1), atol=1e-6)
    else:
        assert torch.allclose(net.body.weight, source.body.weight[:, :channels] * given / channels)


@pytest.mark.parametrize("prefix", ["module.", "net.", "model."])
def test_a_bare_file_may_put_something_before_the_names(prefix: str) -> None:
    source, net = Net(), Net()
    match = load_initial_weights(net, weights_of(source, prefix), 3)
    assert torch.equal(net.score.bias, source.score.bias) and not match.missing


def test_weights_of_a_compiled_network_are_taken_and_the_line_says_what_its_names_lose() -> None:
    source, net = Net(), Net()
    compiled = torch.compile(source)
    match = load_initial_weights(net, weights_of(compiled, "module."), 3)
    assert torch.equal(net.score.bias, source.score.bias)
    assert not match.missing and not match.unused
    assert "8 of 8 tensors taken, without module. and _orig_mod. in their names" in match.describe()


@pytest.mark.parametrize("architecture", sorted(smp.MODEL_ARCHITECTURES_MAPPING))
def test_networks_of_smp_take_files_of_smp(architecture: str) -> None:
    options = OPTIONS_OF_SMP.get(architecture, {"encoder_name": "resnet18"})
    with torch.device("meta"):
        theirs = smp.create_model(architecture, encoder_weights=None, classes=2, **options)
        own = SmpNet(architecture, 2, **options).state_dict()
    for prefix in ("", "module.", "model."):
        given = [prefix + name for name in theirs.state_dict()]
        assert match_names(own, given) == dict(zip(own, given, strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize(
    ("make_own", "theirs"),
    [
        (
            lambda: SmpNet("unet", 3, "mobilenet_v2"),
            lambda: smp.Unet("mobilenet_v2", encoder_weights=None, classes=2),
        ),
        (
            lambda: TorchvisionNet("lraspp_mobilenet_v3_large", 3, auxiliary=False),
            lambda: lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2),
        ),
    ],
    ids=["smp", "torchvision"],
)
def test_a_file_of_the_library_whose_network_is_held_is_taken(make_own, theirs, prefix) -> None:
    net, source = make_own(), theirs()
    match = load_initial_weights(net, weights_of(source, prefix), 3)
    assert not match.missing and not match.unused
    assert match.other_shape and all(given[0] == 2 for given, _ in match.other_shape.values())
    own = {key.removeprefix("net."): value for key, value in net.state_dict().items()}
    left = {key.removeprefix("net.") for key in match.other_shape}
    for key, value in source.state_dict().items():
        assert key in left or torch.equal(own[key], value), key


def test_what_the_network_does_not_have_is_listed() -> None:
    source = weights_of(Net())
    state = dict(source.state) | {"aux.weight": torch.zeros(1)}
    match = load_initial_weights(Net(), InitialWeights(source.path, "", state), 3)
    assert match.unused == ["aux.weight"]
    assert match.to_dict()["unused"] == ["aux.weight"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (weights_of(nn.Sequential(nn.Linear(2, 2))), r"names such as 0\.weight"),
        (weights_of(Net(classes=3, channels=7, width=6)), r"body\.weight has the shape \[6, 7"),
    ],
)
def test_if_nothing_fits_one_line_says_why(source: InitialWeights, said: str) -> None:
    with pytest.raises(CheckpointError, match=f"nothing of it fits .*{said}"):
        load_initial_weights(Net(), source, 3)


def test_other_classes_and_other_pixel_values_are_remarked_on() -> None:
    labels = LabelSpace.from_names(["road", "car"])
    task = SegmentationTask(Net(), Normalize(3), labels, CrossEntropy())
    same = weights_of(Net(), classes=("road", "car"), normalisation=Normalize(3).state_dict())
    assert not load_into_task(task, same, 3).remarks
    other = weights_of(Net(), classes=("sea", "ship"), normalisation=CaffeNormalize(3).state_dict())
    line = load_into_task(task, other, 3).describe()
    assert "its classes are others" in line and "another normalize" in line
