"""Every measurement that the documents name can be started as they say."""

from __future__ import annotations

import argparse
import importlib.util
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"python -m (benchmarks[\w.]*)([^`\n]*)")


class Accepted(Exception):
    """A command line was read, and nothing was done yet."""


def documented() -> Iterator[str]:
    for page in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"):
        for module, arguments in COMMAND.findall(page.read_text()):
            yield f"{module.rstrip('.')} {arguments.partition(' #')[0]}".strip()


COMMANDS = sorted(set(documented()))


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parsers read the command line, and stop the program then."""
    for name in ("parse_args", "parse_known_args"):
        read = getattr(argparse.ArgumentParser, name)

        def stop(self, args=None, namespace=None, read=read, nested=[]):  # noqa: B006
            if nested:  # parse_args asks parse_known_args
                return read(self, args, namespace)
            nested.append(True)
            try:
                read(self, args, namespace)
            finally:
                nested.clear()
            raise Accepted

        monkeypatch.setattr(argparse.ArgumentParser, name, stop)


def test_the_documents_name_measurements():
    assert len(COMMANDS) > 60
    assert "benchmarks.removal.speed" in COMMANDS


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_accepted(command, read_only, monkeypatch):
    module, *arguments = shlex.split(command)
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no {module}"
    if spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).read_text()
    if "ArgumentParser" not in source:  # it takes nothing, or what a program takes
        assert not arguments or "sys.argv" in source
        return
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(Accepted):
        runpy.run_module(module, run_name="__main__")
