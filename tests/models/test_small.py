"""The small network for a few labelled frames."""

import pytest
import torch

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.models.small import SmallUNet


def spread(leak):
    """How much the logits vary over a picture where the last features are all below 0."""
    torch.manual_seed(0)
    network = SmallUNet(2, widths=(4, 8), leak=leak).eval()
    normalised = network.up[-1][-2]
    assert isinstance(normalised, torch.nn.BatchNorm2d)
    torch.nn.init.constant_(normalised.bias, -10)
    logits = network(torch.randn(1, 3, 16, 24))
    assert logits.shape == (1, 2, 16, 24)
    # The same place of each block of 2 x 2 has one bias, which alone varies nothing; the rim does.
    return logits[..., 2:-2:2, 2:-2:2].flatten(2).std(dim=2).min().item()


def test_features_that_are_off_tell_a_class_only_with_a_leak():
    # Trained by five frames, a ReLU left a class no logit but the score's bias: at most 0.86.
    assert spread(0.1) > 1e-4 and spread(0) == 0
    assert compose("train", ["model=small"]).model.leak == 0.1


def test_a_slope_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="leak"):
        SmallUNet(2, leak=-0.1)
