from __future__ import annotations

import pytest

from outtake.core.errors import ConfigError
from outtake.models.smp import SmpNet


def test_an_unknown_architecture_or_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="deeplabv3plus"):
        SmpNet("deeplab", 2)
    with pytest.raises(ConfigError, match="cannot be built"):
        SmpNet("unet", 2, decoder_channels=(1, 2))
