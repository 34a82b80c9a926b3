"""Records that a crash has damaged: named in one line, or left out with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from outtake.core.errors import RecordError
from outtake.core.json_files import cut_last_line_if_torn, read_json_lines, read_json_object


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\0\0\0", b"\xff{}", b"[" * 100_000, b"[1]"])
def test_what_is_no_object_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"data\.json is not .*; restore it") as caught:
        read_json_object(path, "restore it")
    assert "\n" not in str(caught.value)


def test_what_is_absent_is_none_and_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    assert read_json_object(tmp_path / "absent.json", "") is None
    assert read_json_lines(tmp_path / "absent.jsonl") == []
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(RecordError, match="is not a file; delete it"):
            read_json_object(path, "delete it")


def test_half_a_last_line_is_left_out_and_another_is_an_error_or_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": ')
    assert read_json_lines(path) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a": {"a": 2}\n[3]\n{"a": 4}\n')
    with pytest.raises(RecordError, match=r"log\.jsonl line 2 is not a record .*; delete that"):
        read_json_lines(path, "delete that line")
    assert read_json_lines(path, skip_damaged=True) == [{"a": 1}, {"a": 4}]
    assert "2 of 4 lines cannot be read and are left out, the first is line 2" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", b""),
        (b"a\nb\n", b"a\nb\n"),
        (b"a\nb\nc", b"a\nb\n"),
        (b"abc", b""),
        (b"a\n" + b"b" * 200_000, b"a\n"),
    ],
)
def test_a_torn_line_is_cut_off_and_whole_ones_stay(
    tmp_path: Path, content: bytes, kept: bytes
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    assert cut_last_line_if_torn(path) == len(content) - len(kept)
    assert path.read_bytes() == kept
    assert cut_last_line_if_torn(tmp_path / "absent") == 0


def test_a_whole_last_line_without_its_end_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}')
    assert cut_last_line_if_torn(path) == 0
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
