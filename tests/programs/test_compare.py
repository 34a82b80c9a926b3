"""The comparison page: what it says, what it leaves out, and that it is harmless."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pages.compare_runs import CLASSES, DEVICE, write_run
from outtake.config.compose import CONF_DIR
from outtake.core.errors import ConfigError, OutputError
from outtake.programs.compare import compare_runs, main

EVIL = "<script>alert(1)<!--"
SMALL_RUN = {"records": 40, "validations": 10, "picture_px": 60}


def data_of(page: Path) -> dict:
    text = page.read_text()
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert block
    return json.loads(block[1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many") / "runs"
    for seed in (0, 1, 2):
        write_run(root / f"a{seed}", seed=seed, forward_ms=30.0 + seed, **SMALL_RUN)
    write_run(root / "fast", backbone="mobilenet_v2", quality=0.5, forward_ms=9.0, **SMALL_RUN)
    write_run(root / "untimed", lr=0.01, forward_ms=None, **SMALL_RUN)
    write_run(root / "going", lr=0.02, finished=False, **SMALL_RUN)
    write_run(root / EVIL, lr=0.03, quality=0.2, forward_ms=90.0, **SMALL_RUN)
    (root / "void").mkdir()
    (root / "torn").mkdir()
    (root / "torn" / "config.yaml").write_text("a: [")
    return root


@pytest.fixture(scope="module")
def page(runs: Path) -> Path:
    return compare_runs(sorted(runs.iterdir()), runs.parent / "compare.html")


def row(data: dict, name: str, kind: str = "runs") -> dict:
    return next(each for each in data[kind] if each["name"] == name)


def test_every_run_is_there_or_listed_with_its_reason(page: Path) -> None:
    data = data_of(page)
    assert {r["name"] for r in data["runs"]} == {"a0", "a1", "a2", "fast", "untimed", "going", EVIL}
    listed = {each["name"]: each for each in data["listed"]}
    assert set(listed) == {"going", "void", "torn"}
    assert listed["void"]["state"] == "empty" and listed["torn"]["state"] == "broken"
    assert listed["going"]["state"] == "unfinished" and "died" in listed["going"]["reason"]
    assert all(each["reason"] for each in data["listed"])


def test_only_settings_that_differ_are_shown(page: Path) -> None:
    assert data_of(page)["settings"] == ["seed", "model.encoder_name", "optimizer.lr"]


def test_scores_are_those_of_the_run_folder_and_missing_ones_are_missing(
    page: Path, runs: Path
) -> None:
    data = data_of(page)
    summary = json.loads((runs / "a1" / "summary.json").read_text())
    got = row(data, "a1")
    assert got["values"]["score"] == summary["best"]["val/miou"]
    assert got["iou"] == {name: summary["best"][f"val/iou/{name}"] for name in CLASSES}
    assert got["values"]["forward"] == 31.0 and got["device"] == DEVICE
    assert row(data, "untimed")["values"]["forward"] is None
    assert row(data, "going")["values"]["minutes"] is None


def test_seeds_are_grouped_as_mean_and_sample_deviation(page: Path) -> None:
    data = data_of(page)
    group = next(each for each in data["groups"] if len(each["members"]) == 3)
    own = [row(data, f"a{seed}")["values"]["score"] for seed in (0, 1, 2)]
    assert group["values"]["score"] == pytest.approx(statistics.mean(own))
    assert group["spread"]["score"] == pytest.approx(statistics.stdev(own))
    sky = [row(data, f"a{seed}")["iou"]["sky"] for seed in (0, 1, 2)]
    assert group["iou"]["sky"] == pytest.approx(statistics.mean(sky))
    assert group["iou_spread"]["sky"] == pytest.approx(statistics.stdev(sky))
    assert group["settings"]["seed"] == "0, 1, 2"
    assert sum(len(each["members"]) for each in data["groups"]) == len(data["runs"])
    band = data["bands"]["val/miou"][0]
    assert len(band["x"]) == len(band["y"]) == len(band["spread"]) == 10


def test_the_front_holds_what_is_not_beaten(page: Path) -> None:
    data = data_of(page)
    front = [data["runs"][index]["name"] for index in data["fronts"]["runs"][DEVICE]]
    assert front[0] == "fast" and EVIL not in front and "untimed" not in front
    assert len(front) >= 2


def test_curves_keep_what_was_logged(page: Path, runs: Path) -> None:
    data = data_of(page)
    lines = (runs / "a0" / "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line)["train/loss"] for line in lines if "val/miou" not in line]
    index = data["runs"].index(row(data, "a0"))
    curve = next(each for each in data["curves"]["train/loss"] if each["run"] == index)
    assert max(curve["y"]) == pytest.approx(max(logged), rel=1e-4)
    assert min(curve["y"]) == pytest.approx(min(logged), rel=1e-4)


def test_pictures_of_the_same_images_share_image_and_truth(page: Path) -> None:
    data = data_of(page)
    assert len(data["scenes"]) == 1
    pictures = [each["picture"] for each in data["runs"]]
    assert all(p["scene"] == 0 and p["prediction"].startswith("data:image/jpeg") for p in pictures)
    assert len({p["prediction"] for p in pictures}) > 1


def test_text_of_a_run_can_not_leave_the_data(page: Path) -> None:
    text = page.read_text()
    assert EVIL not in text and "alert(1)" in text
    # Six scripts would be two too many: data, chart library, code.
    assert len(re.findall(r"<script", text.partition("const DATA")[0])) == 3
    assert "default-src 'none'" in text.replace("&#39;", "'")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text.partition("const DATA")[0])


def test_an_evaluation_brings_its_time_and_its_column(runs: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", forward_ms=50.0, **SMALL_RUN)
    folder = run / "evaluation" / "camvid-test"
    folder.mkdir(parents=True)
    record = {"split": "test", "miou": 0.33, "forward_ms": 12.0, "forward": {"device": "a GPU"}}
    (folder / "metrics.json").write_text(json.dumps(record))
    data = data_of(compare_runs([tmp_path], tmp_path / "page.html"))
    assert data["runs"][0]["values"]["evaluation camvid-test"] == 0.33
    assert data["runs"][0]["values"]["forward"] == 12.0 and data["runs"][0]["device"] == "a GPU"


def test_a_real_run_is_compared_with_all_its_parts(small_run: Path, tmp_path: Path) -> None:
    data = data_of(compare_runs([small_run], tmp_path / "page.html"))
    (run,) = data["runs"]
    summary = json.loads((small_run / "summary.json").read_text())
    assert run["state"] == "finished" and run["values"]["score"] == summary["best"]["val/miou"]
    assert run["values"]["forward"] == summary["forward_ms"] > 0
    assert "thread" in run["device"] and data["settings"] == []


def test_runs_on_other_data_are_pointed_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", **SMALL_RUN)
    other = write_run(tmp_path / "b", **SMALL_RUN)
    (other / "data.json").write_text('{"fingerprint": "another"}')
    assert "same data" in data_of(compare_runs([tmp_path], tmp_path / "page.html"))["notes"][0]


def test_nothing_usable_leaves_an_earlier_page_alone(tmp_path: Path) -> None:
    for name in ("void", "torn", "third", "fourth\x1b"):
        (tmp_path / name).mkdir()
    (tmp_path / "torn" / "config.yaml").write_text("a: [")
    places = [tmp_path / name for name in ("void", "torn", "third", "fourth\x1b")]
    earlier = tmp_path / "page.html"
    earlier.write_text("earlier")
    with pytest.raises(ConfigError) as caught:
        compare_runs(places, earlier)
    message = str(caught.value)
    assert "void (empty: no config.yaml" in message and "torn (broken: config.yaml" in message
    assert message.count("\n") == 0 and "and 1 more; give run folders" in message
    assert earlier.read_text() == "earlier"
    with pytest.raises(ConfigError, match=r"^nothing to compare: fourth\? \(empty"):
        compare_runs(places[3:], tmp_path / "new.html")
    assert not (tmp_path / "new.html").exists()


def test_what_can_not_work_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        compare_runs([tmp_path / "absent"], tmp_path / "page.html")
    (tmp_path / "file.txt").touch()
    with pytest.raises(ConfigError, match="no such folder"):
        compare_runs([tmp_path / "file.txt"], tmp_path / "page.html")
    with pytest.raises(OutputError):
        compare_runs([tmp_path], tmp_path / "file.txt" / "page.html")
    with pytest.raises(ConfigError, match="folder"):
        compare_runs([tmp_path], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt"}


def test_the_program_writes_the_page_and_exits_with_2_on_a_mistake(
    runs: Path, tmp_path: Path
) -> None:
    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, CONF_DIR.parent / "compare.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    done = program(*map(str, sorted(runs.iterdir())))
    assert done.returncode == 0 and (tmp_path / "compare.html").stat().st_size < 10_000_000
    assert "left out: torn (broken" in done.stdout and "6 finished and 1 unfinished" in done.stdout
    wrong = program("nowhere")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: nowhere")
    assert len(wrong.stderr.splitlines()) == 1
    nothing = program(str(runs / "void"), "--output", "nothing.html")
    assert nothing.returncode == 2 and len(nothing.stderr.splitlines()) == 1
    assert not nothing.stdout and not (tmp_path / "nothing.html").exists()


def call_compare(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_tables_go_to_standard_output_or_to_files(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = ["--where", "optimizer.lr=0.001", "--where", "seed=0"]
    assert call_compare(monkeypatch, runs, *chosen, "--csv", "-", "--json", "all.json") == 0
    names = [record["name"] for record in json.loads((tmp_path / "all.json").read_text())]
    assert names == ["a0", "fast"]
    assert [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()[1:]] == names
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"], "and no page"
    with pytest.raises(ConfigError, match="none of 8 runs is as asked for"):
        call_compare(monkeypatch, runs, "--tag", "nobody's")


def test_hidden_runs_are_left_out_with_a_line(runs: Path, tmp_path: Path, caplog) -> None:
    for name in ("a0", "fast"):
        shutil.copytree(runs / name, tmp_path / name)
    (tmp_path / "fast" / "notes.json").write_text('{"hide": true}')
    with caplog.at_level(logging.INFO):
        page = compare_runs([tmp_path / "a0", tmp_path / "fast"], tmp_path / "page.html")
    assert [each["name"] for each in data_of(page)["runs"]] == ["a0"]
    assert caplog.messages == ["left out: 1 hidden run; --all takes them"]


def test_the_exit_code_says_whether_two_runs_differ(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_compare(monkeypatch, "--diff", runs / "a0", runs / "fast") == 1
    assert "setting model.encoder_name: resnet18, mobilenet_v2" in capsys.readouterr().out
    assert call_compare(monkeypatch, "--diff", runs / "a0", runs / "a0") == 0
    with pytest.raises(ConfigError, match="holds 8 runs"):
        call_compare(monkeypatch, "--diff", runs / "a0", runs)


def test_settings_that_cannot_be_read_are_no_difference(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs / "a0", tmp_path / "torn")
    (tmp_path / "torn" / "config.yaml").write_text("a: [")
    (tmp_path / "torn" / "config_resolved.yaml").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"--diff: the settings of .*torn cannot be comp"):
        call_compare(monkeypatch, "--diff", runs / "a0", tmp_path / "torn")
    page = compare_runs([runs / "a0", runs / "fast", tmp_path / "torn"], tmp_path / "page.html")
    assert data_of(page)["settings"] == ["model.encoder_name"]


def test_outputs_do_not_write_over_each_other_nor_over_a_run(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^--csv and --json are both -; name two files"):
        call_compare(monkeypatch, runs, "--csv", "-", "--json", "-")
    with pytest.raises(ConfigError, match=r"^--csv and --output are both x; name two files"):
        call_compare(monkeypatch, runs, "--csv", "x", "--output", "./x")
    record = runs / "a0" / "summary.json"
    before = record.read_bytes()
    with pytest.raises(ConfigError, match=r"summary\.json: a record of the run .*a0, which stays"):
        call_compare(monkeypatch, runs, "--json", record)
    assert record.read_bytes() == before and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "further",
    [
        ["--output", "d.html"],
        ["--tag", "x"],
        ["--group", "x"],
        ["--where", "seed=0"],
        ["--csv", "-"],
        ["--all"],
    ],
)
def test_what_would_have_no_effect_beside_a_difference_is_refused(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"{further[0]}: has no effect beside --diff"):
        call_compare(monkeypatch, "--diff", runs / "a0", runs / "fast", *further)
    assert not list(tmp_path.iterdir())


def test_a_setting_that_no_run_has_is_no_empty_answer(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"did you mean optimizer\.lr"):
        call_compare(monkeypatch, runs, "--where", "optimzer.lr=0.01", "--csv", "-")


def test_a_name_that_is_no_text_is_written_escaped(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(runs / "a0", odd / os.fsdecode(b"bad\xff"))
    monkeypatch.chdir(tmp_path)
    given = ["--csv", "o.csv", "--json", "o.json", "--output", "o.html"]
    assert call_compare(monkeypatch, odd, *given) == 0
    assert "\nbad\\udcff," in (tmp_path / "o.csv").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "o.json").read_text())[0]["name"] == "bad\udcff"
    assert (tmp_path / "o.html").is_file()
