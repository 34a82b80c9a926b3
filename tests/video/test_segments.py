import errno
import fcntl
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from outtake.errors import OutputError, VideoError
from outtake.types import TimedFrame
from outtake.video import (
    Output,
    VideoInfo,
    check_target,
    encoder,
    finish_all,
    open_clip,
    open_output,
    open_writer,
    probe,
)
from outtake.video.guard import SizeGuard
from outtake.video.manifest import SegmentFolder
from outtake.video.png import PngPiece

VARIABLE_PTS = np.cumsum(np.random.default_rng(1).integers(100, 2000, 30)).tolist()
LENGTHS = (11, 11, 8)
JOB = {"config": {"dilate": 0.017}, "input": "abc"}
CODECS = [
    ("out.mp4", "h264"),
    ("out.mov", "h264"),
    ("out.mkv", "h264"),
    ("out.mp4", "h265"),
    ("out.webm", "vp9"),
    ("out.webm", "av1"),
    ("out.mp4", "av1"),
    ("out.mkv", "ffv1"),
    ("out.mov", "prores"),
]


def fill(output: Output, frames: list[TimedFrame], segments=(0, 1, 2)) -> None:
    for index in segments:
        start = sum(LENGTHS[:index])
        with output.segment(index) as writer:
            for frame in frames[start : start + LENGTHS[index]]:
                writer.write(frame)


def interrupt(output: Output, index: int, frames: list[TimedFrame], after: int) -> None:
    start = sum(LENGTHS[:index])
    with pytest.raises(KeyboardInterrupt), output.segment(index) as writer:
        for frame in frames[start : start + after]:
            writer.write(frame)
        raise KeyboardInterrupt


def read(path: Path) -> list[TimedFrame]:
    with open_clip(path) as clip:
        return list(clip)


def same(one: Path, two: Path) -> bool:
    pairs = zip(read(one), read(two), strict=True)
    return all(a.pts == b.pts and np.array_equal(a.image, b.image) for a, b in pairs)


def packets(path: Path, kind: str = "audio") -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


