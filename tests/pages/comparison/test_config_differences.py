"""Where settings differ, and what they refer to."""

from __future__ import annotations

from outtake.pages.comparison.config_differences import (
    differing_keys,
    flatten_settings,
    group_by_seed,
    resolve_setting,
)


def test_only_what_differs_is_a_difference() -> None:
    one = flatten_settings(
        {"name": "a", "seed": 1, "optimizer": {"lr": 0.1, "wd": 0}, "l": [1, [2, None]]}
    )
    two = flatten_settings(
        {"name": "b", "seed": 1, "optimizer": {"lr": 0.2, "wd": 0}, "l": [1, [2, None]]}
    )
    assert one["l"] == "[1, [2, null]]"
    assert differing_keys([one, two]) == ["optimizer.lr"]
    assert differing_keys([one, {**two, "seed": 2}]) == ["seed", "optimizer.lr"]
    assert differing_keys([{"a": 1}, {"a": True}]) == ["a"], "1 and true are not the same setting"
    assert differing_keys([{"a": None}, {}]) == [] and differing_keys([{"a": "null"}, {}]) == ["a"]


def test_references_of_a_config_are_shown_as_what_they_refer_to() -> None:
    settings = {
        "data.short_side": "${data.source.height}",
        "data.source.height": 96,
        "data.source.root": "${data.root}/x",
        "data.root": "${paths.data}/camvid",
        "paths.data": "${oc.env:OUTTAKE_DATA,data}",
        "a": "${b}",
        "b": "${a}",
        "lost": "${nowhere}",
    }
    assert resolve_setting(settings, "data.short_side") == 96
    assert resolve_setting(settings, "data.source.root") == "${oc.env:OUTTAKE_DATA,data}/camvid/x"
    assert resolve_setting(settings, "a") in ("${a}", "${b}"), "a circle ends"
    assert resolve_setting(settings, "lost") == "${nowhere}"
    assert resolve_setting(settings, "absent") is None


def test_runs_that_differ_by_seed_alone_are_siblings() -> None:
    base = {"name": "x", "seed": 0, "paths.runs": "here", "optimizer.lr": 0.1}
    runs = [
        base,
        {**base, "seed": 1, "name": "y", "paths.runs": "there"},
        {**base, "optimizer.lr": 0.2},
        {},
        {},
        base,
    ]
    assert group_by_seed(runs, ["d"] * 5 + ["other data"]) == [[0, 1], [2], [3], [4], [5]]
