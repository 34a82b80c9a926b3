"""Lines about how far work is, for other programs."""

import json
import os

import pytest

from outtake.core.errors import OutputError
from outtake.core.progress import frame_bar
from outtake.core.progress_lines import VARIABLE, ProgressLines, read_last_progress


def test_work_says_how_far_it_is(tmp_path, monkeypatch):
    path = tmp_path / "progress"
    monkeypatch.setenv(VARIABLE, str(path))
    with frame_bar("clip.mp4", 6, done=2) as bar:
        assert read_last_progress(path) == {
            "title": "clip.mp4", "done": 2, "total": 6, "left_s": None
        }  # fmt: skip
        for _ in range(3):
            bar.advance(bar.task_ids[0])
    said = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(said) == 2, "two lines in a second at most, and the last one"
    assert (said[-1]["done"], said[-1]["total"]) == (5, 6) and said[-1]["left_s"] is not None


def test_nobody_asked(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with frame_bar("clip.mp4", 2) as bar:
        bar.advance(bar.task_ids[0])
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing/progress"))
    with pytest.raises(OutputError, match=r"OUTTAKE_PROGRESS=.*cannot be written.*unset it"):
        frame_bar("clip.mp4", 2).start()


def test_work_goes_on_where_lines_cannot_be_written_any_more(caplog):
    reads, writes = os.pipe()
    lines = ProgressLines(f"/proc/self/fd/{writes}")
    os.close(writes)
    os.close(reads)
    for _ in range(2):
        lines.say("clip.mp4", 1, 2, None, now=True)
    assert caplog.text.count("cannot be written any more") == 1


def test_what_is_half_written_is_not_read(tmp_path):
    path = tmp_path / "progress"
    assert read_last_progress(path) is None
    path.write_text('{"done": 1}\n{"done": 2')
    assert read_last_progress(path) == {"done": 1}
    path.write_text("no line")
    assert read_last_progress(path) is None
    path.write_text("[1]\n")
    assert read_last_progress(path) is None
