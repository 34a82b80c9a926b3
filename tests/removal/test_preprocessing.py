from __future__ import annotations

import pytest

from outtake.core.errors import ConfigError
from outtake.removal.preprocessing import Preprocessing


@pytest.mark.parametrize(
    "options",
    [
        {"value_range": (0,)},
        {"output_range": (1, 1)},
        {"mask_values": (1, 1)},
        {"channel_order": "gbr"},
        {"multiple_of": 0},
        {"size": 0},
        {"size": [1, 2, 3]},
        {"max_side_px": 0},
        {"margin": -1},
        {"value_range": ["a", "b"]},
        {"value_range": 5},
        {"value_range": None},
        {"value_range": "01"},
        {"output_range": [0, float("inf")]},
        {"mask_values": ["a", 1]},
        {"mask_values": [0, float("nan")]},
        {"mask_values": [False, True]},
        {"size": 2.5},
        {"size": "256x256"},
        {"size": [256, None]},
        {"size": True},
        {"max_side_px": "large"},
        {"channel_order": ["rgb"]},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError, match=f"remover.{next(iter(options))}=.*: must be") as raised:
        Preprocessing(**options)
    assert "\n" not in str(raised.value)
