"""What is removed and how; what a removal that was stopped goes on with; what results say."""

import json
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError
from outtake.core.types import TimedFrame
from outtake.studio.job_commands import build_command, list_fresh_labels
from outtake.studio.project import Project
from outtake.studio.removal_commands import RESULT, count_kept_frames, default_choice
from outtake.studio.removal_results import RemovalResults
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer


@pytest.fixture
def project(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(3):
        Image.fromarray(np.full((24, 32, 3), number * 40, np.uint8)).save(
            tmp_path / f"clip/{number}.png"
        )
    with Project(tmp_path / "project", tmp_path / "clip", ["background", "a", "b"]) as project:
        weights = project.folder / "runs/round_001/checkpoints"
        weights.mkdir(parents=True)
        (weights / "last.ckpt").touch()
        (weights.parent / "config.yaml").touch()
        yield project


def test_what_is_chosen_is_what_the_command_line_is_told(project):
    command = build_command(
        project, "remove", {"remove": ["b"], "remover": "blur", "dilate": 0.03, "shadows": True,
                            "reflections": True}
    )  # fmt: skip
    _, source, output, *overrides = command.arguments
    config = parse(
        InferVideoConfig,
        resolve_config(compose("infer_video", [f"input={source}", f"output={output}", *overrides])),
    )
    assert config.remove == ["b"] and config.mask.dilate == 0.03
    assert config.mask.shadows and config.mask.reflections
    assert config.output == str(project.folder.resolve() / RESULT) and config.overwrite
    usual = build_command(project, "remove", {})
    assert not any(part.startswith("mask.") for part in usual.arguments)
    assert f"labels={project.folder.resolve()}" in usual.arguments
    assert "remove=[a,b]" in usual.arguments and default_choice()["dilate"] == 0.017


def test_a_preview_is_of_the_time_of_a_frame(project):
    command = build_command(project, "preview", {"frame": 2})
    assert command.arguments[-1] == "preview=0.080"
    assert not (project.folder / "results/removal.json").exists(), "a preview is no choice"


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("remove", {"remove": []}, "remove: must be a list of classes"),
        ("remove", {"remove": ["c"]}, "no class 'c'"),
        ("remove", {"remover": "mask"}, "remover: must be one of"),
        ("remove", {"dilate": 0.5}, "dilate"),
        ("remove", {"dilate": "1"}, "dilate"),
        ("remove", {"shadows": 1}, "shadows: must be true or false"),
        ("remove", {"reflections": "yes"}, "reflections: must be true or false"),
        ("remove", {"frame": 1}, "frame: goes with a preview"),
        ("preview", {}, "frame: goes with a preview"),
        ("preview", {"frame": 3}, "frame"),
        ("remove", {"output": "/x"}, "'output' is none of"),
        ("resume", {}, "no removal to go on with"),
        ("resume", {"frame": 1}, "'frame' is none of"),
    ],
)
def test_what_cannot_be_is_one_line(project, kind, options, said):
    with pytest.raises(ConfigError, match=said) as refused:
        build_command(project, kind, options)
    assert "\n" not in str(refused.value)
    assert not (project.folder / "results").exists()


def test_a_removal_goes_on_with_the_same_command(project):
    first = build_command(project, "remove", {"remove": ["a"], "dilate": 0.05})
    assert count_kept_frames(project) is None
    part = project.folder / f"{RESULT}.part"
    part.mkdir(parents=True)
    assert count_kept_frames(project) == 0
    said = {"per_frame": {"time_s": [0.0, 0.04]}}
    (part / "00000.statistics.json").write_text(json.dumps(said))
    (part / "00002.statistics.json").write_text(json.dumps(said))
    assert count_kept_frames(project) == 2, "what lies behind a gap is not whole yet"

    later = project.folder / "runs/round_002/checkpoints"
    later.mkdir(parents=True)
    (later / "last.ckpt").touch()
    again = build_command(project, "resume", {})
    assert again.arguments == first.arguments and again.kind == "remove"
    (project.folder / "runs/round_001/checkpoints/last.ckpt").unlink()
    with pytest.raises(ConfigError, match=r"round_001.*is gone"):
        build_command(project, "resume", {})
    (project.folder / "results/removal.json").write_text('{"run": "../..", "choice": 3}')
    with pytest.raises(ConfigError, match="no removal to go on with"):
        build_command(project, "resume", {})


def test_labels_that_the_network_has_not_seen_are_named(project):
    assert list_fresh_labels(project) == []
    action = {"stroke": 0, "tool": "brush", "class": 1, "size": 5, "points": [[4, 4]]}
    project.labels[1].append(0, [action])
    assert list_fresh_labels(project) == [1]


def write_grey(path, height, width):
    info = VideoInfo(path.with_name("made"), width, height, Fraction(25), Fraction(1, 25))
    with open_writer(path, info, overwrite=True) as writer:
        writer.write(TimedFrame(np.full((height, width, 3), 90, np.uint8), 0, Fraction(1, 25)))


def test_results_are_read_by_frames_and_anew_when_they_are_made_anew(project):
    results = RemovalResults(project)
    assert results.describe() == {}
    for name in ("clean", "other"):
        with pytest.raises(ConfigError, match="result: there is none"):
            results.read(name, 0)
    path = project.folder / RESULT
    path.parent.mkdir()
    write_grey(path, 24, 32)
    assert abs(int(results.read("clean", 0)[0, 0, 0]) - 90) < 4
    write_grey(path, 24, 34)
    assert results.read("clean", 0).shape == (24, 34, 3)
    columns = {"hole_share": [0.1, 0.1, 0.0], "disputed": [0.0, 0.5, 0.5], "uncertain_share": [2]}
    report = {"frames": 3, "hole_share": {"mean": 0.1}, "fill": {"observed": 1.0, "flicker": 2.0},
              "warnings": ["look"], "per_frame": columns}  # fmt: skip
    path.with_name("clean.report.json").write_text(json.dumps(report))
    said = results.describe()["clean"]
    assert said["doubtful"] == [0, 1] and said["fill"] == {"observed": 1.0}
    assert said["warnings"] == ["look"] and said["first_frame"] == 0
    path.with_name("clean.report.json").write_text("[")
    assert results.describe()["clean"]["warnings"] == []
    results.close()
