import pickle
from itertools import islice

import av
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.video.write import unchanged_frames
from outtake.video.write.video_writer import open_writer
from tests.video.segmenting import VARIABLE_PTS, read_frames, read_packets
from tests.video.write.copied_clips import (
    CLOSED,
    FRAMES,
    GROUP,
    OPEN,
    SEGMENT,
    change_frames,
    copy_clip,
    open_copying,
    read_planes,
    read_times,
    same_frames,
    write_segment,
)


def frames_of_groups(*groups: int) -> list[int]:
    return [number for group in groups for number in range(group * GROUP, (group + 1) * GROUP)]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.mov"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.mov", "in.ts"])
def test_closed_groups_without_a_change_are_the_sources_own_packets(
    make_video, tmp_path, source, target
):
    path = make_video(source, audio="aac", options=CLOSED)
    output = copy_clip(tmp_path / target, path, changed=(6, 23))
    assert same_frames(path, output.path) == frames_of_groups(0, 2, 4)
    assert output.copied_frames == 18
    assert read_times(output.path) == pytest.approx(read_times(path), abs=0.0011)
    if source != "in.ts":  # there units lie behind start codes
        own = {packet for _, packet in read_packets(path, "video")}
        assert sum(packet in own for _, packet in read_packets(output.path, "video")) == 18


def test_frames_that_are_encoded_are_as_good_as_without_copies(make_video, tmp_path):
    source, changed = make_video("in.mp4", options=CLOSED), range(8, 14)
    wanted = change_frames(read_frames(source), changed)
    errors = {}
    for asked in ("auto", "never"):
        made = copy_clip(tmp_path / f"{asked}.mp4", source, changed, copy_unchanged=asked)
        assert made.copied_frames == (18 if asked == "auto" else 0)
        pairs = list(zip(read_frames(made.path), wanted, strict=True))
        assert all(frame.pts == true.pts for frame, true in pairs)
        errors[asked] = np.mean([
            np.abs(frame.image.astype(float) - true.image).mean() for frame, true in pairs[6:18]
        ])  # fmt: skip
    assert errors["auto"] < 1.1 * errors["never"]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_each_key_frame_is_a_place_to_begin(make_video, tmp_path, target):
    output = copy_clip(tmp_path / target, make_video("in.mp4", options=CLOSED), changed=(8, 20))
    planes = read_planes(output.path)
    with av.open(str(output.path)) as container:
        stream = container.streams.video[0]
        shown = sorted(packet.pts for packet in container.demux(stream) if packet.size)
        container.seek(0, stream=stream)
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
        assert len(keys) >= 5
        for key in keys:
            container.seek(key, stream=stream)
            for frame in islice(container.decode(stream), 8):
                assert np.array_equal(frame.to_ndarray(), planes[shown.index(frame.pts)])


def test_open_groups_are_not_copied(make_video, tmp_path):
    source = make_video("in.mp4", options=OPEN)
    output = copy_clip(tmp_path / "out.mp4", source, changed=(20,))
    assert (output.copied_frames, same_frames(source, output.path)) == (0, [])
    # All of them together are closed.
    assert copy_clip(tmp_path / "whole.mp4", source).copied_frames == FRAMES


@pytest.mark.parametrize("changed", [11, 6, 8])
def test_one_changed_frame_keeps_its_group_from_being_copied(make_video, tmp_path, changed):
    source = make_video("in.mp4", options=CLOSED)
    output = copy_clip(tmp_path / "out.mp4", source, changed=(changed,))
    assert same_frames(source, output.path) == frames_of_groups(0, 2, 3, 4)


def test_variable_times_stay_exact(make_video, tmp_path):
    source = make_video("in.mp4", pts=VARIABLE_PTS, options=CLOSED)
    output = copy_clip(tmp_path / "out.mp4", source, changed=(1, 29))
    assert same_frames(source, output.path) == frames_of_groups(1, 2, 3)
    assert read_times(output.path) == read_times(source)


