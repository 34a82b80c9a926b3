"""Which project a request is about: none is answered for another one than it was sent for."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.studio.open_sessions import OpenSessions
from outtake.studio.studio_settings import StudioSettings
from outtake.studio.web_app import make_app
from tests.studio.test_web_app import OWN, PORT, TOKEN, ask, brush

STROKES = {"revision": 0, "actions": [brush(0, 9, 9)]}


@pytest.fixture
def sessions(tmp_path):
    for name in ("walk", "beach"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / name / "0.png")
    sessions = OpenSessions(StudioSettings(home=tmp_path, roots=(tmp_path,)))
    yield sessions
    sessions.close()


@pytest.fixture
def app(sessions):
    return make_app(sessions, TOKEN, PORT)


def choose(app, **body):
    answer = ask(app, "/api/open", "POST", body)
    assert answer.status == 200, answer.body
    return ask(app, "/api/project").json()["session"]


def of(session):
    return OWN | {"x-outtake-session": session}


def is_of_another(answer):
    return answer.status == 412 and answer.headers.get("x-outtake-other") == "1"


def test_what_is_meant_for_a_project_of_before_is_refused(app, sessions, tmp_path):
    walk = choose(app, path=str(tmp_path / "walk"))
    assert ask(app, "/api/frames/0/strokes", headers=of(walk)).status == 200
    beach = choose(app, path=str(tmp_path / "beach"))
    assert beach != walk
    for target, body in (
        ("/api/frames/0/strokes", STROKES),
        ("/api/classes", {"name": "ball"}),
        ("/api/jobs", {"kind": "train"}),
        ("/api/layers", {"revision": 0, "layers": []}),
        ("/api/masks/import-folder", {"path": str(tmp_path / "walk")}),
    ):
        answer = ask(app, target, "POST", body, headers=of(walk))
        assert is_of_another(answer) and answer.body == b"another project is open now", target
    for target in ("/api/project", "/api/frames/0", "/api/export", "/api/jobs"):
        assert is_of_another(ask(app, target, headers=of(walk)))
        assert is_of_another(ask(app, f"{target}?session={walk}"))
        assert not is_of_another(ask(app, f"{target}?session={beach}"))
    assert sessions.session.project.labelled_frames() == []
    assert sessions.session.project.classes == ["background", "object"]
    # What is told by labels that have changed is another 412.
    assert ask(app, "/api/frames/0/strokes", "POST", STROKES, headers=of(beach)).status == 200
    answer = ask(app, "/api/frames/0/strokes", "POST", STROKES, headers=of(beach))
    assert answer.status == 412 and not is_of_another(answer)


def test_a_project_of_before_is_opened_again_and_has_another_session(app, sessions, tmp_path):
    walk = choose(app, path=str(tmp_path / "walk"))
    choose(app, path=str(tmp_path / "beach"))
    again = choose(app, session=walk)
    assert sessions.session.project.folder.name == "walk.outtake" and again != walk
    assert is_of_another(ask(app, "/api/project", headers=of(walk)))
    assert ask(app, "/api/project", headers=of(again)).status == 200
    for none in ("x", None, 3, [], again):  # that which is open is no former one
        assert ask(app, "/api/open", "POST", {"session": none}).status == 400


def test_without_an_open_project_nobody_is_told_to_choose_one_for_another(app):
    assert ask(app, "/api/project").status == 409
    assert is_of_another(ask(app, "/api/frames/0/strokes", "POST", STROKES, headers=of("x")))


def test_strokes_that_come_while_the_project_is_closed_are_to_be_sent_again(
    app, sessions, tmp_path
):
    choose(app, path=str(tmp_path / "walk"))
    sessions.session.project.close()
    answer = ask(app, "/api/frames/0/strokes", "POST", STROKES)
    assert is_of_another(answer) and b"walk.outtake: is closed" in answer.body
    assert is_of_another(ask(app, "/api/jobs", "POST", {"kind": "train"}))
    sessions.session = None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost"])
def test_the_port_of_http_may_be_left_out(host, sessions):
    own = {"origin": f"http://{host}", "cookie": f"outtake_studio_80={TOKEN}"}
    assert ask(make_app(sessions, TOKEN, 80), "/", host=host, headers=own).status == 200
    assert ask(make_app(sessions, TOKEN, 80), "/", host="evil.example", headers=own).status == 403
    if ":" not in host:
        assert ask(make_app(sessions, TOKEN, PORT), "/", host=host, headers=OWN).status == 403