LOCKING = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(17)
"""


def is_locked(part: Path) -> bool:
    """Ask as another process: this one could take its own lock again."""
    asked = subprocess.run([sys.executable, "-S", "-c", LOCKING, part / "lock"], timeout=60)
    assert asked.returncode in (0, 17)
    return asked.returncode == 17


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_joined_segments_hold_every_frame_at_its_time(make_video, tmp_path, name, codec):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    info, frames = probe(source), read(source)
    output = open_output(tmp_path / name, info, codec=codec, preset="medium")
    fill(output, frames)
    assert output.finish(3) == 30
    written = read(tmp_path / name)
    tolerance = 0 if Path(name).suffix in (".mp4", ".mov") else 0.0005
    assert len(written) == 30
    times = [[float(f.pts * f.time_base) for f in each] for each in (frames, written)]
    moved = [round(after - before, 8) for before, after in zip(*times, strict=True)]
    assert max(map(abs, moved)) <= tolerance, f"all: {moved}, from {[f.pts for f in frames]}"
    for before, after in zip(frames, written, strict=True):
        assert np.abs(before.image.astype(int) - after.image).mean() < 9
    assert names(tmp_path) == sorted(["in.mp4", name])


STARTS = {
    "variable": VARIABLE_PTS,
    "soon": [300 + 512 * index for index in range(30)],
    "late": [4000 + 512 * index for index in range(30)],
    "at once": [512 * index for index in range(30)],
    "crowded": [300, 301, 303, *range(600, 600 + 27 * 512, 512)],
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("ahead", [(1,), (1, 5), (3, 7)], ids=str)
def test_whichever_frames_an_encoder_stores_first_all_keep_their_times(
    make_video, tmp_path, monkeypatch, ahead, codec, start
):
    source = make_video("in.mp4", "mpeg4", pts=STARTS[start])
    info, frames = probe(source), read(source)
    convert, calls = encoder.from_rgb, []

    def forced(*given):
        made = convert(*given)
        if len(calls) in ahead:  # what is no B-frame is stored before those that are shown earlier
            made.pict_type = PictureType.P
        calls.append(0)
        return made

    monkeypatch.setattr(encoder, "from_rgb", forced)
    output = open_output(tmp_path / "out.mov", info, codec=codec, preset="medium")
    fill(output, frames)
    output.finish(3)
    with av.open(str(tmp_path / "out.mov")) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert ahead[0] != 1 or stored[1] == sorted(stored)[1], "not what was forced"
    written = read(tmp_path / "out.mov")
    assert [f.pts * f.time_base for f in frames] == [f.pts * f.time_base for f in written]


def test_decoding_times_rise_and_never_come_after_showing(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    output = open_output(tmp_path / "o.mp4", probe(source), preset="medium")
    fill(output, read(source))
    output.finish(3)
    with av.open(str(tmp_path / "o.mp4")) as container:
        times = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert any(a[1] > b[1] for a, b in pairwise(times)), "no B-frames here"
    assert all(a[0] < b[0] for a, b in pairwise(times))
    assert all(dts <= pts for dts, pts in times)


def test_what_lies_beside_the_picture_is_joined_too(make_video, tmp_path):
    def setup(output, stream):
        output.metadata["title"] = "A walk"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.codec_context.colorspace = 5

    source = make_video("in.mp4", audio="aac", pts=VARIABLE_PTS, rotate=90, setup=setup)
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(output, read(source))
    output.finish(3)
    before, after = probe(source), probe(tmp_path / "o.mp4")
    assert packets(tmp_path / "o.mp4") == packets(source)
    assert after.rotation == 0 and (after.width, after.height) == (64, 96)
    assert after.sample_aspect_ratio == before.sample_aspect_ratio == Fraction(3, 4)
    assert after.colour.matrix == 5
    assert after.metadata["title"] == "A walk"


def test_the_rate_of_the_source_is_kept(make_video, tmp_path):
    source = make_video("in.mp4")
    for name in ("o.mp4", "o.mkv"):
        output = open_output(tmp_path / name, probe(source))
        fill(output, read(source))
        output.finish(3)
        assert probe(tmp_path / name).fps == 25


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "frames"])
def test_a_resumed_job_gives_the_same_frames(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", pts=VARIABLE_PTS)
    info, frames = probe(source), read(source)
    target = tmp_path / name
    straight = tmp_path / f"straight{target.suffix}"
    fill(whole := open_output(straight, info, fingerprint=JOB), frames)
    whole.finish(3)

    first = open_output(target, info, fingerprint=JOB)
    fill(first, frames, [0, 2])
    interrupt(first, 1, frames, 5)
    second = open_output(target, info, resume=True, fingerprint=JOB)
    assert second.complete == (0, 2)
    assert [second.frames(index) for index in range(3)] == [11, 0, 8]
    fill(second, frames, [1])
    second.finish(3)
    assert same(straight, target)
    if target.suffix:
        assert packets(target) == packets(straight)
    assert not (tmp_path / f"{name}.part").exists()


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_a_segment_comes_out_the_same_each_time(make_video, tmp_path, name, codec):
    source = make_video("in.mp4", size=(82, 50), frames=30)
    info, frames = probe(source), read(source)
    outputs = []
    for number, order in enumerate(((0, 1, 2), (2, 1, 0))):
        target = tmp_path / f"{number}{Path(name).suffix}"
        output = open_output(target, info, codec=codec)
        fill(output, frames, order)
        output.finish(3)
        outputs.append(target)
    assert same(*outputs)
    assert packets(outputs[0], "video") == packets(outputs[1], "video")


def test_another_job_starts_afresh_and_says_why(make_video, tmp_path, caplog):
    source = make_video("in.mp4")
    info, frames = probe(source), read(source)
    target = tmp_path / "o.mp4"
    changes = [
        ({"fingerprint": {**JOB, "config": {"dilate": 0.02}}}, "fingerprint.config.dilate"),
        ({"fingerprint": JOB, "crf": 30}, "encoding.options.crf"),
    ]
    for options, reason in changes:
        fill(open_output(target, info, fingerprint=JOB), frames, [0])
        caplog.clear()
        with caplog.at_level("INFO"):
            afresh = open_output(target, info, resume=True, **options)
        assert afresh.complete == ()
        assert f"starts afresh, because {reason} changed" in caplog.text
        assert names(tmp_path / "o.mp4.part") == ["lock", "manifest.json"]
    fill(open_output(target, info, fingerprint=JOB), frames, [0])
    assert open_output(target, info, resume=False, fingerprint=JOB).complete == ()


def test_a_damaged_segment_is_made_again(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames = probe(source), read(source)
    target = tmp_path / "o.mp4"
    fill(open_output(target, info, fingerprint=JOB), frames)
    part = tmp_path / "o.mp4.part"
    data = bytearray((part / "00000.mkv").read_bytes())
    data[len(data) // 2] ^= 255
    (part / "00000.mkv").write_bytes(data)
    (part / "00001.json").write_text("{")
    (part / "00002.tmp-0123.mkv").touch()
    again = open_output(target, info, resume=True, fingerprint=JOB)
    assert again.complete == (2,)
    assert not (part / "00002.tmp-0123.mkv").exists()
    fill(again, frames, [0, 1])
    assert again.finish(3) == 30


def test_a_missing_segment_is_named_and_nothing_is_lost(make_video, tmp_path):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(output, read(source), [0, 2])
    with pytest.raises(OutputError, match=r"1 of 3 segments are missing \(1\); .*resume=auto"):
        output.finish(3)
    assert not (tmp_path / "o.mp4").exists()
    fill(output, read(source), [1])
    assert output.finish(3) == 30


@pytest.mark.parametrize("name", ["o.mp4", "frames"])
def test_a_kill_while_the_target_takes_its_place_is_no_reason_to_refuse_the_job(
    make_video, tmp_path, monkeypatch, name
):
    source = make_video("in.mp4")
    info, target = probe(source), tmp_path / name
    output = open_output(target, info, fingerprint=JOB)
    fill(output, read(source))
    replace_in_place = os.replace

    def killed(source: Path, place: Path) -> None:
        replace_in_place(source, place)
        if place == target:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        output.finish(3)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="overwrite=true"):
        check_target(target, source)
    check_target(target, source, resume=True)
    again = open_output(target, info, resume=True, fingerprint=JOB)
    assert again.complete == (0, 1, 2)
    assert again.finish(3) == 30
    assert names(tmp_path) == sorted(["in.mp4", name])


def test_a_kill_while_segments_are_deleted_leaves_a_complete_output(
    make_video, tmp_path, monkeypatch
):
    source = make_video("in.mp4")
    info, target = probe(source), tmp_path / "o.mp4"
    output = open_output(target, info, fingerprint=JOB)
    fill(output, read(source))
    monkeypatch.setattr(SegmentFolder, "remove", lambda self: None)
    output.finish(3)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="exists; set overwrite=true"):
        open_output(target, info, resume=True, fingerprint=JOB)
    assert names(tmp_path) == ["in.mp4", "o.mp4"]


def test_segments_may_come_from_other_processes_in_any_order(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac")
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(pickle.loads(pickle.dumps(output)), read(source), [2, 0])
    fill(pickle.loads(pickle.dumps(output)), read(source), [1])
    fill(pickle.loads(pickle.dumps(output)), read(source), [1])  # twice, as after a lost worker
    assert output.finish(3) == 30
    assert packets(tmp_path / "o.mp4") == packets(source)


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_what_was_made_before_an_interruption_is_playable(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", frames=30)
    info, frames = probe(source), read(source)
    output = open_output(tmp_path / name, info, fingerprint=JOB)
    fill(output, frames, [0])
    interrupt(output, 1, frames, 6)
    kept = output.salvage()
    assert kept is not None
    assert kept.path == tmp_path / f"o.partial{Path(name).suffix}"
    assert (kept.frames, round(kept.seconds, 3)) == (17, 0.68)
    written = read(kept.path)
    assert len(written) == 17
    times = [float(frame.pts * frame.time_base) for frame in written]
    assert np.allclose(times, np.arange(17) / 25, atol=0.001)
    sound = packets(source)
    there = packets(kept.path)
    assert [data for _, data in there] == [data for _, data in sound[: len(there)]]
    assert 0.6 < there[-1][0] < 0.68

    again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
    assert again.complete == (0,)
    fill(again, frames, [1, 2])
    again.finish(3)
    assert names(tmp_path) == sorted(["in.mp4", name])  # the part went with the whole


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o"])
def test_a_last_frame_that_is_held_is_part_of_the_length(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", frames=30)
    frames = read(source)[:11]
    frames[-1] = replace(frames[-1], hold=5120)
    output = open_output(tmp_path / name, probe(source))
    fill(output, frames, [0])
    kept = output.salvage()
    assert kept is not None and round(kept.seconds, 3) == 0.8
    if name != "o":
        assert 0.75 < packets(kept.path)[-1][0] < 0.8, "its sound goes on as long"


@pytest.mark.parametrize("variable", [False, True])
def test_a_track_that_is_stored_in_another_order_is_as_long_as_it_is_shown(
    make_video, tmp_path, variable
):
    source = make_video("in.mp4", frames=11, pts=VARIABLE_PTS[:11] if variable else None)
    frames = read(source)
    frames[-1] = replace(frames[-1], hold=25600)
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(output, frames, [0])
    output.finish(1)
    with av.open(str(tmp_path / "o.mp4")) as made:
        shown = made.streams.video[0]
        assert shown.codec_context.has_b_frames
        assert shown.duration == pytest.approx(frames[-1].pts + 25600 - frames[0].pts, abs=2)


def test_a_part_of_a_png_sequence_is_kept(make_video, tmp_path):
    source = make_video("in.mp4")
    frames = read(source)
    output = open_output(tmp_path / "frames", probe(source))
    fill(output, frames, [0])
    interrupt(output, 1, frames, 3)
    kept = output.salvage()
    assert kept is not None and kept.frames == 14
    for before, after in zip(frames[:14], read(kept.path), strict=True):
        assert np.array_equal(before.image, after.image)


def test_nothing_to_salvage_is_nothing(make_video, tmp_path):
    output = open_output(tmp_path / "o.mp4", probe(make_video("in.mp4")))
    assert output.salvage() is None and not output.has_segments()
    with pytest.raises(VideoError, match="no frame"), output.segment(0):
        pass
    output.discard()
    assert names(tmp_path) == ["in.mp4"]


def test_a_full_disk_keeps_whole_segments(make_video, tmp_path):
    source = make_video("in.mp4", size=(160, 96))
    info, frames = probe(source), read(source)
    output = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    fill(output, frames, [0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OutputError, match=r"can not write .*o\.mp4.*kept in"):
            fill(output, frames, [1])
        assert output.salvage() is None and output.has_segments()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    again = open_output(tmp_path / "o.mp4", info, resume=True, fingerprint=JOB)
    assert again.complete == (0,)
    assert not list((tmp_path / "o.mp4.part").glob("*.tmp*"))
    fill(again, frames, [1, 2])
    assert again.finish(3) == 30


def test_a_full_disk_while_writing_images_is_one_line(make_video, tmp_path, monkeypatch):
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = make_video("in.mp4")
    output = open_output(tmp_path / "frames", probe(source))
    monkeypatch.setattr(PngPiece, "add", full)
    with pytest.raises(OutputError, match="No space left on device"):
        fill(output, read(source), [0])


def test_a_disk_too_small_for_the_estimate_stops_the_job_early(tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")
    info = VideoInfo(tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000)
    guard = SizeGuard(info, tmp_path / "o.mp4")
    for free, words in ((30e6, None), (15e6, "will take about 10 MB")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, int(free)))
        caplog.clear()
        guard.grow(100, 1_000_000, 1_000_000)
        assert (words in caplog.text) if words else not caplog.text
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 5_000_000))
    with pytest.raises(OutputError, match=r"5 MB are free .*resume=auto"):
        guard.grow(100, 1_000_000, 2_000_000)


def test_an_output_much_larger_than_its_source_is_said_once(tmp_path, caplog):
    (tmp_path / "in.mp4").write_bytes(bytes(100_000))
    info = VideoInfo(
        tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000, duration_s=40.0
    )
    guard = SizeGuard(info, tmp_path / "o.mkv", least_bytes=1e5)
    guard.grow(100, 30_000, 30_000)
    assert not caplog.text
    guard.grow(100, 300_000, 330_000)
    guard.grow(100, 300_000, 630_000)
    assert caplog.text.count("times its source") == 1


def test_a_selected_part_begins_at_zero_with_its_own_sound(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac", frames=50)
    info = replace(probe(source), start_s=0.4, end_s=1.2)
    frames = read(source)[10:30]
    output = open_output(tmp_path / "o.mp4", info)
    for index in range(2):
        with output.segment(index) as writer:
            for frame in frames[index * 10 : index * 10 + 10]:
                writer.write(frame)
    output.finish(2)
    written = read(tmp_path / "o.mp4")
    times = [frame.pts * frame.time_base for frame in written]
    assert times == [Fraction(number, 25) for number in range(20)]
    expected = [(time - 0.4, data) for time, data in packets(source) if 0.4 <= time < 1.2]
    got = packets(tmp_path / "o.mp4")
    assert [data for _, data in got] == [data for _, data in expected]
    assert np.allclose([time for time, _ in got], [time for time, _ in expected], atol=1e-6)


def test_frames_that_do_not_fit_together_are_refused(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    picture = np.zeros((64, 96, 3), np.uint8)
    base = info.time_base
    wrong = [
        TimedFrame(picture, 0, base),
        TimedFrame(np.zeros((64, 98, 3), np.uint8), 9, base),
        TimedFrame(np.zeros((64, 96, 4), np.uint8), 9, base),
    ]
    for frame in wrong:
        output = open_output(tmp_path / "o.mp4", info)
        with pytest.raises(ValueError, match=r"a frame is|frame 1 is"), output.segment(0) as writer:
            writer.write(TimedFrame(picture, 0, base))
            writer.write(frame)


def test_a_frame_may_have_another_size_than_the_source(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    with open_writer(tmp_path / "wide.mp4", info) as writer:
        writer.write(TimedFrame(np.full((64, 192, 3), 90, np.uint8), 0, info.time_base))
    assert (probe(tmp_path / "wide.mp4").width, probe(tmp_path / "wide.mp4").height) == (192, 64)


def test_a_live_source_has_nothing_to_copy_and_begins_at_zero(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac", pts=VARIABLE_PTS)
    info = replace(probe(source), live=True)
    output = open_output(tmp_path / "o.mp4", info)
    fill(output, read(source))
    output.finish(3)
    written = read(tmp_path / "o.mp4")
    assert not probe(tmp_path / "o.mp4").has_audio
    assert [frame.pts for frame in written] == [pts - VARIABLE_PTS[0] for pts in VARIABLE_PTS]


def test_foreign_files_where_segments_go_are_not_touched(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    (tmp_path / "o.mp4.part").mkdir()
    (tmp_path / "o.mp4.part" / "diary.txt").touch()
    with pytest.raises(OutputError, match=r"holds diary\.txt"):
        open_output(tmp_path / "o.mp4", info)
    assert names(tmp_path / "o.mp4.part") == ["diary.txt"]


def test_records_are_readable_json(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    output = open_output(tmp_path / "o.mp4", probe(source), fingerprint=JOB)
    fill(output, read(source), [0])
    part = tmp_path / "o.mp4.part"
    record = json.loads((part / "00000.json").read_text())
    assert record["pts"] == VARIABLE_PTS[:11] and record["whole"] is True
    assert record["bytes"] == (part / "00000.mkv").stat().st_size
    assert json.loads((part / "manifest.json").read_text())["job"]["fingerprint"] == JOB
    check_target(tmp_path / "o.mp4", source)


@pytest.mark.parametrize("name", ["clip.mp4", "clip"])
def test_a_playable_part_takes_nobody_elses_name(make_video, tmp_path, name):
    source = make_video("clip.partial.mp4", audio="aac")
    info, frames, before = probe(source), read(source), source.read_bytes()
    taken = tmp_path / f"clip.partial{Path(name).suffix}"
    if taken != source:
        taken.write_text("mine")
    output = open_output(tmp_path / name, info, fingerprint=JOB)
    fill(output, frames, [0])
    kept = output.salvage()
    assert kept is not None and kept.path.name == f"clip.partial-2{Path(name).suffix}"
    again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
    fill(again, frames, [1])
    longer = again.salvage()
    assert longer is not None and (longer.path, longer.frames) == (kept.path, 22)
    fill(again, frames, [2])
    again.finish(3)
    assert source.read_bytes() == before
    assert names(tmp_path) == sorted({source.name, taken.name, name})


@pytest.mark.parametrize("changed", [{"fingerprint": {"other": 1}}, {"resume": False}])
def test_the_playable_part_of_a_job_goes_with_the_next_that_starts_afresh(
    make_video, tmp_path, changed
):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, frames = probe(source), read(source)
    first = open_output(target, info, fingerprint=JOB)
    fill(first, frames, [0])
    assert first.salvage() is not None
    first.release()
    options = {"fingerprint": JOB, "resume": True, **changed}
    again = open_output(target, info, **options)
    assert again.complete == ()
    fill(again, frames)
    again.finish(3)
    assert names(tmp_path) == ["in.mp4", "o.mp4"]


def test_a_playable_part_that_is_read_now_stays(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames, target = probe(source), read(source), tmp_path / "o.mp4"
    first = open_output(target, info, fingerprint=JOB)
    fill(first, frames, [0])
    part = tmp_path / "o.partial.mp4"
    assert first.salvage() is not None and part.exists()
    content = part.read_bytes()
    again = open_output(target, info, resume=True, fingerprint=JOB, reads={"masks": part})
    fill(again, frames, [1])
    kept = again.salvage()
    assert kept is not None and kept.path.name == "o.partial-2.mp4"
    fill(again, frames, [2])
    again.finish(3)
    assert part.read_bytes() == content
    assert names(tmp_path) == ["in.mp4", "o.mp4", "o.partial.mp4"]


SECOND = """
import sys
from outtake.video import open_clip, open_output
source, target = sys.argv[1:]
with open_clip(source) as clip:
    output = open_output(target, clip.info, fingerprint={"a": 1})
    with output.segment(0) as first, output.segment(1) as second:
        for index, frame in enumerate(clip):
            (first if index < 11 else second).write(frame)
            if index == 10:
                first.__exit__(None, None, None)
            if index == 15:
                print("writing", flush=True)
                sys.stdin.read()
