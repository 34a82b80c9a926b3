"""The live page as a process on the loopback: it is served, and it ends in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import pytest

from outtake.config.compose import CONF_DIR, compose
from outtake.core.errors import ConfigError
from outtake.programs.local_server import say_address
from outtake.programs.watch import watch
from tests.pages.live.test_live_runs import write_run

pytest.importorskip("uvicorn", reason="the extra watch is not installed")

SCRIPT = CONF_DIR.parent / "watch.py"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_is_served_until_a_signal(number: int, code: int, tmp_path: Path) -> None:
    write_run(tmp_path / "my runs" / "a=b")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "my runs"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(CONF_DIR.parent / "src")},
    )  # fmt: skip
    try:
        assert process.stdout
        said = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)(/\?token=\S+)", said)
        assert address, said + process.communicate(timeout=30)[1]
        connection = HTTPConnection("127.0.0.1", int(address[1]), timeout=30)
        connection.request("GET", address[2])
        page = connection.getresponse()
        assert page.status == 200 and b"my runs" in page.read()
        cookie = (page.getheader("set-cookie") or "").partition(";")[0]
        connection.request("GET", "/state", headers={"Cookie": cookie})
        (run,) = json.loads(connection.getresponse().read())["runs"]
        assert run["name"] == "a=b"
        connection.request("GET", "/state")
        assert connection.getresponse().status == 403
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code
    assert errors.strip() in ("interrupted", "terminated")


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port={port}: cannot be used .*port=0 for any"):
            watch(compose("watch", [f"runs='{tmp_path}'", f"port={port}"]))


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent: no such folder"):
        watch(compose("watch", [f"runs='{tmp_path}/absent'"]))


@pytest.mark.parametrize("package", ["starlette.applications", "uvicorn"])
def test_a_missing_package_names_the_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'outtake\[watch\]'"):
        watch(compose("watch", [f"runs='{tmp_path}'"]))


@pytest.mark.parametrize("override", ["port=70000", "interval_s=0", "runs=[]", "keys=[]"])
def test_wrong_options_are_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        watch(compose("watch", [override]))


def test_the_line_with_the_address_is_written_in_one_piece(monkeypatch) -> None:
    written: list[str] = []
    output = SimpleNamespace(write=written.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", output)
    say_address("watching runs")
    assert written[0] == "watching runs\n"
