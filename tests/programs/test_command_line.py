"""What the system refuses is one line and exit code 2, as an error of the user is."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.errors import HydraException
from hydra.types import RunMode

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs import command_line
from outtake.programs.command_line import DEBUG_VARIABLE, explain_error, run_program


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "a.mp4"), "a.mp4: File name too long"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", b"a\xff"), "a\udcff: Permission denied"),
        (OSError("all on\none line"), "all on one line"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_one_line(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain_error(error) == f"{said}; {DEBUG_VARIABLE}=1 shows where it happened"

    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_program(fail)
    assert ended.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_broken_pipe_is_none_of_the_users_errors() -> None:
    def fail() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        run_program(fail)


def test_names_that_are_too_long_are_said_in_one_line(tmp_path: Path) -> None:
    code = (
        "import sys; from outtake.programs.entry_points import run_infer_video\n"
        f"sys.argv = ['x', {'a' * 300!r} + '.mp4', 'out.mp4', 'masks=m']\n"
        "run_infer_video()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 2 and not done.stdout and not list(tmp_path.iterdir())
    assert done.stderr.startswith("error: aaa") and done.stderr.count("\n") == 1
    assert ".mp4: File name too long" in done.stderr


def test_a_key_that_a_given_mapping_has_too_many_is_named() -> None:
    with pytest.raises(HydraException) as caught:
        compose("sweep", ["sweep=optimizer", "objectives={best: {metric: val/loss}}"])
    assert explain_error(caught.value) == (
        "objectives.best: no such config key; did you mean objectives.miou? (A new key is added "
        "with +objectives.best=VALUE.)"
    )


def test_an_option_of_a_list_that_there_is_not_is_named_with_those_that_are() -> None:
    with pytest.raises(HydraException) as caught:
        compose("train", ["logger=[tensorboard,mlflo]"])
    said = explain_error(caught.value)
    assert said.startswith("logger=mlflo: no such option; did you mean mlflow? Allowed are all, ")


@pytest.mark.parametrize(
    ("override", "end"),
    [("a={b: [1, 2}", "quoted inside of it"), ("a=b c}", "quoted, as in 'a=\"b c}\"'")],
)
def test_a_list_or_a_mapping_is_not_advised_to_be_quoted_whole(override: str, end: str) -> None:
    with pytest.raises(HydraException) as caught:
        compose("sweep", ["sweep=optimizer", override])
    assert explain_error(caught.value).endswith(end)


SECRET = "c4n4ry-5up3r"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (HydraException("Could not override 'optimzer.lr'."), 2, "error: optimzer.lr: no such"),
        (ConfigError("n=0: must be 1"), 2, "error: n=0: must be 1"),
        (ZeroDivisionError(f"postgresql://u:{SECRET}@h/db"), 1, "ZeroDivisionError"),
    ],
)
def test_hydra_has_no_occasion_to_print_all_overrides(
    error: Exception, code: int, said: str, monkeypatch, capsys
) -> None:
    running = SimpleNamespace(mode=RunMode.RUN)
    monkeypatch.setattr(command_line, "HydraConfig", SimpleNamespace(get=lambda: running))
    with pytest.raises(SystemExit) as ended, command_line.exit_at_errors():
        raise error
    printed = capsys.readouterr().err
    assert ended.value.code == code and said in printed and SECRET not in printed
    assert code == 1 or len(printed.splitlines()) == 1
