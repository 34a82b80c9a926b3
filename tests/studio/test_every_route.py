"""Every route that the studio has, whoever added it, against whatever can be sent.

The routes are those of the application, and the keys that they read are found in their sources, so
that none can be forgotten. Whatever is sent: no error of ours but the house's one line with 4xx,
nobody who may not ask is answered, and where it is refused nothing on the disk has changed.
"""

import copy
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.studio import web_app
from outtake.studio.open_sessions import OpenSessions
from outtake.studio.project import Project
from outtake.studio.studio_session import StudioSession
from outtake.studio.studio_settings import StudioSettings
from tests.studio.test_import_masks import mask, packed, png
from tests.studio.test_web_app import OWN, PORT, TOKEN, ask

SOURCES = "".join(path.read_text() for path in sorted(Path(web_app.__file__).parent.glob("*.py")))
BODY_KEYS = sorted(set(re.findall(r'body(?:\.get\(|\[)"([a-z_]+)"', SOURCES)))
QUERY_KEYS = sorted(
    set(re.findall(r'(?:query_params(?:\.get\(|\[)|_number\(request, )"([a-z_]+)"', SOURCES))
)
NESTED = b'{"actions":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
WEIRD = (
    None, True, -1, 7, 1 << 70, 1e308, "", "\0", "../x", "/etc/passwd", "x" * 5000, "\ud800",
    [], [[[[]]]], {}, {"a": {}},
)  # fmt: skip
TEXTS = ("", "..", "%2e%2e%2f", "%00", "/etc/passwd", "-1", "9" * 30, "1e9", "nan", "\u0661", "a/b")
LAYER = {
    "id": 1, "picture": "0" * 64, "name": "a", "x": 1, "y": 1, "scale_x": 100, "scale_y": 100,
    "angle": 0, "opacity": 100, "group": 0, "shown": True,
}  # fmt: skip
# What is right but for one value at a time; a route that is not here gets each key by itself.
EXAMPLES = {
    "/api/open": [{"path": "clip", "end_job": False}],
    "/api/classes": [{"name": "ball"}],
    "/api/classes/{n}": [{"name": "ball", "colour": "#102030"}],
    "/api/frames/{n}/strokes": [
        {
            "revision": 0,
            "actions": [
                {"stroke": 0, "tool": "brush", "class": 1, "size": 5, "points": [[9, 9], [10, 9]]},
                {"stroke": 1, "tool": "lasso", "class": 1, "points": [[1, 1], [9, 1], [9, 9]]},
                {
                    "stroke": 2,
                    "tool": "pixels",
                    "by": "file",
                    "parts": [{"class": 1, "runs": [3, 4]}],
                },
                {"tool": "undo"},
            ],
        }
    ],
    "/api/frames/{n}/propose": [{"by": "watershed", "count": 60}],
    "/api/layers": [{"revision": 0, "layers": [LAYER]}],
    "/api/layers/cutout": [{"frame": 0, "classes": [1], "smooth": True, "feather": 2}],
    "/api/masks/import-folder": [{"path": "clip", "white": 1, "every_frame": False}],
    "/api/jobs": [
        {"kind": "train", "options": {"budget_s": 5, "further": True}},
        {"kind": "remove", "options": {"remove": ["object"], "remover": "blur", "preview": True}},
        {"kind": "suggest", "options": {"count": 3}},
        {"kind": "propose", "options": {"remove": ["object"]}},
    ],
}  # fmt: skip
BYTES = [
    b"", b"\0", b"{", b"[]", b"null", b"\xff\xfe", NESTED, b"1" * 5000, png(mask())[:40],
    png(mask(7)), png(mask(size=(9, 9))), png(mask(700, dtype=np.uint16)),
    packed({"0.png": png(mask(7))}), packed({"../../0.png": png(mask())[:50]}),
    packed({"0.png": png(mask(size=(9, 9)))}), packed({"0.json": NESTED}),
    packed({"0.png": png(mask(700, dtype=np.uint16))}), packed({"0.png": b"\0" * 90_000}),
    png(mask())[:16] + b"\0\1\0\0\0\1\0\0" + png(mask())[24:],
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "clip").mkdir()
    for number in range(2):
        picture = np.full((24, 32, 3), 40 * number, np.uint8)
        Image.fromarray(picture).save(home / f"clip/{number}.png")
    (home / "way_out").symlink_to("/etc")
    return home


@pytest.fixture(scope="module")
def sessions(place):
    settings = StudioSettings(home=place, roots=(place,), upload_mib=1, import_mib=1)
    session = StudioSession(Project(place / "p.outtake", place / "clip"), settings)
    sessions = OpenSessions(settings, session)
    yield sessions
    sessions.close()


@pytest.fixture(scope="module")
def app(sessions):
    return web_app.make_app(sessions, TOKEN, PORT)


@pytest.fixture
def routes(sessions):
    found = web_app.list_lasting_routes(sessions) + web_app.list_session_routes(sessions.session)
    return [(route.path, method) for route in found for method in sorted(route.methods - {"HEAD"})]


def fill(path):
    return path.replace("{n}", "0").replace("{name}", "main.js").replace("{digest}", "0" * 64)


def summarise(place):
    """Return what is on the disk: each file with its size, and when it was written."""
    found = {}
    for folder, _, names in os.walk(place):
        for name in names:
            said = os.lstat(os.path.join(folder, name))
            found[folder, name] = said.st_size, said.st_mtime_ns
    return found


