"""Numbers of a network that cannot be are refused by the key that they have in a config."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.bisenet import BiSeNetV2
from outtake.models.ddrnet import DDRNet
from outtake.models.enet import ENet
from outtake.models.fc_densenet import FCDenseNet
from outtake.models.fcn import FCN
from outtake.models.fcn_alexnet import FCNAlexNet
from outtake.models.fcn_flat import FCNFlat
from outtake.models.fcn_googlenet import FCNGoogLeNet
from outtake.models.fcn_vgg16 import FCNVGG16
from outtake.models.keras_networks import KerasPSPNet, UNetMini
from outtake.models.pidnet import PIDNet
from outtake.models.segnet import SegNet
from outtake.models.small import SmallUNet
from outtake.models.smp import SmpNet
from outtake.models.torchvision_net import TorchvisionNet

WITH_DROPOUT = (
    BiSeNetV2,
    ENet,
    FCDenseNet,
    FCN,
    FCNAlexNet,
    FCNFlat,
    FCNGoogLeNet,
    FCNVGG16,
    KerasPSPNet,
    SegNet,
    UNetMini,
)


@pytest.mark.parametrize("network", WITH_DROPOUT)
@pytest.mark.parametrize("value", [-0.1, 1.5, "half", None])
def test_a_dropout_that_is_no_probability_is_named(
    network: Callable[..., nn.Module], value
) -> None:
    with pytest.raises(ConfigError, match=f"^model.dropout={value}: must be a number, at least 0"):
        network(2, dropout=value)


@pytest.mark.parametrize(
    ("network", "key", "value"),
    [
        (FCN, "fc_kernel", 6),
        (FCN, "fc_kernel", 0),
        (FCN, "fc_channels", 0),
        (KerasPSPNet, "join_kernel", 2),
        (KerasPSPNet, "score_kernel", 4),
        (ENet, "first_dropout", 2),
        (FCDenseNet, "growth", 0),
        (FCDenseNet, "first_channels", 1.5),
        (FCDenseNet, "block_layers", [4, 0]),
        (FCNFlat, "dilations", 3),
        (FCNFlat, "width", 0),
        (FCNVGG16, "width", "half"),
        (FCNAlexNet, "width", -1),
        (SegNet, "widths", 64),
        (SegNet, "depths", [2, 0]),
        (SmallUNet, "widths", [16, "a"]),
        (BiSeNetV2, "head_channels", 0),
        (BiSeNetV2, "auxiliary_channels", 1.5),
        (DDRNet, "pooling_channels", 0),
        (DDRNet, "head_channels", 0),
        (PIDNet, "pooling_channels", 0),
        (PIDNet, "head_channels", 0),
        (lambda classes, **options: SmpNet("fpn", classes, **options), "decoder_dropout", 2),
        (lambda classes, **options: SmpNet("pspnet", classes, **options), "psp_dropout", -1),
    ],
)
def test_a_number_out_of_its_range_is_named(network: Callable[..., nn.Module], key, value) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.{key}=.*(must be|give) "):
        network(2, **{key: value})


def test_words_are_neither_true_nor_false() -> None:
    with pytest.raises(ConfigError, match=r"model\.at_once=no: must be true or false"):
        FCNVGG16(2, at_once="no", width=0.02)  # type: ignore[arg-type]  # as a user may write
    with pytest.raises(ConfigError, match=r"model\.auxiliary=off: must be true or false"):
        TorchvisionNet("fcn_resnet50", 2, auxiliary="off")  # type: ignore[arg-type]  # the same