"""


def test_another_process_keeps_its_output_until_it_ends(make_video, tmp_path):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, part = probe(source), tmp_path / "o.mp4.part"
    other = subprocess.Popen(
        [sys.executable, "-c", SECOND, str(source), str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None and other.stdout.readline() == "writing\n"
        there = names(part)
        assert any(".tmp-" in name for name in there)
        for resume in (True, False):
            with pytest.raises(OutputError, match=r"another process is writing to .*o\.mp4;"):
                open_output(target, info, resume=resume, fingerprint={"a": 1})
        assert names(part) == there
    finally:
        other.kill()
        other.communicate()
    again = open_output(target, info, resume=True, fingerprint={"a": 1})
    assert again.complete == (0,)
    assert not any(".tmp-" in name for name in names(part))


def test_an_output_is_held_until_it_is_let_go(make_video, tmp_path):
    info, part = probe(make_video("in.mp4")), tmp_path / "o.mp4.part"
    first = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    copied = pickle.loads(pickle.dumps(first))
    second = open_output(tmp_path / "o.mp4", info, resume=True, fingerprint=JOB)
    first.release()
    copied.release()
    assert is_locked(part)
    second.release()
    assert not is_locked(part)
    second.release()
    third = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    assert is_locked(part)
    del third
    assert not is_locked(part)


def test_without_locks_on_a_file_system_work_goes_on(make_video, tmp_path, monkeypatch):
    def unknown(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    monkeypatch.setattr(fcntl, "lockf", unknown)
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(output, read(source))
    assert output.finish(3) == 30
    assert names(tmp_path) == ["in.mp4", "o.mp4"]


@contextmanager
def killed_at(operation: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let nothing more happen on the disk after so many renames and deletions."""
    done = [0]

    def counted(act):
        def acts(*args, **kwargs):
            if done[0] >= operation:
                raise KeyboardInterrupt
            done[0] += 1
            return act(*args, **kwargs)

        return acts

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "rmdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield done


