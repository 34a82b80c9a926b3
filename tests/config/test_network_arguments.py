"""What the members of a late fusion see is said in the words of the data."""

import pytest
import torch

from outtake.config.build_network import build_net
from outtake.config.build_task import build_task
from outtake.config.compose import compose
from outtake.config.network_arguments import list_initial_weights, without_initial_weights
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.data.further_inputs import FurtherInput
from outtake.models.normalisation import CAFFE_MEAN_BGR, CaffeNormalize

CONV = {"_target_": "torch.nn.Conv2d", "out_channels": 3, "kernel_size": 1}
INPUTS = (FurtherInput("depth", 1), FurtherInput("hha", 3))  # behind three channels of the image


class OfScale(torch.nn.Conv2d):
    def __init__(self, in_channels, pixel_scale):
        super().__init__(in_channels, 3, 1)
        self.scale = pixel_scale


def fusion(members, **options):
    return {"_target_": "outtake.models.late_fusion.LateFusion", "members": members, **options}


def places(members, **options):
    node = fusion(dict.fromkeys(members, CONV), **options)
    return build_net(node, 3, 7, further_inputs=INPUTS).member_channels


def test_a_member_sees_the_input_of_its_name_or_those_that_are_listed():
    assert places(["image", "hha"]) == {"image": (0, 1, 2), "hha": (4, 5, 6)}
    named = places(["a", "depth"], inputs={"a": ["hha", "image"]})
    assert named == {"a": (0, 1, 2, 4, 5, 6), "depth": (3,)}


def test_members_are_given_their_own_number_of_channels_and_the_backbone():
    cfg = compose("train", [
        "model=late_fusion", "backbone=mobilenet_v2", "+model@model.members.depth=fpn",
        "+model@model.members.hha=enet", "+model.members.depth.encoder_name=resnet18",
    ])  # fmt: skip
    with torch.device("meta"):
        net = build_net(cfg.model, 5, 7, further_inputs=INPUTS).eval()
        assert net(torch.zeros(1, 7, 40, 50)).shape == (1, 5, 40, 50)
    assert "mobilenet" in str(type(net.members["image"].encoder)).lower()
    assert net.members["depth"].net.encoder.conv1.weight.shape[1] == 1


def test_a_member_converts_filters_to_the_values_of_its_own_channels(monkeypatch):
    node = {"_target_": f"{__name__}.OfScale"}
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    normalise = CaffeNormalize(7, further_channels=4)
    net = build_net(fusion({"image": node, "depth": node}), 3, 7, normalise, INPUTS)
    of_image = net.members["image"].scale
    assert of_image["bgr"] and list(of_image["mean"]) == pytest.approx(CAFFE_MEAN_BGR)
    assert net.members["depth"].scale == {"mean": [127.5], "std": [1.0], "bgr": False}


@pytest.mark.parametrize(
    ("members", "options", "line"),
    [
        ({}, {}, r"model\.members holds no network: .*\+model@model\.members\.image=fcn8s"),
        (["lidar"], {}, r"model\.members\.lidar: the data have no such input, only image, depth, "),
        (["a"], {"inputs": {"a": ["rgb"]}}, r"model\.inputs\.a=\[rgb\]: .*only image, depth, hha"),
        (["a"], {"inputs": {"a": []}}, r"model\.inputs\.a=\[\]: give a list of inputs out of"),
        (["a"], {"inputs": {"a": "depth"}}, r"model\.inputs\.a=depth: give a list of inputs"),
        (["a"], {"inputs": {"a": ["hha", "hha"]}}, r"=\[hha,hha\]: names an input twice"),
        (["a"], {"inputs": {"a": [["hha"]]}}, r"model\.inputs\.a=\[\['hha'\]\]: give a list of in"),
        (["hha"], {"inputs": {"b": ["hha"]}}, r"model\.inputs\.b: there is no such member; .* hha"),
        (["hha"], {"inputs": "hha"}, r"model\.inputs=hha: .*'model\.inputs=\{hha: \[image\]\}'"),
    ],
)
def test_what_does_not_add_up_is_one_line(members, options, line):
    with pytest.raises(ConfigError, match=line):
        places(members, **options)


def test_the_command_line_says_what_a_member_of_another_name_sees():
    cfg = compose("train", [
        "model=late_fusion", "~model@model.members.image", "+model@model.members.rgbd=enet",
        "model.inputs={rgbd: [image, depth]}",
    ])  # fmt: skip
    net = build_net(cfg.model, 3, 7, further_inputs=INPUTS)
    assert net.member_channels == {"rgbd": (0, 1, 2, 3)}


def test_a_member_is_a_network_and_no_fusion():
    with pytest.raises(ConfigError, match=r"model\.members holds no network: add one by the name"):
        build_net(fusion("fcn8s"), 3, 3)
    with pytest.raises(ConfigError, match=r"members\.image is no network: take an option of model"):
        build_net(fusion({"image": "fcn8s"}), 3, 3)
    with pytest.raises(ConfigError, match=r"image: a late fusion cannot be a member of another"):
        build_net(fusion({"image": fusion({"image": CONV})}), 3, 3)


def test_an_input_that_no_member_sees_is_said(caplog):
    cfg = compose("train", ["model=late_fusion", "backbone=mobilenet_v2"])
    build_task(cfg, LabelSpace.from_names(["a", "b"]), 7, further_inputs=INPUTS)
    assert "no network of model.members sees the input depth, hha" in caplog.text


def test_weights_that_members_began_from_are_listed_and_left_out_of_a_rebuilt_network():
    tree = fusion({"image": CONV | {"encoder_weights": "imagenet"}, "depth": CONV})
    assert list_initial_weights(tree) == ["imagenet"]
    plain = without_initial_weights(tree)
    assert plain["members"]["image"]["encoder_weights"] is None
    assert tree["members"]["image"]["encoder_weights"] == "imagenet"
