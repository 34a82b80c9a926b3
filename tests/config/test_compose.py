"""Composition without a command line, and what a printed command begins with."""

from __future__ import annotations

import sys

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from outtake.config.compose import compose, program_command
from tests.composed_once import composed_each_time, composed_once
from tests.small_run import SMALL


@pytest.mark.parametrize(
    ("started", "command"),
    [
        ("/usr/bin/outtake train", "outtake infer-video"),
        ("train.py", "python infer_video.py"),
        ("/a b/outtake", "outtake infer-video"),
    ],
)
def test_a_printed_command_is_of_the_kind_that_was_typed(
    monkeypatch: pytest.MonkeyPatch, started: str, command: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert program_command("infer_video") == command


@pytest.mark.parametrize(
    ("program", "group", "overrides"),
    [
        ("train", "model", SMALL),
        (
            "train",
            "model",
            ["+note=1", "experiment=camvid", "optimizer.lr=2", "~augment", "seed=1"],
        ),
        (
            "infer_video",
            "remover",
            ["remover=inpaint", "input=x", "~remover.method", "+remover.more={a: 1}"],
        ),
    ],
)
def test_what_tests_compose_once_is_what_hydra_composes(
    program: str, group: str, overrides: list[str]
) -> None:
    with composed_once():
        for given in ([], overrides):  # what a test has is its own
            compose(program, given)[group]._target_ = "nothing"
        found = [OmegaConf.to_yaml(compose(program, overrides)) for _ in range(2)]
        with composed_each_time():
            assert found == [OmegaConf.to_yaml(compose(program, overrides))] * 2
        for _ in range(2):
            with pytest.raises(ConfigCompositionException, match="seeed"):
                compose(program, [*overrides, "seeed=1"])
