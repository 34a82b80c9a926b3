from __future__ import annotations

import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.training.distributed.ddp import forbid_gradients
from tests.training.test_probe_network import Partly


def test_a_gradient_where_none_was_expected_ends_in_one_line() -> None:
    net = Partly()
    forbid_gradients({"never.weight": net.never.weight}, "set KEY=VALUE")
    net(torch.rand(1, 3, 4, 4)).sum().backward()
    with pytest.raises(ConfigError, match=r"uses never\.weight in some steps only; set KEY=VALUE"):
        net.never(torch.rand(1, 3, 4, 4)).sum().backward()
