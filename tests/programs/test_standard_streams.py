"""A clip may come from standard input and go to standard output; what is missing is said soon."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from outtake.config.compose import CONF_DIR, compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError, OutputError, Terminated, VideoError
from outtake.programs import standard_streams as streams
from tests.pipeline.square import HEIGHT, WIDTH, frames, write_scene

ROOT = CONF_DIR.parent


@dataclass(frozen=True)
class Resuming:
    """The part of a config that says whether an interrupted job goes on."""

    resume: bool = True


@dataclass(frozen=True)
class Places:
    """The part of a config that names files."""

    input: str
    output: str
    job: Resuming = field(default_factory=Resuming)


def send(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_stored_and_deleted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    send(monkeypatch, b"a clip")
    with streams.standard_streams(Places("-", "out.mp4")) as config:
        stored = Path(config.input)
        assert stored.read_bytes() == b"a clip" and config.output == "out.mp4"
    assert not stored.parent.exists()
    send(monkeypatch, b"")
    with (
        pytest.raises(VideoError, match="input=-: standard input is empty"),
        streams.standard_streams(Places("-", "x")),
    ):
        pass


def test_standard_output_has_the_result_and_nothing_else(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    with streams.standard_streams(Places("in.mp4", "-")) as config:
        os.write(1, b"written to")
        assert config.output.endswith(".mkv")
        Path(config.output).write_bytes(b"result")
    out, err = capfdbinary.readouterr()
    assert out == b"result" and b"written to" in err and b"sent to standard output" in err


def fail_to_store(*streams: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_under_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    send(monkeypatch, b"a clip")
    monkeypatch.setattr(shutil, "copyfileobj", fail_to_store)
    with (
        pytest.raises(OutputError, match=r"cannot be stored in .*\(No space left.*; set TMPDIR"),
        streams.standard_streams(Places("-", "x")),
    ):
        pass


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Terminated, VideoError])
def test_what_was_made_before_an_end_is_sent(
    capfdbinary: pytest.CaptureFixture[bytes], kind: type[BaseException]
) -> None:
    with pytest.raises(kind) as caught, streams.standard_streams(Places("in", "-")) as config:
        assert not config.job.resume, "its folder is deleted"
        partial = Path(config.output).with_suffix(".partial.mkv")
        partial.write_bytes(b"half a result")
        raise kind(f"150 frames (6.0 s) are kept in {partial}")
    assert str(caught.value) == "150 frames (6.0 s) are sent to standard output"
    assert capfdbinary.readouterr().out == b"half a result"


def test_an_end_before_anything_was_made_says_nothing_of_it() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, streams.standard_streams(Places("in", "-")):
        raise KeyboardInterrupt
    assert caught.value.args == ()


@pytest.mark.parametrize("ended", [True, False])
def test_nobody_reads_what_was_made(ended: bool) -> None:
    reading, writing = os.pipe()
    kept = os.dup(1)
    os.dup2(writing, 1)
    os.close(reading)
    os.close(writing)
    said = "nobody reads standard output" if ended else "cannot be written to its end"
    try:
        with (
            pytest.raises(KeyboardInterrupt if ended else OutputError, match=said),
            streams.standard_streams(Places("in", "-")) as config,
        ):
            made = Path(config.output)
            made.write_bytes(b"result")
            if ended:
                partial = made.rename(made.with_suffix(".partial.mkv"))
                raise KeyboardInterrupt(f"1 frames are kept in {partial}")
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def test_a_terminal_gets_no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.isatty", lambda number: True)
    with (
        pytest.raises(OutputError, match="output=-: standard output is a terminal"),
        streams.standard_streams(Places("in.mp4", "-")),
    ):
        pass


def test_an_error_names_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    send(monkeypatch, b"half a clip")
    with (
        pytest.raises(VideoError, match=r"^standard input is truncated$"),
        streams.standard_streams(Places("-", "x")) as config,
    ):
        raise VideoError(f"{config.input} is truncated")


@pytest.mark.parametrize(("name", "places"), [("stdin", ("-", "x")), ("stdout", ("x", "-"))])
def test_a_closed_stream_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, places: tuple[str, str]
) -> None:
    monkeypatch.setattr(sys, name, None)
    with (
        pytest.raises((VideoError, OutputError), match="put is closed; send"),
        streams.standard_streams(Places(*places)),
    ):
        pass


def test_a_clip_is_not_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    send(monkeypatch, b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with (
        pytest.raises(VideoError, match="input=-: standard input is a terminal; send a clip"),
        streams.standard_streams(Places("-", "x")),
    ):
        pass


@pytest.mark.parametrize("key", ["preview", "encode.provenance_video"])
def test_a_second_output_needs_files(key: str) -> None:
    given = ["input=in.mp4", "output='-'", "masks.path=m.mkv", f"{key}=true"]
    with pytest.raises(ConfigError, match=f"{key}=true: standard output holds one video"):
        parse(InferVideoConfig, resolve_config(compose("infer_video", given)))


def test_what_is_missing_is_said_before_a_network_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from outtake.programs.entry_points import run_infer_video\n"
        "sys.argv = ['x', 'not (here).mp4', 'out.mp4', 'masks=m']\n"
        "try: run_infer_video()\n"
        "finally: print(sorted({'torch', 'torchvision', 'pytorch_lightning'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 2 and done.stdout == "[]\n"
    assert done.stderr.startswith("error: no such video: not (here).mp4") and not list(
        tmp_path.iterdir()
    )


@pytest.mark.slow
def test_a_pipe_and_a_folder_with_a_nasty_name(tmp_path: Path) -> None:
    write_scene(tmp_path, 6)
    (tmp_path / "masks.mkv").rename(tmp_path / "it's, [1] (50%) = ü.mkv")
    command = [sys.executable, ROOT / "infer_video.py", "-", "-", "masks=it's, [1] (50%) = ü.mkv",
               "remover=solid", "encode.codec=ffv1"]  # fmt: skip
    with (tmp_path / "in.mkv").open("rb") as clip:
        done = subprocess.run(command, stdin=clip, capture_output=True, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    (tmp_path / "out.mkv").write_bytes(done.stdout)
    made = frames(tmp_path / "out.mkv")
    assert len(made) == 6 and made[0].image.shape == (HEIGHT, WIDTH, 3)
    assert (np.ptp(made[0].image.reshape(-1, 3), axis=0) > 0).all()
    assert b"sent to standard output; the report is not kept" in done.stderr
    assert b"written to" not in done.stderr
