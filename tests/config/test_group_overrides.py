from __future__ import annotations

import pytest

from outtake.config.compose import CONF_DIR, compose
from outtake.config.group_overrides import settle_group_overrides
from outtake.core.errors import ConfigError


@pytest.mark.parametrize("written", ["scheduler=null", "scheduler=", "scheduler=NULL"])
def test_a_group_can_be_left_out(written: str) -> None:
    assert compose("train", [written]).get("scheduler") is None
    assert compose("evaluate", ["data="]).get("data") is None


def test_a_number_is_no_option() -> None:
    with pytest.raises(ConfigError, match=r"model=3: no such option; allowed are .*custom, .*unet"):
        settle_group_overrides(["model=3"], CONF_DIR)


def test_all_else_stays() -> None:
    words = ["--cfg", "job", "model=fcn8s", "model=a,b", "data.root=", "name=null", "-m", "model=["]
    words += ["logger=[]", "logger=[wandb]", "metrics={a: 1}"]
    assert settle_group_overrides(words, CONF_DIR) == words
