"""A search space, and how its values reach the command line."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from outtake.core.errors import ConfigError
from outtake.sweeps.search_space import format_override_value, parse_space


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 3, -2, 1e-5, 0.1, "fcn8s", "efficientnet-b0", "a b", "it's", "x=1"),
        *([128, 192], {"a": 1, "b": [2, "c d"]}, "", "back\\slash", "[1,2]"),
    ],
)
def test_a_value_reaches_hydra_as_it_was(value: object) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={format_override_value(value)}"])
    read = override.value()
    wanted = [1, 2] if value == "[1,2]" else value
    assert str(read) == str(wanted) or read == wanted
    assert not override.is_sweep_override()


def test_a_space_is_read() -> None:
    space = parse_space(
        {
            "lr": {"key": "optimizer.lr", "low": 1e-4, "high": 1e-2, "log": True},
            "batch": {"key": "data.batch_size", "low": 4, "high": 16, "step": 4},
            "model": ["fcn8s", "unet"],
            "crop": {"key": "data.crop", "choices": [[64, 64], [128, 192], None]},
        }
    )
    lr, batch, model, crop = space
    assert lr.override(0.001) == "optimizer.lr=0.001" and lr.representative_values() == [1e-4, 1e-2]
    assert batch.override(8) == "data.batch_size=8"
    assert model.key == "model" and model.representative_values() == ["fcn8s", "unet"]
    assert crop.representative_values() == ["[64,64]", "[128,192]", None]
    assert crop.override("[64,64]") == "data.crop=[64,64]"


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "space is empty"),
        ({"lr": {"low": 1}}, "space.lr"),
        ({"lr": {"low": 2, "high": 1}}, "space.lr"),
        ({"lr": {"low": 0.0, "high": 1.0, "log": True}}, "space.lr"),
        ({"lr": {"low": 0, "high": 1, "hihg": 2}}, "hihg"),
        ({"lr": {"low": "a", "high": 1}}, "numbers"),
        ({"lr": {"choices": []}}, "no choices"),
        ({"lr": 3}, "space.lr"),
        ({"a": {"key": "x", "choices": [1]}, "x": [1]}, "x is searched twice"),
        ({"~x": [1]}, "deletion"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(space: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_space(space)
