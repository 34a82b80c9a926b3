"""Segments that are whole or not there: resumed, damaged, on a full disk."""

import errno
import json
import os
import pickle
import resource
import shutil
import signal
from collections import namedtuple
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from outtake.core.errors import OutputError, VideoError
from outtake.video.read.probe import VideoInfo, probe
from outtake.video.write.disk_guard import SizeGuard
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.output import open_output
from outtake.video.write.output_checks import check_target
from outtake.video.write.png_sequence import PngSegmentEncoder
from outtake.video.write.segment_store import SegmentStore
from tests.video.segmenting import (
    CODECS,
    JOB,
    VARIABLE_PTS,
    file_names,
    interrupt_segment,
    read_frames,
    read_packets,
    show_same_frames,
    write_segments,
)


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "frames"])
def test_a_resumed_job_gives_the_same_frames(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", pts=VARIABLE_PTS)
    info, frames = probe(source), read_frames(source)
    target = tmp_path / name
    straight = tmp_path / f"straight{target.suffix}"
    write_segments(whole := open_output(straight, info, fingerprint=JOB), frames)
    whole.finish(3)

    first = open_output(target, info, fingerprint=JOB)
    write_segments(first, frames, [0, 2])
    interrupt_segment(first, 1, frames, 5)
    second = open_output(target, info, resume=True, fingerprint=JOB)
    assert second.complete_segments == (0, 2)
    assert [second.frame_count(index) for index in range(3)] == [11, 0, 8]
    write_segments(second, frames, [1])
    second.finish(3)
    assert show_same_frames(straight, target)
    if target.suffix:
        assert read_packets(target) == read_packets(straight)
    assert not (tmp_path / f"{name}.part").exists()


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_a_segment_comes_out_the_same_each_time(make_video, tmp_path, name, codec):
    source = make_video("in.mp4", size=(82, 50), frames=30)
    info, frames = probe(source), read_frames(source)
    outputs = []
    for number, order in enumerate(((0, 1, 2), (2, 1, 0))):
        target = tmp_path / f"{number}{Path(name).suffix}"
        output = open_output(target, info, EncodingRequest(codec=codec))
        write_segments(output, frames, order)
        output.finish(3)
        outputs.append(target)
    assert show_same_frames(*outputs)
    assert read_packets(outputs[0], "video") == read_packets(outputs[1], "video")


def test_another_job_starts_afresh_and_says_why(make_video, tmp_path, caplog):
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
            afresh = open_output(target, info, resume=True, **options)
        assert afresh.complete_segments == ()
        assert f"starts afresh, because {reason} changed" in caplog.text
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


def test_a_missing_segment_is_named_and_nothing_is_lost(make_video, tmp_path):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(output, read_frames(source), [0, 2])
    with pytest.raises(OutputError, match=r"1 of 3 segments are missing \(1\); .*job.resume=true"):
        output.finish(3)
    assert not (tmp_path / "o.mp4").exists()
    write_segments(output, read_frames(source), [1])
    assert output.finish(3) == 30


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


def test_segments_may_come_from_other_processes_in_any_order(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(pickle.loads(pickle.dumps(output)), read_frames(source), [2, 0])
    write_segments(pickle.loads(pickle.dumps(output)), read_frames(source), [1])
    write_segments(
        pickle.loads(pickle.dumps(output)), read_frames(source), [1]
    )  # twice, as after a lost worker
    assert output.finish(3) == 30
    assert read_packets(tmp_path / "o.mp4") == read_packets(source)


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_what_was_made_before_an_interruption_is_playable(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", frames=30)
    info, frames = probe(source), read_frames(source)
    output = open_output(tmp_path / name, info, fingerprint=JOB)
    write_segments(output, frames, [0])
    interrupt_segment(output, 1, frames, 6)
    kept = output.salvage()
    assert kept is not None
    assert kept.path == tmp_path / f"o.partial{Path(name).suffix}"
    assert (kept.frames, round(kept.seconds, 3)) == (17, 0.68)
    written = read_frames(kept.path)
    assert len(written) == 17
    times = [float(frame.pts * frame.time_base) for frame in written]
    assert np.allclose(times, np.arange(17) / 25, atol=0.001)
    sound = read_packets(source)
    there = read_packets(kept.path)
    assert [data for _, data in there] == [data for _, data in sound[: len(there)]]
    assert 0.6 < there[-1][0] < 0.68

    again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
    assert again.complete_segments == (0,)
    write_segments(again, frames, [1, 2])
    again.finish(3)
    assert file_names(tmp_path) == sorted(["in.mp4", name])  # the part went with the whole


def test_a_part_of_a_png_sequence_is_kept(make_video, tmp_path):
    source = make_video("in.mp4")
    frames = read_frames(source)
    output = open_output(tmp_path / "frames", probe(source))
    write_segments(output, frames, [0])
    interrupt_segment(output, 1, frames, 3)
    kept = output.salvage()
    assert kept is not None and kept.frames == 14
    for before, after in zip(frames[:14], read_frames(kept.path), strict=True):
        assert np.array_equal(before.image, after.image)


def test_nothing_to_salvage_is_nothing(make_video, tmp_path):
    output = open_output(tmp_path / "o.mp4", probe(make_video("in.mp4")))
    assert output.salvage() is None and not output.has_segments()
    with pytest.raises(VideoError, match="no frame"), output.open_segment(0):
        pass
    output.discard()
    assert file_names(tmp_path) == ["in.mp4"]


def test_a_full_disk_keeps_whole_segments(make_video, tmp_path):
    source = make_video("in.mp4", size=(160, 96))
    info, frames = probe(source), read_frames(source)
    output = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    write_segments(output, frames, [0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*o\.mp4.*kept in"):
            write_segments(output, frames, [1])
        assert output.salvage() is None and output.has_segments()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    again = open_output(tmp_path / "o.mp4", info, resume=True, fingerprint=JOB)
    assert again.complete_segments == (0,)
    assert not list((tmp_path / "o.mp4.part").glob("*.tmp*"))
    write_segments(again, frames, [1, 2])
    assert again.finish(3) == 30


def test_a_full_disk_while_writing_images_is_one_line(make_video, tmp_path, monkeypatch):
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = make_video("in.mp4")
    output = open_output(tmp_path / "frames", probe(source))
    monkeypatch.setattr(PngSegmentEncoder, "encode", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_segments(output, read_frames(source), [0])


def test_a_disk_too_small_for_the_estimate_stops_the_job_early(tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")
    info = VideoInfo(tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000)
    guard = SizeGuard(info, tmp_path / "o.mp4")
    for free, words in ((30e6, None), (15e6, "will take about 10 MB")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, int(free)))
        caplog.clear()
        guard.add_segment(100, 1_000_000, 1_000_000)
        assert (words in caplog.text) if words else not caplog.text
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 5_000_000))
    with pytest.raises(OutputError, match=r"5 MB are free .*job.resume=true"):
        guard.add_segment(100, 1_000_000, 2_000_000)


def test_an_output_much_larger_than_its_source_is_said_once(tmp_path, caplog):
    (tmp_path / "in.mp4").write_bytes(bytes(100_000))
    info = VideoInfo(
        tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000, duration_s=40.0
    )
    guard = SizeGuard(info, tmp_path / "o.mkv", min_bytes=1e5)
    guard.add_segment(100, 30_000, 30_000)
    assert not caplog.text
    guard.add_segment(100, 300_000, 330_000)
    guard.add_segment(100, 300_000, 630_000)
    assert caplog.text.count("times its source") == 1


def test_records_are_readable_json(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    output = open_output(tmp_path / "o.mp4", probe(source), fingerprint=JOB)
    write_segments(output, read_frames(source), [0])
    part = tmp_path / "o.mp4.part"
    record = json.loads((part / "00000.json").read_text())
    assert record["pts"] == VARIABLE_PTS[:11] and record["whole"] is True
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
