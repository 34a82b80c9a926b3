"""What the server of the studio answers, and to whom; every route with what it must refuse."""

import asyncio
import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.studio.job_commands import JobCommand
from outtake.studio.project import Project
from outtake.studio.request_values import MAX_BODY_BYTES
from outtake.studio.studio_session import StudioSession
from outtake.studio.web_app import make_app

TOKEN, PORT = "a-token", 4321
HOST = f"127.0.0.1:{PORT}"
COOKIE = f"outtake_studio_{PORT}={TOKEN}"
OWN = {"cookie": COOKIE, "origin": f"http://{HOST}", "content-type": "application/json"}
GETS = (
    "/", "/favicon.ico", "/web/main.js", "/api/project", "/api/frames/0", "/api/frames/0/regions",
    "/api/frames/0/labels", "/api/frames/0/strokes", "/api/frames/0/flow", "/api/frames/0/plate",
    "/api/result",
    "/api/layers", "/api/layers/composition", "/api/layers/pictures/0123456789abcdef",
    "/api/frames/0/cutout", "/api/jobs",
    "/api/results/clean/frames/0",
)  # fmt: skip
POSTS = (
    "/api/classes", "/api/classes/0", "/api/frames/0/strokes", "/api/frames/0/propose", "/api/jobs",
)  # fmt: skip


class Answer:
    def __init__(self, messages):
        start, *parts = messages
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(part.get("body", b"") for part in parts)

    def json(self):
        return json.loads(self.body)


def ask(app, target, method="GET", body=b"", host=HOST, headers=OWN, length=None):
    path, _, query = target.partition("?")
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    named = {"host": host, "content-length": str(len(body) if length is None else length)} | headers
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", PORT),
    }  # fmt: skip
    sent, received = [], False

    async def receive():
        nonlocal received
        if received:  # it asks whether somebody is there still
            await asyncio.sleep(0.001)
        received = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Answer(sent)


@pytest.fixture
def session(tmp_path):
    (tmp_path / "clip").mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        picture = rng.integers(0, 90, (24, 32, 3)).astype(np.uint8)
        picture[6:18, 8:20] += 150
        Image.fromarray(picture).save(tmp_path / "clip" / f"{number}.png")
    session = StudioSession(Project(tmp_path / "project", tmp_path / "clip"))
    yield session
    session.close()


@pytest.fixture
def app(session):
    return make_app(session, TOKEN, PORT)


def picture(answer):
    return cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)


def brush(stroke, x, y, value=1):
    return {"stroke": stroke, "tool": "brush", "class": value, "size": 5, "points": [[x, y]]}


def test_the_token_becomes_a_cookie_and_all_answers_are_guarded(app):
    answer = ask(app, f"/?token={TOKEN}", headers={})
    assert answer.status == 200
    assert re.fullmatch(
        rf"{COOKIE}; Path=/; HttpOnly; SameSite=Strict", answer.headers["set-cookie"]
    )
    for target in GETS:
        headers = ask(app, target).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize("target", (*GETS, *POSTS))
def test_who_may_not_ask_is_told_nothing(app, session, target):
    method, body = ("POST", {"name": "x"}) if target in POSTS else ("GET", b"")
    strangers = [
        {"headers": {key: value for key, value in OWN.items() if key != "cookie"}},
        {"headers": OWN | {"cookie": f"outtake_studio_{PORT}=b"}},
        {"headers": OWN | {"cookie": f"outtake_watch_{PORT}={TOKEN}"}},
        {"host": f"evil.example:{PORT}"},
        {"host": "127.0.0.1:1"},
        {"headers": OWN | {"origin": "http://evil.example"}},
        {"headers": OWN | {"origin": "null"}},
    ]
    if target != "/":
        strangers.append({"headers": OWN | {"sec-fetch-site": "cross-site"}})
    if method == "POST":
        strangers.append({"headers": {k: v for k, v in OWN.items() if k != "origin"}})
    for stranger in strangers:
        answer = ask(app, target, method, body, **stranger)
        assert answer.status == 403 and len(answer.body) < 120
    assert session.project.classes == ["background", "object"] and session.jobs.current is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(app, method):
    for target in GETS + POSTS:
        assert ask(app, target, method).status == 405


