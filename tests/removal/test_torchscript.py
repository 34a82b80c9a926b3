from __future__ import annotations

import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.removal.torchscript import TorchScript
from tests.removal import networks


def test_a_pickle_is_not_run(tmp_path):
    torch.save(networks.Mean(), tmp_path / "net.pt")
    with pytest.raises(ConfigError, match="is not a TorchScript"):
        TorchScript(tmp_path / "net.pt")
