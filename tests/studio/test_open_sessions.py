"""Which clips and projects can be chosen in the page, and which cannot; uploads; one at a time."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.studio.open_sessions import OpenSessions, name_of_clip
from outtake.studio.project import Project
from outtake.studio.studio_session import StudioSession
from outtake.studio.studio_settings import StudioSettings
from outtake.studio.web_app import make_app
from tests.studio.test_import_masks import png
from tests.studio.test_web_app import OWN, PORT, TOKEN, ask

BYTES = OWN | {"content-type": "application/octet-stream"}


@pytest.fixture
def place(tmp_path):
    """A folder that may be looked into, beside one that may not."""
    root = tmp_path / "root"
    for folder in ("root/clip", "root/other", "secret"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / folder / "0.png")
    (root / "notes.txt").write_text("x")
    (root / ".hidden").mkdir()
    (root / "way_out").symlink_to(tmp_path / "secret")
    (root / "inside").symlink_to(root / "clip")
    return root


@pytest.fixture
def sessions(place):
    sessions = OpenSessions(StudioSettings(home=place, roots=(place,), upload_mib=1))
    yield sessions
    sessions.close()


@pytest.fixture
def app(sessions):
    return make_app(sessions, TOKEN, PORT)


def choose(app, **body):
    return ask(app, "/api/open", "POST", body)


def test_nothing_is_open_until_something_is_chosen(app, place, sessions):
    for target in ("/api/project", "/api/frames/0", "/api/jobs"):
        answer = ask(app, target)
        assert answer.status == 409 and b"no clip is open" in answer.body
    assert ask(app, "/").status == 200 and ask(app, "/api/recent").json()["open"] is None
    found = ask(app, "/api/files").json()
    assert [(each["name"], each["kind"]) for each in found["entries"]] == [
        ("clip", "pictures"), ("inside", "pictures"), ("other", "pictures"),
    ]  # fmt: skip
    assert found["others"] == 2 and found["above"] is None
    assert choose(app, path=str(place / "clip")).json()["name"] == "clip.outtake"
    assert ask(app, "/api/project").json()["frames"] == 1
    assert [each["name"] for each in ask(app, "/api/recent").json()["projects"]] == ["clip.outtake"]


def test_another_project_closes_the_former_and_the_former_is_found_again(app, place, sessions):
    choose(app, path=str(place / "clip"))
    former = sessions.session
    brush = {"stroke": 0, "tool": "brush", "class": 1, "size": 5, "points": [[9, 9]]}
    ask(app, "/api/frames/0/strokes", "POST", {"revision": 0, "actions": [brush]})
    assert choose(app, path=str(place / "other")).json()["name"] == "other.outtake"
    assert former.project.closed and ask(app, "/api/project").json()["labelled"] == []
    with pytest.raises(Exception, match="closed"):
        former.project.labels[0].append(1, [{"tool": "undo"}])
    assert choose(app, project="clip.outtake").json()["name"] == "clip.outtake"
    assert ask(app, "/api/project").json()["labelled"] == [0]
    kept = sessions.session
    assert choose(app, path=str(place / "inside")).status == 200 and sessions.session is kept
    # Another clip of this name has a project of its own.
    shutil.copytree(place / "other", place / "deep/clip")
    assert choose(app, path=str(place / "deep/clip")).json()["name"] == "clip_2.outtake"
    assert choose(app, path=str(place / "deep/clip")).json()["name"] == "clip_2.outtake"


def test_what_lies_elsewhere_or_is_no_clip_is_refused_in_one_line(app, place, sessions):
    choose(app, path=str(place / "clip"))
    kept, before = sessions.session, sorted(place.rglob("*"))
    (place / "broken.mp4").write_bytes(b"no video")
    before.append(place / "broken.mp4")
    secret = str(place.parent / "secret")
    for path in (secret, f"{place}/../secret", f"{place}/way_out", "/etc/passwd", "..", "", "\0", 7,
                 None, [], {}, "x" * 9000, f"{place}/notes.txt", f"{place}/nothing", str(place),
                 f"{place}/broken.mp4", "http://evil.example/x.mp4"):  # fmt: skip
        answer = choose(app, path=path)
        assert answer.status == 400 and b"\n" not in answer.body, (path, answer.body)
        assert b"root:" not in answer.body
    for under in (secret, f"{place}/..", f"{place}/way_out", "%00", f"{place}/notes.txt"):
        assert ask(app, f"/api/files?under={under}").status == 400, under
    other = {"path": str(place / "other"), "end_job": "yes"}
    for body in ({}, other, {"path": "a", "project": "b"}, {"project": "../root"}, {"project": 3}):
        assert choose(app, **body).status == 400, body
    assert sessions.session is kept and not kept.project.closed
    assert sorted(place.rglob("*")) == sorted(before)


def test_a_running_job_is_asked_about(app, place, sessions):
    choose(app, path=str(place / "clip"))
    ended = []
    job = SimpleNamespace(
        state="running", command=SimpleNamespace(kind="train"), end=lambda: ended.append(1),
        describe=lambda: None,
    )  # fmt: skip
    sessions.session.jobs.current = job
    assert ask(app, "/api/recent").json()["running"] == "train"
    answer = choose(app, path=str(place / "other"))
    assert answer.status == 409 and b"train is still running" in answer.body and not ended
    assert ask(app, "/api/upload?ending=.png", "POST", png(np.zeros((9, 9, 3), np.uint8)),
               headers=BYTES).status == 409  # fmt: skip
    assert choose(app, path=str(place / "other"), end_job=True).status == 200 and ended


def test_a_clip_is_uploaded_into_a_project_of_its_own(app, place, sessions):
    picture = png(np.full((16, 20, 3), 7, np.uint8))
    answer = ask(app, "/api/upload?ending=.PNG&name=../../x", "POST", picture, headers=BYTES)
    assert answer.status == 200, answer.body
    assert answer.json()["name"] == "upload_001.outtake"
    assert ask(app, "/api/project").json()["width"] == 20
    record = json.loads((place / "upload_001.outtake/project.json").read_text())
    assert record["source"]["path"] == "clip.png"  # both can be moved
    assert ask(app, "/api/upload?ending=.png", "POST", picture, headers=BYTES).json()["name"] == (
        "upload_002.outtake"
    )


@pytest.mark.parametrize(
    ("query", "body", "length", "status"),
    [
        ("", b"x", None, 400),
        ("?ending=.exe", b"x", None, 400),
        ("?ending=.mp4/../../x", b"x", None, 400),
        ("?ending=.mp4", b"", None, 400),
        ("?ending=.mp4", b"no video", None, 400),
        ("?ending=.png", b"\x89PNG\r\n\x1a\n", None, 400),
        ("?ending=.mp4", b"x", 10 << 30, 413),
        ("?ending=.mp4", b"x" * (1 << 20) + b"x", 1, 413),
        ("?ending=.mp4", b"x", "many", 413),
    ],
)
def test_an_upload_that_is_no_clip_leaves_nothing(query, body, length, status, app, place):
    before = sorted(place.iterdir())
    answer = ask(app, f"/api/upload{query}", "POST", body, headers=BYTES, length=length)
    assert answer.status == status and b"\n" not in answer.body
    assert sorted(place.iterdir()) == before


def test_an_upload_that_the_disk_has_no_room_for_leaves_nothing(app, place, monkeypatch):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("outtake.studio.receive_file.shutil.disk_usage", lambda path: usage)
    before = sorted(place.iterdir())
    answer = ask(app, "/api/upload?ending=.mp4", "POST", b"x" * 5000, headers=BYTES)
    assert answer.status == 507 and b"free" in answer.body
    assert sorted(place.iterdir()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_names_that_are_no_text_break_nothing(place):
    odd = place / "odd\udcff\n.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(place / "x.png")
    (place / "x.png").rename(odd)
    session = StudioSession(Project(place / "p\udcfe", odd))
    app = make_app(session, TOKEN, PORT)
    assert ask(app, "/api/project").json()["clip"].startswith("odd")
    assert ask(app, "/api/recent").status == ask(app, "/api/files").status == 200
    assert ask(app, "/api/export/cutout.png").status == 400
    session.close()


@pytest.mark.parametrize(
    ("name", "expected"), [("a.b.mp4", "a.b"), (".hidden.mp4", "hidden"), ("/", "clip")]
)
def test_a_project_is_called_as_its_clip_and_is_never_hidden(name, expected):
    assert name_of_clip(Path(name)) == expected
