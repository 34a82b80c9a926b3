import json
import os
import pickle
from pathlib import Path

import pytest

from outtake.core.errors import OutputError
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.open_output import open_output
from outtake.video.write.output_checks import check_target
from outtake.video.write.segment_store import SegmentStore
from tests.video.segmenting import (
    JOB,
    VARIABLE_PTS,
    file_names,
    read_frames,
    write_segments,
)


def test_another_job_starts_again_and_says_why(make_video, tmp_path, caplog):
    source = make_video("in.mp4")
    info, frames = probe(source), read_frames(source)
    target = tmp_path / "o.mp4"
    changes = [
        ({"fingerprint": {**JOB, "config": {"dilate": 0.02}}}, "fingerprint.config.dilate"),
        ({"fingerprint": JOB, "encoding": EncodingRequest(crf=30)}, "encoding.options.crf"),
    ]
    for options, reason in changes:
        write_segments(open_output(target, info, fingerprint=JOB), frames, [0])
        caplog.clear()
        with caplog.at_level("INFO"):
            again = open_output(target, info, resume=True, **options)
        assert again.complete_segments == ()
        assert f"starts again, because {reason} changed" in caplog.text
        assert file_names(tmp_path / "o.mp4.part") == ["lock", "manifest.json"]
    write_segments(open_output(target, info, fingerprint=JOB), frames, [0])
    assert open_output(target, info, resume=False, fingerprint=JOB).complete_segments == ()


def test_a_damaged_segment_is_made_again(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames = probe(source), read_frames(source)
    target = tmp_path / "o.mp4"
    write_segments(open_output(target, info, fingerprint=JOB), frames)
    part = tmp_path / "o.mp4.part"
    data = bytearray((part / "00000.mkv").read_bytes())
    data[len(data) // 2] ^= 255
    (part / "00000.mkv").write_bytes(data)
    (part / "00001.json").write_text("{")
    (part / "00002.tmp-0123.mkv").touch()
    again = open_output(target, info, resume=True, fingerprint=JOB)
    assert again.complete_segments == (2,)
    assert not (part / "00002.tmp-0123.mkv").exists()
    write_segments(again, frames, [0, 1])
    assert again.finish(3) == 30


def test_a_kill_while_segments_are_deleted_leaves_a_complete_output(
    make_video, tmp_path, monkeypatch
):
    source = make_video("in.mp4")
    info, target = probe(source), tmp_path / "o.mp4"
    output = open_output(target, info, fingerprint=JOB)
    write_segments(output, read_frames(source))
    monkeypatch.setattr(SegmentStore, "remove", lambda self: None)
    output.finish(3)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="exists; set overwrite=true"):
        open_output(target, info, resume=True, fingerprint=JOB)
    assert file_names(tmp_path) == ["in.mp4", "o.mp4"]


def test_records_are_readable_json(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    output = open_output(tmp_path / "o.mp4", probe(source), fingerprint=JOB)
    write_segments(output, read_frames(source), [0])
    part = tmp_path / "o.mp4.part"
    record = json.loads((part / "00000.json").read_text())
    assert record["pts"] == [pts - VARIABLE_PTS[0] for pts in VARIABLE_PTS[:11]]
    assert record["whole"] is True
    assert record["bytes"] == (part / "00000.mkv").stat().st_size
    assert json.loads((part / "manifest.json").read_text())["job"]["fingerprint"] == JOB
    check_target(tmp_path / "o.mp4", source)


def test_the_size_of_segments_is_known_without_looking(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4")
    info, frames = probe(source), read_frames(source)
    for name in ("o.mp4", "frames"):
        folder = tmp_path / f"{name}.part"
        write_segments(open_output(tmp_path / name, info, fingerprint=JOB), frames, [0, 2])
        again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
        write_segments(again, frames, [1, 2])  # one of them for the second time
        files = folder.glob("*.mkv") if Path(name).suffix else folder.glob("*/*.png")
        size = sum(file.stat().st_size for file in files)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", None)
            patch.setattr(os, "scandir", None)
            assert again._store.used_bytes() == size > 0


def test_a_whole_segment_is_counted_by_reading_it_once(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(pickle.loads(pickle.dumps(output)), read_frames(source), [0, 2])
    assert [output.frame_count(index) for index in range(3)] == [11, 0, 8]
    write_segments(pickle.loads(pickle.dumps(output)), read_frames(source), [1])
    assert output.frame_count(1) == 11
    monkeypatch.setattr(SegmentStore, "find_record", None)
    assert [output.frame_count(index) for index in range(3)] == [11, 11, 8]
