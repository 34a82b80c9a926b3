from __future__ import annotations

import pytest
import torch
from torchvision.models import segmentation

from outtake.core.errors import ConfigError
from outtake.models.torchvision_net import ARCHITECTURES, TorchvisionNet


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_have_the_names_of_torchvision(architecture: str) -> None:
    auxiliary = not architecture.startswith("lraspp")
    options = {"aux_loss": True} if auxiliary else {}
    with torch.device("meta"):
        expected = getattr(segmentation, architecture)(
            weights=None, weights_backbone=None, num_classes=21, **options
        ).state_dict()
        own = TorchvisionNet(architecture, 21, auxiliary=auxiliary).state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in expected.items()}


def test_the_scores_are_those_of_torchvision() -> None:
    own = TorchvisionNet("lraspp_mobilenet_v3_large", 3, auxiliary=False).eval()
    theirs = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    ).eval()
    theirs.load_state_dict(own.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(own(image), theirs(image)["out"])


def test_a_wrong_option_says_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="allowed are fcn_resnet50, "):
        TorchvisionNet("fcn_resnet18", 2)
    with pytest.raises(ConfigError, match="has no such head; use false"):
        TorchvisionNet("lraspp_mobilenet_v3_large", 2)
