"""Which weights no gradient reaches is known before anything is trained."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from outtake.apps.config import CONF, compose
from outtake.build import build_net
from outtake.errors import ConfigError
from outtake.training.randomness import random_state
from outtake.training.unreached import refuse_gradients, unreached

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml") if path.stem != "custom")
# Those of which it is known; the others are compared with a step of training alone.
COUNTS = {
    ("pspnet", "resnet18"): 30,
    ("fcn32s", "efficientnet-b0"): 3,
    ("unet", "resnet18"): 0,
    ("dpt", "resnet18"): 4,  # has an encoder of its own
}


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet-b0"])
@pytest.mark.parametrize("model", MODELS)
def test_what_a_step_of_training_does_not_reach_is_found(model: str, backbone: str) -> None:
    net = build_net(compose("train", [f"backbone={backbone}", f"model={model}"]).model, 3, 3)
    before, drawn = copy.deepcopy(net.state_dict()), random_state()
    found = unreached(net, 3)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training and all(weight.grad is None for weight in net.parameters())
    assert torch.equal(random_state()["torch"], drawn["torch"])

    net.train()(torch.rand(2, 3, 32, 64)).sum().backward()
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
    assert unreached(net, 3) == ["never.weight"]
    assert net.steps == 0


def test_nothing_is_known_of_a_network_that_takes_one_size_or_has_no_weights() -> None:
    assert unreached(Partly(size=100), 3) == unreached(nn.Identity(), 3) == []


def test_a_gradient_where_none_was_expected_ends_in_one_line() -> None:
    net = Partly()
    refuse_gradients({"never.weight": net.never.weight}, "set KEY=VALUE")
    net(torch.rand(1, 3, 4, 4)).sum().backward()
    with pytest.raises(ConfigError, match=r"uses never\.weight in some steps only; set KEY=VALUE"):
        net.never(torch.rand(1, 3, 4, 4)).sum().backward()