@pytest.mark.parametrize(
    ("read", "groups"),
    [({"start": 0.3}, (2, 3, 4)), ({"end": 0.9}, (0, 1, 2)), ({"every": 2}, ())],
)
def test_a_group_of_which_frames_are_left_out_is_encoded(make_video, tmp_path, read, groups):
    source = make_video("in.mp4", options=CLOSED)
    output = copy_clip(tmp_path / "out.mp4", source, read=read)
    assert output.copied_frames == len(frames_of_groups(*groups))
    planes, step = read_planes(source), read.get("every", 1)
    first = 8 if "start" in read else 0
    for number, frame in enumerate(read_planes(output.path)):
        own = planes[first + number * step]
        copied = first + number * step in frames_of_groups(*groups)
        assert np.array_equal(frame, own) == copied
        assert np.abs(frame.astype(float) - own).mean() < 4


def test_an_output_can_be_copied_from_again(make_video, tmp_path):
    source = make_video("in.mp4", options=CLOSED)
    first = copy_clip(tmp_path / "first.mp4", source, changed=(8,))
    again = copy_clip(tmp_path / "again.mkv", first.path, changed=(20,))
    assert again.copied_frames == FRAMES - GROUP
    assert same_frames(first.path, again.path) == frames_of_groups(0, 1, 2, 4)
    assert same_frames(source, again.path) == frames_of_groups(0, 2, 4)


def test_interrupted_and_made_in_any_order_by_any_process_it_is_the_same_file(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac", options=CLOSED)
    changed = (0, 13)
    straight = copy_clip(tmp_path / "straight.mp4", source, changed)
    job = {"resume": True, "fingerprint": {"input": "abc"}}
    first, frames = open_copying(tmp_path / "out.mp4", source, **job)
    frames = change_frames(frames, changed)
    write_segment(pickle.loads(pickle.dumps(first)), frames, 2)
    with pytest.raises(KeyboardInterrupt), first.open_segment(0) as writer:
        for frame in frames[:9]:
            writer.write(frame)
        raise KeyboardInterrupt
    part = first.salvage()
    assert part is not None and part.frames == 9
    assert len(read_planes(part.path)) == 9
    first.release()
    second, _ = open_copying(tmp_path / "out.mp4", source, **job)
    assert second.complete_segments == (2,)
    write_segment(second, frames, 1)
    write_segment(second, frames, 0)
    second.finish(3)
    assert second.copied_frames == straight.copied_frames == 18
    assert second.path.read_bytes() == straight.path.read_bytes()


def test_where_everything_changes_the_frames_are_those_of_never(make_video, tmp_path):
    source, changed = make_video("in.mp4", options=CLOSED), range(FRAMES)
    auto = copy_clip(tmp_path / "auto.mp4", source, changed)
    never = copy_clip(tmp_path / "never.mp4", source, changed, copy_unchanged="never")
    assert auto.copied_frames == 0
    assert same_frames(auto.path, never.path) == [*range(FRAMES)]


def test_never_and_a_writer_of_ones_own_encode_every_frame(make_video, tmp_path):
    source = make_video("in.mp4", options=CLOSED)
    never = copy_clip(tmp_path / "never.mp4", source, copy_unchanged="never")
    assert same_frames(source, never.path) == []
    frames = read_frames(source)
    with open_writer(tmp_path / "own.mp4", never.info) as writer:
        for frame in frames[:SEGMENT]:
            writer.write(frame)
    first = read_packets(tmp_path / "own.mp4", "video")
    assert [packet for _, packet in first] == [
        packet for _, packet in read_packets(never.path, "video")[:SEGMENT]
    ]


def test_what_does_not_fit_into_memory_is_encoded_and_still_copied(
    make_video, tmp_path, monkeypatch
):
    monkeypatch.setattr(unchanged_frames, "_MAX_WAITING_BYTES", 3 * 96 * 64)
    source = make_video("in.mp4", options=CLOSED)
    output = copy_clip(tmp_path / "out.mp4", source, changed=(17, 18))
    assert same_frames(source, output.path) == frames_of_groups(0, 1, 4)
    assert output.copied_frames == 18


def test_a_source_that_changed_meanwhile_is_an_error_and_no_other_picture(make_video, tmp_path):
    source = make_video("in.mp4", options=CLOSED)
    output, frames = open_copying(tmp_path / "out.mp4", source)
    for index in range(3):
        write_segment(output, frames, index)
    make_video("in.mp4", frames=20, options={"g": "5"})
    with pytest.raises(OutputError, match="changed while it was read"):
        output.finish(3)
    assert not output.path.exists()
    output.discard()