def test_after_a_kill_two_outputs_are_both_there_or_both_go_on(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4", size=(48, 32))
    info, frames = probe(source), read(source)
    targets = ("o.mp4", "o.confidence.mp4")

    def both(folder: Path) -> list[Output]:
        for name in targets:
            check_target(folder / name, source, resume=True)
        return [open_output(folder / name, info, resume=True, fingerprint=JOB) for name in targets]

    (tmp_path / "ready").mkdir()
    for output in both(tmp_path / "ready"):
        fill(output, frames)
    outcomes = []
    for operation in range(200):
        folder = tmp_path / str(operation)
        shutil.copytree(tmp_path / "ready", folder)
        outputs = both(folder)
        with killed_at(operation, monkeypatch) as done:
            try:
                finish_all(outputs, 3)
            except KeyboardInterrupt:
                pass
            else:
                break
        assert done == [operation]
        for output in outputs:
            output.release()
        try:
            assert finish_all(both(folder), 3) == 30
            outcomes.append("went on")
        except OutputError as error:
            assert "o.mp4 exists; set overwrite=true" in str(error)
            outcomes.append("was there")
        assert names(folder) == sorted(targets)
        assert all(len(read(folder / name)) == 30 for name in targets)
    else:
        pytest.fail("it never came to its end")
    assert names(folder) == sorted(targets)
    assert outcomes == sorted(outcomes, reverse=True) and len(set(outcomes)) == 2


def test_where_one_output_can_not_be_finished_none_appears(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames = probe(source), read(source)
    outputs = [open_output(tmp_path / name, info) for name in ("a.mp4", "b.mp4")]
    for output in outputs:
        fill(output, frames)
    data = tmp_path / "b.mp4.part" / "00001.mkv"
    content = data.read_bytes()
    data.write_bytes(b"no film")
    with pytest.raises(OutputError, match=r"can not write .*b\.mp4"):
        finish_all(outputs, 3)
    assert names(tmp_path) == ["a.mp4.part", "b.mp4.part", "in.mp4"]
    assert not list(tmp_path.glob("*.part/joined*"))
    data.write_bytes(content)
    assert finish_all(outputs, 3) == 30


def test_another_job_does_not_replace_what_a_killed_one_had_finished(
    make_video, tmp_path, monkeypatch
):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, frames = probe(source), read(source)
    output = open_output(target, info, fingerprint=JOB)
    fill(output, frames)
    with killed_at(2, monkeypatch), pytest.raises(KeyboardInterrupt):
        output.finish(3)
    assert target.exists()
    with pytest.raises(OutputError, match="exists; set overwrite=true"):
        open_output(target, info, resume=True, fingerprint={"config": 2})
    assert open_output(target, info, resume=True, fingerprint=JOB).finish(3) == 30


def test_the_size_of_segments_is_known_without_looking(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4")
    info, frames = probe(source), read(source)
    for name in ("o.mp4", "frames"):
        folder = tmp_path / f"{name}.part"
        fill(open_output(tmp_path / name, info, fingerprint=JOB), frames, [0, 2])
        again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
        fill(again, frames, [1, 2])  # one of them for the second time
        files = folder.glob("*.mkv") if Path(name).suffix else folder.glob("*/*.png")
        size = sum(file.stat().st_size for file in files)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", None)
            patch.setattr(os, "scandir", None)
            assert again._folder.used_bytes() == size > 0


def test_a_whole_segment_is_counted_by_reading_it_once(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    fill(pickle.loads(pickle.dumps(output)), read(source), [0, 2])
    assert [output.frames(index) for index in range(3)] == [11, 0, 8]
    fill(pickle.loads(pickle.dumps(output)), read(source), [1])
    assert output.frames(1) == 11
    monkeypatch.setattr(SegmentFolder, "record", None)
    assert [output.frames(index) for index in range(3)] == [11, 11, 8]


def test_an_output_without_segments_is_discarded_without_a_trace(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    output = open_output(tmp_path / "o.mp4", info)
    assert not output.has_segments()
    output.discard()
    assert names(tmp_path) == ["in.mp4"]
    output.discard()
    output.release()
    assert not output.has_segments()
    open_output(tmp_path / "o.mp4", info).discard()


def test_a_file_where_segments_go_is_not_touched(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    (tmp_path / "o.mp4.part").write_text("half a download")
    with pytest.raises(OutputError, match=r"o\.mp4\.part is where segments go, but is a file"):
        open_output(tmp_path / "o.mp4", info)
    assert (tmp_path / "o.mp4.part").read_text() == "half a download"
