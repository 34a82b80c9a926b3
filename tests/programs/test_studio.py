"""What outtake studio says before it serves anything."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.config.program_options import StudioOptions, read_options
from outtake.core.errors import ConfigError, OuttakeError
from outtake.programs.studio import _open_named, studio


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["roots=[nowhere]"], "nowhere: no such folder"),
        (["roots=[]"], "roots"),
        (["limits.upload_mib=0"], "upload_mib"),
        (["host=0.0.0.0"], "allow_remote=true"),
        (["host=0.0.0.0", "allow_remote=true"], "host_names"),
        (["input=nothing.mp4"], "nothing"),
        (["project=nothing"], r"no project\.json"),
        (["port=70000"], "port"),
        (["classes=[]"], "classes"),
        (["input=nothing.mp4", "classes=[a]"], "2 to"),
    ],
)
def test_bad_beginnings_are_one_line(overrides, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OuttakeError, match=said) as refused:
        studio(compose("studio", overrides))
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["starlette.applications", "uvicorn"])
def test_a_missing_package_names_the_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'outtake\[studio\]'"):
        studio(compose("studio", ["input=clip.mp4"]))


@pytest.fixture
def open_studio(tmp_path, monkeypatch):
    """A function that opens what overrides name, in a folder of pictures; it returns the project.

    It is closed by the next call.
    """
    pytest.importorskip("starlette", reason="the extra studio is not installed")
    from outtake.studio.open_sessions import OpenSessions
    from outtake.studio.studio_settings import StudioSettings

    home = tmp_path / "my shots.v2"
    home.mkdir()
    Image.new("RGB", (32, 24)).save(home / "0.png")
    monkeypatch.chdir(home)
    sessions = OpenSessions(StudioSettings(home=home, roots=(tmp_path,)))

    def open_named(*overrides):
        sessions.close()
        options = read_options(StudioOptions, compose("studio", list(overrides)))
        said = _open_named(options, sessions)
        project = sessions.session.project
        assert said == f"studio of {project.folder}"
        return project

    yield open_named
    sessions.close()


def test_a_folder_gives_its_project_its_name_however_it_is_named(open_studio, tmp_path):
    for given in (".", "../my shots.v2", str(tmp_path / "my shots.v2/")):
        project = open_studio(f"input='{given}'")
        assert project.folder.name == "my shots.v2.outtake"
    assert not list(tmp_path.rglob(".*outtake"))


def test_a_project_is_opened_by_its_folder_alone(open_studio, tmp_path):
    first = open_studio("input=0.png")
    found = open_studio("input=0.outtake")
    assert found.folder.name == "0.outtake" and found.source == first.source
    with pytest.raises(ConfigError, match=r"input=0\.outtake: is a project, and project=other"):
        open_studio("input=0.outtake", "project=other")


def test_classes_for_a_project_that_has_others_are_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "clip").mkdir()
    cv2.imwrite(str(tmp_path / "clip/0.png"), np.zeros((24, 32, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("outtake.programs.studio.serve", lambda app, listener: None)
    for classes, notes in (("a, b, c", 0), ("a, b, c", 0), ("a, b", 1), ("background, object", 0)):
        studio(compose("studio", ["input=clip", f"classes=[{classes}]", "open=false"]))
        said = capsys.readouterr().out
        assert said.count("clip.outtake has the classes a, b, c: those of classes= are") == notes