def check(answer, place, before, what):
    """Return what is on the disk now; it is what was if the answer says that it was refused."""
    assert answer.status < 500 or answer.status == 507, (what, answer.body)
    after = summarise(place)
    if answer.status >= 400:
        assert 0 < len(answer.body) < 1500, what
        assert b"\n" not in answer.body.strip() and b"Traceback" not in answer.body, what
        assert b"root:" not in answer.body and after == before, what
    return after


def change_one(value, depth=0):
    """Yield copies of a value in which one part, however deep, is another."""
    # Deeper down each is one of many.
    yield from WEIRD[depth :: (1, 2, 5)[min(depth, 2)]]
    if isinstance(value, dict):
        for key in value:
            for part in change_one(value[key], depth + 1):
                yield value | {key: part}
        for key in value:
            yield {kept: part for kept, part in value.items() if kept != key}
        yield value | {"further": 1}
    if isinstance(value, list):
        for place, each in enumerate(value):
            for part in change_one(each, depth + 1):
                changed = copy.copy(value)
                changed[place] = part
                yield changed


def test_the_keys_of_all_requests_are_found():
    assert {"revision", "actions", "path", "options"} <= set(BODY_KEYS)
    assert {"under", "ending", "width", "white"} <= set(QUERY_KEYS)


def test_nobody_else_is_answered_by_any_route(app, place, routes):
    before = summarise(place)
    without_cookie = {key: value for key, value in OWN.items() if key != "cookie"}
    strangers = [
        {"headers": without_cookie},
        {"headers": OWN | {"cookie": f"outtake_studio_{PORT}=b"}},
        {"host": f"evil.example:{PORT}"},
        {"host": f"127.0.0.1.evil.example:{PORT}"},
        {"headers": OWN | {"origin": "http://evil.example"}},
        {"headers": OWN | {"origin": "null"}},
    ]
    assert len(routes) > 35
    for path, method in routes:
        reads = method == "GET"
        others = [] if path == "/" else [{"headers": OWN | {"sec-fetch-site": "cross-site"}}]
        if not reads:
            others.append({"headers": {k: v for k, v in OWN.items() if k != "origin"}})
        for stranger in strangers + others:
            answer = ask(app, fill(path), method, b"" if reads else {}, **stranger)
            assert answer.status == 403 and len(answer.body) < 120, (path, method, stranger)
        for other in ("PUT", "PATCH", "OPTIONS", "TRACE"):
            assert ask(app, fill(path), other).status == 405, (path, other)
    assert summarise(place) == before


def test_no_address_breaks_any_route(app, place, routes):
    before = summarise(place)
    for path, method in routes:
        if method != "GET":
            continue
        for text in TEXTS:
            for name in re.findall(r"{\w+}", path):
                target = fill(path.replace(name, text))
                before = check(ask(app, target), place, before, target)
        values = "&".join(f"{key}=TEXT" for key in QUERY_KEYS)
        for text in TEXTS:
            target = f"{fill(path)}?{values.replace('TEXT', text)}"
            before = check(ask(app, target), place, before, target)


def test_no_body_breaks_any_route(app, place, routes, sessions, monkeypatch):
    started = []
    monkeypatch.setattr(StudioSession, "start_job", _note_job(started))
    for path, method in routes:
        if method != "POST":
            continue
        before, target = summarise(place), fill(path)
        bodies = [*WEIRD, dict.fromkeys(BODY_KEYS, 7)]
        for example in EXAMPLES.get(path, [{key: 1} for key in BODY_KEYS]):
            bodies += change_one(example)
        for body in bodies:
            answer = ask(app, target, "POST", body)
            before = check(answer, place, before, (target, str(body)[:200]))
        for content in BYTES:
            for kind, query in (
                ("json", ""),
                ("zip", "?white=1"),
                ("octet-stream", "?ending=.png&white=99"),
                ("octet-stream", "?ending=.mp4&every_frame=1"),
            ):
                headers = OWN | {"content-type": f"application/{kind}"}
                answer = ask(app, target + query, "POST", content, headers=headers)
                if answer.status == 415:
                    break  # it takes JSON alone
                before = check(answer, place, before, (target, query, kind, content[:60]))
        for length in (10 << 30, "x", "-1", "9" * 40):
            for query in ("", "?ending=.mp4"):
                answer = ask(app, target + query, "POST", b"{}", length=length)
                before = check(answer, place, before, (target, length))
                assert answer.status in (400, 413), (target, length, answer.status)
    assert all(kind in ("train", "suggest", "propose", "remove") for kind in started)


def _note_job(started):
    """Return what stands for the start of a job: its command is built, and not run."""
    from outtake.studio.job_commands import build_command

    def start(self, kind, options):
        started.append(build_command(self.project, kind, options).kind)

    return start


def test_pictures_that_came_out_of_it_are_whole(app, sessions):
    """After all of that the project is as good as before."""
    assert cv2.imdecode(np.frombuffer(ask(app, "/api/frames/0").body, np.uint8), 1) is not None
    sessions.session.project.labels.forget()
    for number in range(sessions.session.project.frames.count):
        assert sessions.session.project.labels[number].labels.shape == sessions.session.project.size
