from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra watch is not installed")

from outtake.pages.live.live_runs import LiveRuns
from outtake.pages.live.web_app import make_app
from tests.pages.live.test_live_runs import write_picture, write_run

TOKEN, PORT = "a-token", 4321
HOST = f"127.0.0.1:{PORT}"
COOKIE = {"cookie": f"outtake_watch_{PORT}={TOKEN}"}
EVIL = "</script><img src=x onerror=alert(1)>"


class Answer:
    def __init__(self, messages: list[dict]) -> None:
        start, *parts = messages
        self.status = start["status"]
        self.headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        self.body = b"".join(part.get("body", b"") for part in parts)

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


def ask(app, target: str, method: str = "GET", host: str = HOST, **headers: str) -> Answer:
    path, _, query = target.partition("?")
    named = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", PORT),
    }  # fmt: skip
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Answer(sent)


@pytest.fixture
def app(tmp_path: Path):
    run = write_run(tmp_path / "run")
    write_picture(run / "images" / "val_epoch_0000.png")
    return make_app(LiveRuns([tmp_path], ["train/loss"], 0), TOKEN, PORT, EVIL, ["train/loss"], 2)


@pytest.mark.parametrize("target", ["/", "/state", "/page.js", "/pictures/1/0", "/nothing"])
def test_nothing_is_said_without_the_token(target: str, app) -> None:
    for wrong in ({}, {"cookie": f"outtake_watch_{PORT}=b-token"}, {"cookie": "outtake_watch_1=a"}):
        refused = ask(app, target, **wrong)
        assert refused.status == 403 and b"run" not in refused.body.replace(b"running", b"")


def test_the_token_of_the_address_becomes_a_cookie(app) -> None:
    page = ask(app, f"/?token={TOKEN}")
    assert page.status == 200
    assert page.header("set-cookie") == COOKIE["cookie"] + "; Path=/; HttpOnly; SameSite=Strict"
    assert ask(app, "/?token=b-token").status == 403
    assert ask(app, f"/state?token={TOKEN}").status == 403, "of the first page alone"
    assert ask(app, "/state", **COOKIE).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"host": "evil.example"},
        {"host": f"evil.example:{PORT}"},
        {"host": "127.0.0.1:1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_other_sites_are_refused_even_with_the_cookie(sent: dict[str, str], app) -> None:
    assert ask(app, "/state", **sent, **COOKIE).status == 403
    assert ask(app, "/state", **COOKIE).header("access-control-allow-origin") == ""


def test_nothing_can_be_sent(app) -> None:
    assert ask(app, "/state", "POST", **COOKIE).status == 405
    assert ask(app, "/state?key=" + "x" * 5000, **COOKIE).status == 414


@pytest.mark.parametrize(
    "target",
    [
        "/pictures/1/../../run/config.yaml",
        "/pictures/..%2f..%2fconfig.yaml/0",
        "/pictures/1/1",
        "/pictures/9/0",
        "/pictures/1/-1",
        "/pictures/1/0/config.yaml",
        "/../run/config.yaml",
        "/run/config.yaml",
        "/pictures/\u0661/0",
        "/pictures/1/" + "9" * 400,
    ],
)
def test_no_path_is_opened(target: str, app) -> None:
    ask(app, "/state", **COOKIE)
    assert ask(app, target, **COOKIE).status == 404


@pytest.mark.parametrize("since", ["-1", "x", "1e3", "", "9" * 50])
def test_a_wrong_version_is_refused(since: str, app) -> None:
    assert ask(app, f"/state?since={since}", **COOKIE).status == 400


def test_a_picture_is_encoded_anew(app) -> None:
    (run,) = json.loads(ask(app, "/state", **COOKIE).body)["runs"]
    assert run["pictures"] == ["val_epoch_0000"]
    picture = ask(app, f"/pictures/{run['id']}/0", **COOKIE)
    assert picture.status == 200 and picture.body.startswith(b"\xff\xd8")
    assert picture.header("content-type") == "image/jpeg"


def test_hostile_text_stays_text_and_scripts_come_from_here_alone(tmp_path: Path, app) -> None:
    page = ask(app, f"/?token={TOKEN}")
    assert EVIL.encode() not in page.body and b"<img" not in page.body
    policy = page.header("content-security-policy")
    assert "default-src 'none'; script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert page.body.count(b"<script") == page.body.count(b"<script src=") + 1, "and one of data"
    write_run(tmp_path / "<img src=x onerror=alert(1)>")
    state = ask(app, "/state", **COOKIE)
    assert state.header("content-type") == "application/json"
    assert state.header("x-content-type-options") == "nosniff"
    script = ask(app, "/page.js", **COOKIE).body
    assert b"innerHTML" not in script and b"insertAdjacentHTML" not in script
    assert len(ask(app, "/plotly.js", **COOKIE).body) < 2_000_000
    assert ask(app, "/page.css", **COOKIE).header("content-type").startswith("text/css")
