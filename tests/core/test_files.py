from __future__ import annotations

import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from outtake.core.errors import OutputError, Terminated
from outtake.core.files import check_folder, replace_file, replace_text, write_json


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    replace_text(path, "one")
    replace_text(path, "two")
    assert path.read_text() == "two" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("broken")])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(OutputError, match="what was there stays"):
        replace_file(path, fail)
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_can_not_be_flushed_is_one_line(tmp_path: Path, monkeypatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("outtake.core.files.fsync_path", fail)
    with pytest.raises(OutputError, match=r"wrote .*a\.txt, but .*Input/output error"):
        replace_text(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").read_text() == "x"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Terminated])
def test_a_signal_stays_one_even_if_a_library_turns_it_into_an_error(
    tmp_path: Path, kind: type[KeyboardInterrupt]
) -> None:
    def interrupted(_: IO[bytes]) -> None:
        try:
            raise kind("why")
        finally:
            raise RuntimeError("unfinished archive")

    with pytest.raises(kind, match="why"):
        replace_file(tmp_path / "a.txt", interrupted)
    assert not list(tmp_path.iterdir())


def test_a_place_below_a_file_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        replace_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "file" / "a")


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": math.nan, "y": [math.inf, 1.5], 3: None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None, "y": [None, 1.5], "3": None}


def test_two_that_write_the_same_file_do_so_one_after_the_other(tmp_path: Path) -> None:
    """The second waits in the middle of the first; each writes all of its own."""
    target, begun = tmp_path / "a.txt", threading.Event()

    def slowly(file: IO[bytes]) -> None:
        file.write(b"AAA")
        file.flush()
        begun.set()
        time.sleep(0.2)
        file.write(b"AA")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(replace_file, target, slowly)
        assert begun.wait(10)
        second = pool.submit(replace_text, target, "BBBBBBBB")
        first.result(10), second.result(10)
    assert target.read_text() == "BBBBBBBB"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_writer_left_is_used_up(tmp_path: Path) -> None:
    (tmp_path / "a.txt.part").write_text("something long that was not finished")
    replace_text(tmp_path / "a.txt", "b")
    assert (tmp_path / "a.txt").read_text() == "b"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
