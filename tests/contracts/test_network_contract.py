"""Every network maps images of any size and any number of channels to logits of that size."""

from __future__ import annotations

import itertools

import hydra
import pytest
import segmentation_models_pytorch as smp
import torch

from outtake.config.build_network import build_net
from outtake.config.compose import CONF_DIR
from outtake.config.group_overrides import list_options
from outtake.models.fcn import FCN
from outtake.models.smp import SmpNet
from outtake.models.training_logits import all_logits, main_logits
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.deep_supervision import DeepSupervision
from tests.small_run import narrow
from tests.tiers import keep_few

SIZES = [(64, 96), (45, 71), (1, 33)]
BACKBONES = ["vgg16_bn", "resnet18", "mobilenet_v2", "efficientnet-b0", "tu-mobilenetv3_small_050"]


def architectures() -> list[str]:
    return sorted(smp.MODEL_ARCHITECTURES_MAPPING)


def encoder_for(architecture: str) -> str:
    return "tu-vit_tiny_patch16_224" if architecture == "dpt" else "resnet18"


def options_for(architecture: str) -> dict[str, bool]:
    return {"dynamic_img_size": True} if architecture == "dpt" else {}


CASES = list(itertools.product(BACKBONES, (8, 16, 32)))


@pytest.mark.parametrize(
    ("encoder", "stride"),
    keep_few(CASES, [case for case in CASES if case[0] != "vgg16_bn" or case[1] == 8]),
)
def test_fcn_gives_logits_at_the_inputs_size(encoder, stride) -> None:
    net = FCN(4, encoder, stride=stride).eval()
    for size in SIZES:
        with torch.inference_mode():
            assert net(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


# The encoder takes the channels: each of the two kinds takes one and three too.
TAKEN = list(itertools.product(architectures(), (1, 3, 5)))


@pytest.mark.parametrize(
    ("architecture", "channels"),
    keep_few(TAKEN, [case for case in TAKEN if case[1] == 5 or case[0] in ("dpt", "unet")]),
)
def test_every_smp_architecture_takes_any_size_and_channels(architecture, channels) -> None:
    net = SmpNet(
        architecture,
        4,
        encoder_for(architecture),
        in_channels=channels,
        **options_for(architecture),
    ).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, channels, 45, 71)).shape == (1, 4, 45, 71)


# Those of other tests, and custom, which is none.
SMP_OR_FCN = {*architectures(), "fcn8s", "fcn16s", "fcn32s", "custom"}
OF_THE_PAPER = {"fcn32s_paper", "fcn16s_paper", "fcn8s_paper", "fcn8s_atonce_paper"}
OF_THE_PAPER |= {"fcn_alexnet", "fcn_googlenet"}
PRESETS = [option for option in list_options(CONF_DIR / "model") if option not in SMP_OR_FCN]


# The others are deeper, a part of one that runs, or an encoder and a decoder that run with others.
DEEPER = ("101", "densenet67", "densenet103", "fcn_32_", "/vgg_", "deeplabv3_resnet50")
FEW = [option for option in PRESETS if not any(part in option for part in DEEPER)]


@pytest.mark.parametrize("option", keep_few(PRESETS, FEW))
def test_every_preset_learns_from_pictures_of_any_size_and_channels(option: str) -> None:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        if option in OF_THE_PAPER:  # which brings its normalisation
            node = hydra.compose("train", [f"model={option}", *narrow(option)]).model
        else:
            node = hydra.compose(f"model/{option}").model  # alone: ten times as fast
            node = node.get("keras", node)
    if node.get("fc_channels"):
        node.fc_channels = 8  # 4096 in the paper
    torch.manual_seed(0)
    net = build_net(node, 4, 5).to(memory_format=torch.channels_last)
    images, target = torch.randn(2, 5, 45, 71), torch.randint(0, 4, (2, 45, 71))
    outputs = net.train()(images)
    assert main_logits(outputs).shape == (2, 4, 45, 71)
    assert {each.shape[2:] for each in all_logits(outputs)} == {(45, 71)}
    DeepSupervision(CrossEntropy())(outputs, target).backward()
    reached = {name: weight.grad for name, weight in net.named_parameters()}
    assert [name for name, grad in reached.items() if grad is None] == []
    assert all(grad is not None and grad.isfinite().all() for grad in reached.values())
    with torch.inference_mode():
        assert net.eval()(images[:1]).shape == (1, 4, 45, 71)
