from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from outtake.config.build_data import build_data
from outtake.config.build_network import build_net
from outtake.config.build_task import build_loss
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, ForbiddenTargetError
from outtake.core.labels import LabelSpace

LABELS = LabelSpace.from_names(["road", "car", "sky"])
OWN = "outtake.training.losses"


class OwnNet(nn.Module):
    def __init__(self, classes: int, in_channels: int, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1), nn.Conv2d(width, classes, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def test_an_own_network_needs_the_variable_and_gets_classes_and_channels(monkeypatch) -> None:
    node = OmegaConf.create({"_target_": f"{__name__}.OwnNet", "width": 8})
    with pytest.raises(ForbiddenTargetError, match="OUTTAKE_ALLOW_TARGETS"):
        build_net(node, 5, 2)
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    net = build_net(node, 5, 2)
    assert net(torch.zeros(1, 2, 6, 6)).shape == (1, 5, 6, 6)


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.1},
        {"_target_": "segmentation_models_pytorch.losses.FocalLoss", "gamma": 3.0},
        {"_target_": "segmentation_models_pytorch.losses.TverskyLoss", "alpha": 0.3},
        {"_target_": "segmentation_models_pytorch.losses.LovaszLoss"},
    ],
)
def test_a_loss_of_a_library_works_from_its_node_alone(node: dict[str, object]) -> None:
    loss = build_loss(node, LABELS)
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(2, 4, 5, dtype=torch.long)
    target[:, 0] = LABELS.ignore_index
    value = loss(logits, target)
    assert value.isfinite() and value > 0
    logits[:, :, 0] = 100.0
    assert torch.equal(loss(logits, target), value), "unlabelled pixels count"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "torch.nn.BCEWithLogitsLoss"}, "loss: BCEWithLogitsLoss fails for logits"),
        ({"_target_": "torch.nn.TripletMarginLoss"}, "loss: TripletMarginLoss fails for logits"),
        ({"_target_": f"{OWN}.cross_entropy.CrossEntropy", "label_smoothing": 2}, "smoothing=2"),
        (
            {
                "_target_": f"{OWN}.deep_supervision.DeepSupervision",
                "loss": {"_target_": "torch.nn.MSELoss"},
            },
            "loss: DeepSupervision fails for logits",
        ),
    ],
)
def test_a_loss_that_fails_for_logits_and_class_ids_is_refused_in_one_line(
    node: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_loss(node, LABELS)
    assert "\n" not in str(caught.value)


def test_one_class_or_many_can_be_the_focus_of_the_crops() -> None:
    for classes in ("[car]", "[car,person,road]"):
        cfg = compose("train", ["data=scenes", "data.focus=0.5", f"data.focus_classes={classes}"])
        build_data(cfg)
