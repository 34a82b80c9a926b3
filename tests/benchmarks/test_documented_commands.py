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
    for page in (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"):
        for module, arguments in COMMAND.findall(page.read_text()):
            yield f"{module.rstrip('.')} {arguments.partition(' #')[0]}".strip()


COMMANDS = sorted(set(documented()))


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parsers read the command line, and stop the program then."""
    read = argparse.ArgumentParser.parse_known_args

    def read_known(self, args=None, namespace=None):
        read(self, args, namespace)
        raise Accepted

    def read_all(self, args=None, namespace=None):
        _, further = read(self, args, namespace)
        if further:
            self.error(f"unrecognized arguments: {further}")
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", read_known)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read_all)


@pytest.mark.parametrize("option", ["--seeds 0 trainer.max_epochs=3", "--no-such-option"])
def test_a_refused_command_is_seen(option, read_only):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", nargs="+", type=int)
    with pytest.raises(Accepted):
        parser.parse_args(["--seeds", "0"])
    with pytest.raises(SystemExit):
        parser.parse_args(option.split())


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
