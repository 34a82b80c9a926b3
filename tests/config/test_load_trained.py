"""What a checkpoint says of itself."""

from __future__ import annotations

import pytest

from outtake.config.compose import compose
from outtake.config.load_trained import make_checkpoint_record
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace

LABELS = LabelSpace.from_names(["road", "car"])


@pytest.mark.parametrize("change", ["+model.api_key=c4n4ry", "+data.x=[{note: 'token=c4n4ry'}]"])
def test_what_a_task_is_rebuilt_from_must_do_without_secrets(change: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{change[1 : change.index('.')]} holds what looks like"
    ):
        make_checkpoint_record(compose("train", [change]), LABELS, 3)


def test_secrets_elsewhere_are_hidden() -> None:
    cfg = compose("train", ["+service.api_key=c4n4ry"])
    text = make_checkpoint_record(cfg, LABELS, 3)["config"]
    assert "c4n4ry" not in text and "api_key: <redacted>" in text
