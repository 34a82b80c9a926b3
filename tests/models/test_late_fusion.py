"""Scores of several networks, each on its own channels, become one."""

import pytest
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.late_fusion import LateFusion
from outtake.models.training_logits import TrainingLogits, main_logits

PLACES = {"image": [0, 1, 2], "depth": [3], "both": [0, 3, 4]}


class WithHeads(nn.Module):
    training_heads = ("fine", "boundary")

    def __init__(self):
        super().__init__()
        self.score = nn.Conv2d(1, 2, 1)

    def forward(self, image):
        scores = self.score(image)
        return TrainingLogits(scores, {"fine": scores + 1}, scores[:, :1]) if self.training else (
            scores
        )  # fmt: skip


def members():
    torch.manual_seed(0)
    return {name: nn.Conv2d(len(places), 2, 1) for name, places in PLACES.items()}


def test_each_member_sees_its_channels_and_the_scores_are_their_mean_or_sum():
    parts, images = members(), torch.randn(2, 5, 4, 6)
    each = torch.stack([net(images[:, PLACES[name]]) for name, net in parts.items()])
    for combine, expected in (("mean", each.mean(0)), ("sum", each.sum(0))):
        found = LateFusion(parts, PLACES, 2, combine)(images)
        assert torch.allclose(found, expected, atol=1e-6)


def test_learned_fusion_begins_as_the_mean_and_learns():
    parts, images = members(), torch.randn(2, 5, 4, 6)
    learned = LateFusion(parts, PLACES, 2, "learned")
    assert torch.allclose(learned(images), LateFusion(parts, PLACES, 2)(images), atol=1e-6)
    learned(images)[:, 0].sum().backward()
    assert learned.score.weight.grad.abs().sum() > 0


def test_heads_of_members_are_those_of_the_fusion_in_training_alone():
    parts = {"image": nn.Conv2d(3, 2, 1), "depth": WithHeads(), "heat": WithHeads()}
    net = LateFusion(parts, PLACES | {"heat": [4]}, 2)
    assert net.training_heads == ("depth_fine", "heat_fine", "boundary")
    images = torch.randn(2, 5, 4, 6)
    outputs = net.train()(images)
    assert list(outputs.auxiliary) == ["depth_fine", "heat_fine"]
    boundary = (parts["depth"].score(images[:, 3:4]) + parts["heat"].score(images[:, 4:]))[:, :1]
    assert torch.allclose(outputs.boundary, boundary / 2, atol=1e-6)
    assert torch.equal(main_logits(outputs), net.eval()(images))


def test_a_single_member_that_sees_all_is_that_network():
    net, images = nn.Conv2d(3, 2, 1), torch.randn(1, 3, 4, 4)
    assert torch.equal(LateFusion({"image": net}, PLACES, 2)(images), net(images))


def test_wrong_options_are_one_line():
    with pytest.raises(ConfigError, match=r"model\.combine=max: allowed are mean, sum, learned"):
        LateFusion(members(), PLACES, 2, "max")
    with pytest.raises(ConfigError, match=r"members\.items: a member cannot have this name"):
        LateFusion({"items": nn.Identity()}, {"items": [0]}, 2)
