"""What outtake studio says before it serves anything."""

from __future__ import annotations

import sys

import pytest

from outtake.config.compose import compose
from outtake.core.errors import ConfigError, OuttakeError
from outtake.programs.studio import studio


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
