"""What a checkpoint says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained, make_checkpoint_record
from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.labels import LabelSpace
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint

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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {}, r"missing \(net\."),
        (
            lambda state: {f"\x1b[1m{key}": value for key, value in state.items()},
            r"missing \(.*, \d+ unknown \(\?\[1mnet\.",
        ),
        (
            lambda state: {key: torch.zeros(7, 7) for key in state},
            r"names: \d+ of another shape \(net\.",
        ),
        (lambda state: None, "they are of the type NoneType"),
    ],
)
def test_weights_that_do_not_fit_are_told_by_their_first_names(
    tiny_run: Path, tmp_path: Path, change, said
) -> None:
    checkpoint = read_checkpoint(tiny_run / "checkpoints" / "best.ckpt")
    checkpoint["state_dict"] = change(checkpoint["state_dict"])
    save_checkpoint(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=said) as caught:
        load_trained(tmp_path / "other.ckpt")
    message = str(caught.value)
    assert message.isprintable() and "state_dict" not in message
    assert len(message.removeprefix(str(tmp_path))) < 400


def test_weights_of_a_network_that_was_compiled_are_those_of_the_network(
    tiny_run: Path, tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(tiny_run / "checkpoints" / "best.ckpt")
    state = checkpoint["state_dict"]
    checkpoint["state_dict"] = {
        key.replace("net.", "net._orig_mod.", 1): value for key, value in state.items()
    }
    save_checkpoint(checkpoint, tmp_path / "compiled.ckpt")
    loaded = load_trained(tmp_path / "compiled.ckpt").task.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