@pytest.mark.parametrize(
    "target",
    [
        "/web/../web_app.py", "/web/%2e%2e/web_app.py", "/web/..%2fweb_app.py", "/web/main.js%00",
        "/web//etc/passwd", "/web/", "/etc/passwd", "/api/frames/../project", "/api/frames/",
        "/api/frames/%2e%2e", "/api/frames/-1", "/api/frames/3", "/api/frames/1e0",
        "/api/frames/99999999999999999999", "/api/frames/\u0661", "/api/frames/0/../../x",
        "/api/frames/0?width=0", "/api/frames/0?width=1e9", "/api/frames/0/regions?count=0",
        "/api/frames/0/regions?count=999999", "/api/frames/0/regions?method=rm", "/api/result",
        "/api/frames/0/nothing", "/api/frames/x/labels", "/api/frames/7/strokes",
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere_are_one_line(app, target):
    answer = ask(app, target)
    assert answer.status in (400, 404)
    assert b"\n" not in answer.body.strip() and b"Traceback" not in answer.body
    assert b"passwd:" not in answer.body and b"import" not in answer.body


BAD_BODIES = [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 100_000, b"1" * 5000, {}, {"name": 3},
    {"name": ""}, {"name": "object"}, {"name": "a\nb"}, {"name": "x" * 61},
    {"revision": 0}, {"revision": "0", "actions": []}, {"revision": True, "actions": []},
    {"revision": 0, "actions": {}}, {"revision": 0, "actions": [1]},
    {"revision": -1, "actions": []},
    {"revision": 5, "actions": []}, {"revision": 0, "actions": [brush(0, 1, 1, 7)]},
    {"revision": 0, "actions": [{"tool": "undo"}]}, {"by": "watershed"}, {"by": "../x"}, {"by": []},
    {"by": "network"}, {"by": "colour", "count": 1e99}, {"by": "colour", "count": "1"},
    {"kind": "rm"}, {"kind": ["train"]}, {"kind": "train", "options": []},
    {"kind": "train", "options": {"budget_s": "180; rm"}}, {"kind": "train"}, {"kind": "suggest"},
    {"kind": "train", "options": {"hydra.run.dir": "/"}}, {"kind": "remove"}, {"kind": "propose"},
    {"kind": "remove", "options": {"remover": "replace path=/etc/passwd"}},
    {"kind": "remove", "options": {"remove": ["nothing"]}},
    {"kind": "remove", "options": {"remove": "object"}},
    {"kind": "suggest", "options": {"count": 0}},
]  # fmt: skip


@pytest.mark.parametrize("target", POSTS)
def test_whatever_is_sent_is_refused_in_one_line_and_changes_nothing(app, session, target):
    for body in BAD_BODIES:
        answer = ask(app, target, "POST", body)
        assert answer.status in (400, 412), (body, answer.body)
        assert 0 < len(answer.body) < 400 and b"\n" not in answer.body.strip()
    assert ask(app, target, "POST", {}, headers=OWN | {"content-type": "text/plain"}).status == 415
    assert ask(app, target, "POST", b"{}", length=10 << 30).status == 413
    assert ask(app, target, "POST", b"{}", length="x").status == 413
    assert ask(app, target, "POST", b" " * (MAX_BODY_BYTES + 1), length=1).status == 413
    assert session.project.classes == ["background", "object"]
    assert session.jobs.current is None and session.project.labelled_frames() == []


def test_frames_come_small_and_exact(app, session):
    exact = picture(ask(app, "/api/frames/2?exact=1"))[..., ::-1]
    assert np.array_equal(exact, session.project.frames.read(2))
    for width in (5, 16, 32, 20_000):
        shape = picture(ask(app, f"/api/frames/2?width={width}")).shape
        assert shape[1] == min(width, 32) and shape[0] == round(24 / 32 * shape[1])


def test_strokes_are_saved_and_another_tab_is_told(app, session):
    sent = {"revision": 0, "actions": [brush(0, 12, 12), brush(1, 2, 2, 0)]}
    answer = ask(app, "/api/frames/1/strokes", "POST", sent)
    assert answer.status == 200 and answer.json()["labelled"] == [1]
    assert ask(app, "/api/frames/1/strokes", "POST", sent).status == 412
    labels = ask(app, "/api/frames/1/labels")
    assert np.array_equal(picture(labels), session.project.labels[1].labels)
    assert labels.headers["etag"] == '"2"'
    found = ask(app, "/api/frames/1/strokes").json()
    assert [action["stroke"] for action in found["actions"]] == [0, 1]
    assert found["crc32"] == answer.json()["crc32"] == session.project.labels[1].checksum


def test_proposals_grow_from_strokes_and_keep_them(app):
    sent = {"revision": 0, "actions": [brush(0, 13, 11), brush(1, 28, 20, 0)]}
    ask(app, "/api/frames/0/strokes", "POST", sent)
    before = picture(ask(app, "/api/frames/0/labels"))
    wanted = np.zeros((24, 32), bool)
    wanted[6:18, 8:20] = True
    for by, least in (("watershed", 0.85), ("colour", 0.7)):
        found = picture(ask(app, "/api/frames/0/propose", "POST", {"by": by, "count": 60}))
        assert np.array_equal(found[before != 255], before[before != 255])
        mask = found == 1
        assert (mask & wanted).sum() / (mask | wanted).sum() > least, by


def test_regions_by_each_method_and_of_a_least_size(app, session):
    for method in ("watershed", "slic", "felzenszwalb"):
        ask(app, f"/api/frames/0/regions?method={method}&count=40")
        assert session.regions(0, 40, method, 30).sizes.min() >= 30
    for query in ("method=x", "least=0", "least=99999999", "least=a"):
        assert ask(app, f"/api/frames/0/regions?{query}").status == 400
    for sent in ({"least": 0}, {"least": "3"}, {"method": "x", "by": "colour"}):
        body = {"by": "watershed", **sent}
        assert ask(app, "/api/frames/0/propose", "POST", body).status == 400


def test_what_differs_from_the_plate_is_a_picture(app, session):
    answer = ask(app, "/api/frames/1/plate")
    assert answer.headers["content-type"] == "image/jpeg" and picture(answer).shape == (24, 32, 3)
    assert session.plate_residual(1).dtype == np.uint8


def test_labels_of_frames_around_are_offered(app, session, monkeypatch):
    monkeypatch.setattr("outtake.studio.flow_previews._QUIET_S", 0.0)
    for by, said in (("flow", b"no frame within 48"), ("previous", b"no frame before this one")):
        answer = ask(app, "/api/frames/1/propose", "POST", {"by": by})
        assert answer.status == 400 and said in answer.body
    assert ask(app, "/api/frames/1/flow").status == 204
    sent = {"revision": 0, "actions": [brush(0, 13, 11), brush(1, 28, 20, 0)]}
    ask(app, "/api/frames/0/strokes", "POST", sent)
    before = session.project.labels[0].labels
    found = picture(ask(app, "/api/frames/2/propose", "POST", {"by": "previous"}))
    assert np.array_equal(found, before)
    status = 202
    for _ in range(500):
        status = ask(app, "/api/frames/1/flow").status
        if status != 202:
            break
    assert status == 200 and ask(app, "/api/frames/0/flow").status == 204
    found = picture(ask(app, "/api/frames/1/propose", "POST", {"by": "flow"}))
    assert found.shape == before.shape
    action = {"stroke": 0, "tool": "pixels", "by": "flow", "parts": [{"class": 1, "runs": [5, 9]}]}
    answer = ask(app, "/api/frames/1/strokes", "POST", {"revision": 0, "actions": [action]})
    assert answer.status == 200


def test_regions_come_as_numbers(app, session):
    found = picture(ask(app, "/api/frames/0/regions?count=40"))[..., ::-1].astype(int)
    ids = (found[..., 0] << 16) | (found[..., 1] << 8) | found[..., 2]
    assert np.array_equal(ids, session.regions(0, 40).ids)


def test_a_class_is_added(app, session):
    answer = ask(app, "/api/classes", "POST", {"name": "<b>ball"})
    assert (
        answer.json()["classes"] == session.project.classes == ["background", "object", "<b>ball"]
    )


def test_names_and_colours_of_classes_change_and_ids_stay(app, session):
    ask(app, "/api/frames/1/strokes", "POST", {"revision": 0, "actions": [brush(0, 12, 12)]})
    before = session.project.labels[1].labels.copy()
    answer = ask(app, "/api/classes/1", "POST", {"name": "ball", "colour": "#00ff10"})
    assert answer.json() == {"classes": ["background", "ball"], "colours": [None, "#00ff10"]}
    assert (session.project.labels[1].labels == before).all()
    assert "ball" in (session.project.folder / "classes.yaml").read_text()
    folder = session.project.folder
    for target, sent in (
        ("2", {"name": "x"}), ("-1", {"name": "x"}), ("1", {"name": "background"}),
        ("1", {"colour": "red"}), ("1", {"colour": "#00ff10;"}), ("0", {"name": 7}),
    ):  # fmt: skip
        assert ask(app, f"/api/classes/{target}", "POST", sent).status == 400, sent
    session.close()
    with Project(folder) as again:
        assert (again.classes, again.colours) == (["background", "ball"], [None, "#00ff10"])
    checkpoint = folder / "runs/round_001/checkpoints/last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    answer = ask(app, "/api/classes/1", "POST", {"name": "cat"})
    assert answer.status == 400 and b"before the first training" in answer.body


def test_every_file_of_the_page_is_served_and_none_asks_for_another_machine(app):
    page = ask(app, "/").body.decode()
    names = set(re.findall(r"/web/([\w.]+)", page)) | {"main.js"}
    done = set()
    while names - done:
        name = (names - done).pop()
        answer = ask(app, f"/web/{name}")
        assert answer.status == 200, name
        done.add(name)
        text = answer.body.decode()
        names |= set(re.findall(r'from "\./([\w.]+)"', text))
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), name
        assert "innerHTML" not in text and "eval(" not in text
    assert len(done) > 9


def test_the_state_of_the_job_is_told(app, session):
    assert ask(app, "/api/jobs").json() is None
    with session.lock:
        session.jobs.start(lambda: JobCommand("suggest", ("--help",)))
    found = ask(app, "/api/jobs").json()
    assert (found["id"], found["kind"]) == (1, "suggest") and found["elapsed_s"] >= 0
