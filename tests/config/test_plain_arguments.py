"""What people type is what the programs read, whatever characters file names hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from outtake.config.compose import compose
from outtake.config.plain_arguments import ArgumentRules, spell_out
from outtake.core.errors import ConfigError

NASTY = [
    "clip (1).mp4", "[1]", "[1].mp4", "a,b.mp4", "it's.mp4", 'the "end".mp4', "a=b.mp4", "50%.mp4",
    "~/x.mp4", "{x}.mp4", "a#b.mp4", "a&b;c.mp4", "007", "1e3", "2024", "true", "on", "ü é.mp4",
    "a:b.mp4", "${x}.mp4", "\\${x}.mp4", "back\\slash.mp4", "end\\", "\\'", "x!.mp4", "<a>.mp4",
    " lead", "trail ", "two\nlines", "f(x)", "-", "frames/[0-9]*.png", "rtsp://u:p@h/s?x=1&y=[2]",
    "x" * 250, "é" * 125,
]  # fmt: skip
RULES = ArgumentRules(
    "infer_video",
    {"remove": [], "regions": [], "overwrite": False, "read": {"start": None}, "name": "x"},
    places=("input", "output"),
    paths=("input", "output", "masks.path"),
    lists=("masks.ids",),
    short={"masks": "masks.path"},
    groups=("remover",),
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "form",
    [["{}", "{}"], ["--input", "{}", "--output", "{}"], ["input={}", "output={}"],
     ["--input={}", "--output={}"]],
)  # fmt: skip
def test_names_of_every_kind_arrive_as_they_are(form: list[str]) -> None:
    names = NASTY if form[0] == "{}" else NASTY[::6]  # all go through one function
    for name in names:
        if "/" not in name and name != "-":
            Path(name).touch()  # else a list or a setting may be meant
        typed = [*(word.format(name) for word in form), f"masks={name}", "masks.grow=0.1"]
        cfg = compose("infer_video", spell_out(typed, RULES))
        assert (cfg.input, cfg.output) == (name, name), form
        assert cfg.masks.path == name and cfg.masks.grow == 0.1


def test_plain_words_before_the_last_are_all_inputs() -> None:
    cfg = compose("infer_video", spell_out(["a (1).mp4", "b,c.mp4", "out"], RULES))
    assert cfg.input == ["a (1).mp4", "b,c.mp4"] and cfg.output == "out"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["remove=car,person"], ["remove=[car,person]"]),
        (["--remove", "traffic light (red),car"], ['remove=["traffic light (red)",car]']),
        (["remove=[car,person]"], ["remove=[car,person]"]),
        (["remove=[]", "remove=null"], ["remove=[]", "remove=null"]),
        (["masks.ids=1,3"], ["masks.ids=[1,3]"]),
        (["--overwrite", "in.mp4"], ["input=in.mp4", "overwrite=true"]),
        (["--read.start", "0:03"], ["read.start=0:03"]),
        (["name=what is (this)"], ['name="what is (this)"']),
        (["remover=blur", "-m", "remove=car,person"], ["-m", "remover=blur", "remove=car,person"]),
        (["--cfg", "job", "a.mp4"], ["--cfg", "job", "input=a.mp4"]),
        (["input=[a.mp4,'b c.mp4']"], ["input=[a.mp4,'b c.mp4']"]),
        (["output=${oc.env:HOME}/x.mp4"], ["output=${oc.env:HOME}/x.mp4"]),
        (["inptu=a.mp4"], ["inptu=a.mp4"]),
        (["lr=0.5"], ["lr=0.5"]),
        (["a.mp4", "take=2.mp4"], ["input=a.mp4", 'output="take=2.mp4"']),
        (["~read.start", "+new=1"], ["~read.start", "+new=1"]),
        (["a=1", "~b", "c=1", "--cfg", "job"], ["--cfg", "job", "a=1", "~b", "c=1"]),
        (["regions={box:[0,0,8,8]}"], ["regions=[{box:[0,0,8,8]}]"]),
        (
            ["regions={box:[1,1,8,8]},{box:[0,0,9%,8],to:3}"],
            ["regions=[{box:[1,1,8,8]},{box:[0,0,9%,8],to:3}]"],
        ),
        (["masks={path:m,grow:0.1}"], ["masks={path:m,grow:0.1}"]),
        (["masks=[m,n]"], ["masks.path=[m,n]"]),
    ],
)
def test_what_is_no_path_keeps_its_meaning(typed: list[str], read: list[str]) -> None:
    assert spell_out(typed, RULES) == read


def test_a_list_of_files_that_exist_needs_no_brackets() -> None:
    for name in ("a.mp4", "b (2).mp4"):
        Path(name).touch()
    assert spell_out(["input=a.mp4,b (2).mp4"], RULES) == ['input=["a.mp4","b (2).mp4"]'.replace(
        '"a.mp4"', "a.mp4")]  # fmt: skip


def test_a_word_behind_a_list_is_not_taken_for_the_output() -> None:
    with pytest.raises(ConfigError, match=r"^person: stands alone behind remove=car; .* as in "
                       "remove=car,person"):  # fmt: skip
        spell_out(["in.mp4", "out.mp4", "--remove", "car", "person"], RULES)
    assert spell_out(["in.mp4", "remove=car", "out"], RULES) == [
        "input=in.mp4", "output=out", "remove=[car]",
    ]  # fmt: skip
    Path("b").touch()
    assert spell_out(["a", "remove=car", "b", "out"], RULES)[0] == "input=[a,b]"


def test_an_option_without_its_value_says_so() -> None:
    with pytest.raises(ConfigError, match="--output: a value must follow, as in --output VALUE"):
        spell_out(["--output"], RULES)


def test_a_number_for_a_data_set_of_ones_own_stays_a_number() -> None:
    rules = ArgumentRules(paths=("data.root", "data.source.images"))
    typed = ["data.source.images=4", "data.root=007"]
    assert spell_out(typed, rules) == ["data.source.images=4", 'data.root="007"']
    Path("4").mkdir()
    assert spell_out(typed[:1], rules) == ['data.source.images="4"']


def test_programs_without_places_quote_paths_too() -> None:
    rules = ArgumentRules(values={"name": None}, paths=("data.root",))
    assert spell_out(["data=folder", "data.root=~/my data (1)"], rules) == [
        "data=folder", 'data.root="~/my data (1)"',
    ]  # fmt: skip


@pytest.mark.parametrize("flag", [["--config-name", "config"], ["-cn=config"]])
def test_another_config_than_the_programs_own_is_refused(flag: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"conf/infer_video.yaml; .* experiment=NAME.*reproduce="):
        spell_out(["--config-dir", ".", *flag], RULES)


@pytest.mark.parametrize("flag", [["--config-dir", "runs/a"], ["-cd=runs/a"], ["--config-dir"]])
def test_a_folder_of_options_that_is_not_there_is_refused(flag: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{flag[0].partition('=')[0]} .*: no such folder; give"
    ):
        spell_out(["experiment=best", *flag], RULES)
    Path("runs/a").mkdir(parents=True)
    if flag[1:]:
        assert spell_out(["experiment=best", *flag], RULES) == [*flag, "experiment=best"]
