"""Segments into one file: times, length, and what lies beside the picture."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from outtake.core.types import TimedFrame
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from outtake.video.write import video_encoder
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.open_output import open_output
from outtake.video.write.video_writer import open_writer
from tests.tiers import keep_few
from tests.video.segmenting import (
    CODECS,
    VARIABLE_PTS,
    file_names,
    read_frames,
    read_packets,
    write_segments,
)


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_joined_segments_hold_every_frame_at_its_time(make_video, tmp_path, name, codec):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    info, frames = probe(source), read_frames(source)
    output = open_output(tmp_path / name, info, EncodingRequest(codec=codec, preset="medium"))
    write_segments(output, frames)
    assert output.finish(3) == 30
    written = read_frames(tmp_path / name)
    tolerance = 0 if Path(name).suffix in (".mp4", ".mov") else 0.0005
    assert len(written) == 30
    times = [[float(f.pts * f.time_base) for f in each] for each in (frames, written)]
    moved = [round(after - before, 8) for before, after in zip(*times, strict=True)]
    assert max(map(abs, moved)) <= tolerance, f"all: {moved}, from {[f.pts for f in frames]}"
    for before, after in zip(frames, written, strict=True):
        assert np.abs(before.image.astype(int) - after.image).mean() < 9
    assert file_names(tmp_path) == sorted(["in.mp4", name])


STARTS = {
    "variable": VARIABLE_PTS,
    "soon": [300 + 512 * index for index in range(30)],
    "late": [4000 + 512 * index for index in range(30)],
    "barely": [1, *range(101, 101 + 29 * 512, 512)],
    "at once": [512 * index for index in range(30)],
    "crowded": [300, 301, 303, *range(600, 600 + 27 * 512, 512)],
}


ORDERS = list(product([(1,), (1, 5), (3, 7)], ["h264", "h265"], STARTS))
FEW = [((1,), "h265", "variable"), ((1, 5), "h264", "crowded"), ((3, 7), "h264", "late")]


@pytest.mark.parametrize(("ahead", "codec", "start"), keep_few(ORDERS, FEW), ids=str)
def test_whichever_frames_an_encoder_stores_first_all_keep_their_times(
    make_video, tmp_path, monkeypatch, ahead, codec, start
):
    source = make_video("in.mp4", "mpeg4", pts=STARTS[start])
    info = probe(source)
    # As of a clip whose sound begins before its picture.
    frames = [replace(frame, pts=frame.pts + STARTS[start][0]) for frame in read_frames(source)]
    convert, calls = video_encoder.make_encoder_frame, []

    def forced(*given, **options):
        made = convert(*given, **options)
        if len(calls) in ahead:  # what is no B-frame is stored before those that are shown earlier
            made.pict_type = PictureType.P
        calls.append(0)
        return made

    output = open_output(tmp_path / "out.mov", info, EncodingRequest(codec=codec, preset="medium"))
    monkeypatch.setattr(video_encoder, "make_encoder_frame", forced)
    write_segments(output, frames)
    output.finish(3)
    with av.open(str(tmp_path / "out.mov")) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert ahead[0] != 1 or stored[1] == sorted(stored)[1], "not what was forced"
    with av.open(str(tmp_path / "out.mov")) as container:
        written = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert [frame.pts * frame.time_base for frame in frames] == written


def test_decoding_times_rise_and_never_come_after_showing(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS)
    output = open_output(tmp_path / "o.mp4", probe(source), EncodingRequest(preset="medium"))
    write_segments(output, read_frames(source))
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
    write_segments(output, read_frames(source))
    output.finish(3)
    before, after = probe(source), probe(tmp_path / "o.mp4")
    assert read_packets(tmp_path / "o.mp4") == read_packets(source)
    assert after.rotation == 0 and (after.width, after.height) == (64, 96)
    assert after.sample_aspect_ratio == before.sample_aspect_ratio == Fraction(3, 4)
    assert after.colour.matrix == 5
    assert after.metadata["title"] == "A walk"


def test_the_rate_of_the_source_is_kept(make_video, tmp_path):
    source = make_video("in.mp4")
    for name in ("o.mp4", "o.mkv"):
        output = open_output(tmp_path / name, probe(source))
        write_segments(output, read_frames(source))
        output.finish(3)
        assert probe(tmp_path / name).fps == 25


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o"])
def test_a_last_frame_that_is_held_is_part_of_the_length(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac", frames=30)
    frames = read_frames(source)[:11]
    frames[-1] = replace(frames[-1], last_frame_duration=5120)
    output = open_output(tmp_path / name, probe(source))
    write_segments(output, frames, [0])
    kept = output.salvage()
    assert kept is not None and round(kept.seconds, 3) == 0.8
    if name != "o":
        assert 0.75 < read_packets(kept.path)[-1][0] < 0.8, "its sound goes on as long"


@pytest.mark.parametrize("variable", [False, True])
def test_a_track_that_is_stored_in_another_order_is_as_long_as_it_is_shown(
    make_video, tmp_path, variable
):
    source = make_video("in.mp4", frames=11, pts=VARIABLE_PTS[:11] if variable else None)
    frames = read_frames(source)
    frames[-1] = replace(frames[-1], last_frame_duration=25600)
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(output, frames, [0])
    output.finish(1)
    with av.open(str(tmp_path / "o.mp4")) as made:
        shown = made.streams.video[0]
        assert shown.codec_context.has_b_frames
        assert shown.duration == pytest.approx(frames[-1].pts + 25600 - frames[0].pts, abs=2)


def test_a_selected_part_begins_at_zero_with_its_own_sound(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac", frames=50)
    info = replace(probe(source), start_s=0.4, end_s=1.2)
    frames = read_frames(source)[10:30]
    output = open_output(tmp_path / "o.mp4", info)
    for index in range(2):
        with output.open_segment(index) as writer:
            for frame in frames[index * 10 : index * 10 + 10]:
                writer.write(frame)
    output.finish(2)
    written = read_frames(tmp_path / "o.mp4")
    times = [frame.pts * frame.time_base for frame in written]
    assert times == [Fraction(number, 25) for number in range(20)]
    expected = [(time - 0.4, data) for time, data in read_packets(source) if 0.4 <= time < 1.2]
    got = read_packets(tmp_path / "o.mp4")
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
        with (
            pytest.raises(ValueError, match=r"a frame is|frame 1 is"),
            output.open_segment(0) as writer,
        ):
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
    write_segments(output, read_frames(source))
    output.finish(3)
    written = read_frames(tmp_path / "o.mp4")
    assert not probe(tmp_path / "o.mp4").has_audio
    assert [frame.pts for frame in written] == [pts - VARIABLE_PTS[0] for pts in VARIABLE_PTS]


@pytest.mark.parametrize("name", ["o.mov", "o.mp4", "o.mkv"])
@pytest.mark.parametrize("start", [None, 0.4])
def test_the_timecode_is_that_of_the_first_frame(make_video, tmp_path, caplog, name, start):
    def setup(output, stream):
        stream.metadata["timecode"] = "10:20:30:20"

    source = make_video("in.mov", setup=setup)
    clip = open_clip(source, start=start)
    with clip, open_writer(tmp_path / name, clip.info) as writer:
        for frame in clip:
            writer.write(frame)
    expected = "10:20:30:20" if start is None else "10:20:31:05"
    assert clip.info.timecode == probe(tmp_path / name).timecode == expected
    with av.open(str(tmp_path / name)) as made:
        tracks = [stream for stream in made.streams if stream.type == "data"]
        assert len(tracks) == (0 if name == "o.mkv" else 1)
    assert not caplog.records, "the timecode track is said to be left out"
