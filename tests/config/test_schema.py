"""A schema says everything about a key once, and a wrong value is one line."""

from __future__ import annotations

import dataclasses
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from outtake.config.schema import (
    Check,
    Form,
    Node,
    NotEmpty,
    Number,
    OtherKeys,
    parse,
    show_value,
)
from outtake.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Mask:
    dilate: Annotated[float, Number(0)]
    low: Annotated[float | None, Number(0, 1)]
    threshold: Annotated[float | Mapping[str, float], Number(0)]
    fill: bool


@dataclass(frozen=True, kw_only=True)
class Program:
    mask: Mask
    remover: Node
    size: Annotated[tuple[int, int] | None, Number(1, unit="pixels")]
    scales: Annotated[list[float], Number(0), NotEmpty()]
    input: str | list[str]
    audio: Literal["copy", "drop"]
    resume: Literal["auto", False]
    backend: Node | None
    start: Annotated[float | str | None, Form("seconds or hh:mm:ss")]
    classes: tuple[str, ...] | None = None
    folder: Path | None = None
    workers: Annotated[int, Number(0, 8, "processes")] = 0


GOOD: dict[str, Any] = {
    "mask": {"dilate": 1, "low": None, "threshold": {"car": 0.5}, "fill": True},
    "remover": {"_target_": "outtake.removal.blur.Blur", "radius": 3},
    "size": [48, 64],
    "scales": [1, 0.5],
    "input": ["a.mp4", "b.mp4"],
    "audio": "copy",
    "resume": False,
    "backend": None,
    "start": "0:12",
}


def changed(key: str, value: object) -> dict[str, Any]:
    """GOOD with another value at a dotted key."""
    group, _, name = key.rpartition(".")
    return GOOD | ({group: GOOD[group] | {name: value}} if group else {name: value})


def test_values_become_an_instance_with_their_types() -> None:
    program = parse(Program, GOOD | {"folder": "~/runs"})
    assert program.mask == Mask(dilate=1.0, low=None, threshold={"car": 0.5}, fill=True)
    assert isinstance(program.mask.dilate, float)
    assert program.size == (48, 64) and program.scales == [1.0, 0.5]
    assert program.remover is not None and program.remover["radius"] == 3
    assert program.folder == Path("~/runs").expanduser() and program.workers == 0


@pytest.mark.parametrize("classes", [["car"], ["car", "tree", "sky"], ["car", "tree"]])
def test_a_tuple_of_any_length_takes_a_list_of_any_length(classes: list[str]) -> None:
    assert parse(Program, GOOD | {"classes": classes}).classes == tuple(classes)


def test_a_word_that_looks_like_a_number_stays_a_word() -> None:
    assert parse(Program, changed("input", 2024)).input == "2024"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mask.dilate", -1, "mask.dilate=-1: must be a number, at least 0"),
        ("mask.dilate", True, "mask.dilate=true: must be a number, at least 0"),
        ("mask.dilate", float("nan"), "mask.dilate=nan: must be a number, at least 0"),
        ("mask.low", 2, "mask.low=2: must be a number, at least 0 and at most 1 or null"),
        ("mask.threshold", {"car": "a"}, "mask.threshold.car=a: must be a number, at least 0"),
        ("mask.fill", 1, "mask.fill=1: must be true or false"),
        ("workers", 1.0, "workers=1.0: must be a whole number of processes, at least 0"),
        ("workers", 9, "at least 0 and at most 8"),
        ("size", [1], "size=[1]: must be a list of 2, each a whole number of pixels, at least 1"),
        ("size", [0, 1], "size=[0,1]: must be a list of 2"),
        ("scales", [], "scales=[]: must be a list with at least one item, each a number"),
        ("scales", "a", "scales=a: must be a list"),
        ("input", None, "input=null: must be text or a list, each text"),
        ("input", "", "input=: must be text"),
        ("classes", [["car"]], "classes=[[car]]: must be a list, each text or null"),
        ("classes", "car", "classes=car: must be a list, each text or null"),
        ("audio", "cpy", "audio=cpy: must be copy or drop"),
        ("resume", True, "resume=true: must be auto or false"),
        ("start", [1], "start=[1]: must be seconds or hh:mm:ss"),
        ("remover", "blur", "remover=blur: must be a group of keys"),
        ("mask", None, "mask=null: must be a group of keys"),
        ("mask", "x", "mask=x: must be a group of keys (dilate, "),
        ("mask.dilat", 1, "mask.dilat: no such config key; did you mean mask.dilate?"),
        ("scale", [1], "scale: no such config key; did you mean scales?"),
        ("dilate", 1, "dilate: no such config key; did you mean mask.dilate?"),
        ("zebra", 1, "zebra: no such config key; allowed are audio, backend"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_allowed(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        parse(Program, changed(key, value))
    assert "\n" not in str(caught.value)


def test_a_key_without_a_value_is_named_with_its_place() -> None:
    mask = {"dilate": 1, "low": None, "fill": False}
    with pytest.raises(ConfigError, match=r"mask\.threshold has no value: set it"):
        parse(Program, GOOD | {"mask": mask})


@dataclass(frozen=True, kw_only=True)
class Trainer:
    max_epochs: int
    devices: int | str = 1
    others: Annotated[Mapping[str, Any], OtherKeys()]

    def __post_init__(self) -> None:
        if self.max_epochs < 0 and "max_steps" not in self.others:
            raise ConfigError("trainer.max_epochs=-1: set trainer.max_steps")


def must_be_even(key: str, value: int | None) -> None:
    if value is not None and value % 2:
        raise ConfigError(f"{key}={value}: must be even")


@dataclass(frozen=True, kw_only=True)
class Checked:
    frames: Annotated[int | None, Check(must_be_even)]
    rate: Annotated[float, Number(above=0, below=1)]


def test_a_field_may_have_a_check_of_its_own_and_open_bounds() -> None:
    assert parse(Checked, {"frames": None, "rate": 0.5}).frames is None
    with pytest.raises(ConfigError, match=r"read\.frames=3: must be even"):
        parse(Checked, {"frames": 3, "rate": 0.5}, "read")
    with pytest.raises(ConfigError, match="rate=1: must be a number, above 0 and below 1"):
        parse(Checked, {"frames": 2, "rate": 1})


def test_an_instance_gives_back_plain_containers_and_travels_to_another_process() -> None:
    program = parse(Program, GOOD)
    assert dataclasses.asdict(program)["mask"]["threshold"] == {"car": 0.5}
    assert pickle.loads(pickle.dumps(program)) == program


def test_keys_of_ones_own_are_gathered_unless_they_are_misspelt() -> None:
    trainer = parse(Trainer, {"max_epochs": 3, "note": "mine"}, "trainer")
    assert trainer.others == {"note": "mine"}
    with pytest.raises(ConfigError, match=r"trainer\.max_epoch: .* did you mean trainer\.max_epo"):
        parse(Trainer, {"max_epochs": 3, "max_epoch": 4}, "trainer")
    known_to_its_class = {"_target_": "x.Trainer", "max_epochs": 3, "max_epoch": 4}
    assert "max_epoch" in parse(Trainer, known_to_its_class, "trainer").others


def test_a_rule_over_several_keys_is_the_schemas_own() -> None:
    with pytest.raises(ConfigError, match=r"set trainer\.max_steps"):
        parse(Trainer, {"max_epochs": -1}, "trainer")


def test_a_value_is_shown_as_on_a_command_line_and_shortened() -> None:
    assert show_value([1, None, True, "a"]) == "[1,null,true,a]"
    assert len(show_value("x" * 500)) == 80
