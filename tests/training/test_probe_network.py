"""What a network does with its weights and parts is known before anything is trained."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from outtake.config.build_network import build_net
from outtake.config.compose import CONF_DIR, compose
from outtake.config.group_overrides import list_options
from outtake.core.errors import ConfigError
from outtake.models.fcn import FCN
from outtake.models.late_fusion import LateFusion
from outtake.models.training_logits import main_logits
from outtake.training.probe_network import check_network_output, iter_foreign_networks, probe
from outtake.training.random_state import random_state
from tests.small_run import narrow
from tests.tiers import keep_few

MODELS = [option for option in list_options(CONF_DIR / "model") if option != "custom"]
# Those of which it is known; the others are compared with a step of training alone.
COUNTS = {
    ("pspnet", "resnet18"): 30,
    ("fcn32s", "efficientnet-b0"): 3,
    ("unet", "resnet18"): 0,
    ("dpt", "resnet18"): 4,  # has an encoder of its own
}


PAIRS = [(model, backbone) for model in MODELS for backbone in ("resnet18", "efficientnet-b0")]


@pytest.mark.parametrize(("model", "backbone"), keep_few(PAIRS, COUNTS))
def test_what_a_step_of_training_does_not_reach_is_found(model: str, backbone: str) -> None:
    overrides = [f"backbone={backbone}", f"model={model}", *narrow(model)]
    net = build_net(compose("train", overrides).model, 3, 3)
    before, drawn = copy.deepcopy(net.state_dict()), random_state()
    trial = probe(net, 3)
    assert trial is not None
    found = trial.unused_parameters
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training and all(weight.grad is None for weight in net.parameters())
    assert torch.equal(random_state()["torch"], drawn["torch"])

    main_logits(net.train()(torch.rand(2, 3, 32, 64))).sum().backward()
    assert found == [name for name, weight in net.named_parameters() if weight.grad is None]
    assert len(found) == COUNTS.get((model, backbone), len(found))


class Partly(nn.Module):
    """Uses one layer always, one in evaluation, one in training, one frozen, one never."""

    def __init__(self, size: int | None = None) -> None:
        super().__init__()
        self.always, self.in_evaluation, self.in_training, self.frozen, self.never = (
            nn.Conv2d(3, 2, 1, bias=False) for _ in range(5)
        )
        self.frozen.requires_grad_(False)
        self.size, self.steps = size, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        assert self.size in (None, images.shape[-1])
        images = images + torch.rand_like(images)
        return self.always(images) + (self.in_training if self.training else self.in_evaluation)(
            images
        )


def test_what_is_used_in_training_or_in_evaluation_counts_as_used() -> None:
    net = Partly()
    trial = probe(net, 3)
    assert trial is not None and trial.unused_parameters == ["never.weight"]
    assert trial.called_modules == {"", "always"}
    assert net.steps == 0


def test_nothing_is_known_of_a_network_that_takes_one_size_or_has_no_weights() -> None:
    assert probe(Partly(size=100), 3) is probe(nn.Identity(), 3) is None


def test_what_a_network_gives_is_looked_at_without_a_trace() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Dropout()).train()
    before, drawn = copy.deepcopy(net.state_dict()), random_state()
    check_network_output(net, 3, 5, (24, 40))
    assert net.training and torch.equal(random_state()["torch"], drawn["torch"])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    with pytest.raises(
        ConfigError, match=r"gives \(1, 5, 24, 40\) .* give logits \(1, 4, 24, 40\)"
    ):
        check_network_output(net, 3, 4, (24, 40))
    with pytest.raises(ConfigError, match=r"Conv2d gives \(1, 5, 12, 20\)"):
        check_network_output(nn.Conv2d(3, 5, 1, stride=2), 3, 5, (24, 40))
    check_network_output(Partly(size=100), 3, 5, (24, 40))  # cannot be probed


def test_a_network_that_gives_more_than_logits_is_named() -> None:
    class Named(nn.Conv2d):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": super().forward(images)}

    with pytest.raises(ConfigError, match="model: Named gives a dict for images"):
        check_network_output(Named(3, 5, 1), 3, 5, (24, 40))


def test_the_members_of_a_fusion_are_looked_at_one_by_one() -> None:
    own = FCN(2, "mobilenet_v2")
    members = {"image": own, "depth": nn.Conv2d(1, 2, 1)}
    fusion = LateFusion(members, {"image": [0, 1, 2], "depth": [3]}, 2)
    assert list(iter_foreign_networks(fusion, 4)) == [(members["depth"], 1)]
    assert list(iter_foreign_networks(members["depth"], 1)) == [(members["depth"], 1)]
    assert not list(iter_foreign_networks(own, 3))
