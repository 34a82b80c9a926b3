"""Weights are named by patterns, and divided into groups with a rate and decay of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.fcn_vgg16 import FCNVGG16
from outtake.training.parameter_groups import (
    ParameterGroup,
    ParameterOptions,
    check_patterns,
    divide_parameters,
    matches,
)

SGD = {"lr": 1.0, "weight_decay": 0.1, "momentum": 0.9}


def make_net() -> nn.Module:
    return nn.ModuleDict(
        {
            "encoder": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
            "score": nn.Conv2d(4, 2, 1),
        }
    )


def divide(options: ParameterOptions, defaults=SGD) -> dict[str, dict]:
    groups = divide_parameters(dict(make_net().named_parameters()), options, defaults)
    return {group["name"]: group for group in groups}


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        ("encoder", "encoder.0.weight", True),
        ("encoder", "encoder2.0.weight", False),
        ("encoder.0", "encoder.0.bias", True),
        ("encoder.0", "encoder.01.bias", False),
        ("*.bias", "encoder.0.bias", True),
        ("*.bias", "encoder.0.weight", False),
        ("conv[12]_*", "conv2_1.weight", True),
        ("conv[12]_*", "conv3_1.weight", False),
        ("score.weight", "score.weight", True),
    ],
)
def test_a_name_means_all_below_it_and_a_pattern_what_it_matches(pattern, name, meant) -> None:
    assert matches(name, [pattern]) == meant


def test_a_group_has_a_multiple_of_the_rate_and_its_own_decay() -> None:
    options = ParameterOptions(
        groups=(
            ParameterGroup("scores", ("score",), lr_scale=10.0),
            ParameterGroup("biases", ("*.bias",), lr_scale=2.0, weight_decay=0.0),
        )
    )
    groups = divide(options)
    assert groups.keys() == {"default", "scores", "biases"}
    assert groups["scores"]["lr"] == 10.0 and "weight_decay" not in groups["scores"]
    assert len(groups["scores"]["params"]) == 2, "the first that matches has its bias too"
    assert groups["biases"]["lr"] == 2.0 and groups["biases"]["weight_decay"] == 0.0
    assert [len(groups[name]["params"]) for name in ("default", "biases")] == [2, 2]
    optimizer = torch.optim.SGD(list(groups.values()), **SGD)
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {"default": 1.0, "scores": 10.0, "biases": 2.0}


def test_weight_decay_can_spare_norms_and_biases() -> None:
    group = ParameterGroup("scores", ("score",), lr_scale=3.0)
    groups = divide(ParameterOptions(groups=(group,), decay_norms_and_biases=False))
    spared = {name: group for name, group in groups.items() if name.endswith("no_decay")}
    assert spared.keys() == {"default_no_decay", "scores_no_decay"}
    assert all(group["weight_decay"] == 0.0 for group in spared.values())
    assert all(weight.dim() == 1 for group in spared.values() for weight in group["params"])
    assert spared["scores_no_decay"]["lr"] == 3.0
    assert all(w.dim() == 4 for name in ("default", "scores") for w in groups[name]["params"])
    # What a group says itself holds for all of it.
    own = ParameterGroup("scores", ("score",), weight_decay=0.5)
    groups = divide(ParameterOptions(groups=(own,), decay_norms_and_biases=False))
    assert [w.dim() for w in groups["scores"]["params"]] == [4, 1]


def test_the_papers_biases_have_twice_the_rate_and_no_decay() -> None:
    net = FCNVGG16(2, stride=8, width=1 / 64)
    biases = ParameterGroup("biases", ("*.bias",), lr_scale=2.0, weight_decay=0.0)
    default, found = divide_parameters(
        dict(net.named_parameters()), ParameterOptions(groups=(biases,)), {**SGD, "lr": 1e-10}
    )
    assert len(default["params"]) == len(found["params"]) == 18
    assert found["lr"] == 2e-10 and found["weight_decay"] == 0.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ParameterOptions(freeze=("encodr",)), "freeze: encodr .*did you mean encoder"),
        (
            ParameterOptions(groups=(ParameterGroup("a", ("head",)),)),
            r"parameter_groups\.a\.match: head matches no weight .*its parts are encoder, score",
        ),
        (ParameterOptions(freeze=("encoder", "score")), "nothing would be trained"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(options, said) -> None:
    with pytest.raises(ConfigError, match=said):
        check_patterns(make_net(), options)


@pytest.mark.parametrize(
    ("options", "defaults", "said"),
    [
        (
            ParameterOptions(
                groups=(ParameterGroup("a", ("*",)), ParameterGroup("b", ("score",), 2.0))
            ),
            SGD,
            r"parameter_groups\.b: all weights that it matches",
        ),
        (
            ParameterOptions(groups=(ParameterGroup("a", ("*",), weight_decay=0.1),)),
            {"lr": 1.0},
            r"parameter_groups\.a\.weight_decay: the optimizer has no weight_decay",
        ),
        (ParameterOptions(decay_norms_and_biases=False), {"lr": 1.0}, "decay_norms_and_biases"),
        (
            ParameterOptions(groups=(ParameterGroup("a", ("*",), lr_scale=2.0),)),
            {},
            "has no lr",
        ),
    ],
)
def test_what_the_optimizer_cannot_do_is_refused(options, defaults, said) -> None:
    with pytest.raises(ConfigError, match=said):
        divide(options, defaults)
