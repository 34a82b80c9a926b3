import errno
import os
import pickle
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from outtake.core.errors import OutputError, VideoError
from outtake.core.types import TimedFrame
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.image_folder import ImageSegmentEncoder
from outtake.video.write.open_output import open_output
from outtake.video.write.segment_store import SegmentStore
from outtake.video.write.video_segment_encoder import VideoSegmentEncoder
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


def test_a_missing_segment_is_named_and_nothing_is_lost(make_video, tmp_path):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(output, read_frames(source), [0, 2])
    with pytest.raises(OutputError, match=r"1 of 3 segments are missing \(1\); .*job.resume=true"):
        output.finish(3)
    assert not (tmp_path / "o.mp4").exists()
    write_segments(output, read_frames(source), [1])
    assert output.finish(3) == 30


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


def test_a_part_of_a_image_folder_is_kept(make_video, tmp_path):
    source = make_video("in.mp4")
    frames = read_frames(source)
    output = open_output(tmp_path / "frames", probe(source))
    write_segments(output, frames, [0])
    interrupt_segment(output, 1, frames, 3)
    kept = output.salvage()
    assert kept is not None and kept.frames == 14
    for before, after in zip(frames[:14], read_frames(kept.path), strict=True):
        assert np.array_equal(before.image, after.image)


def test_a_part_that_cannot_be_named_takes_no_room(make_video, tmp_path, monkeypatch):
    def fill(*args: object) -> None:
        raise OutputError("no room")

    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(output, read_frames(source), [0])
    monkeypatch.setattr(SegmentStore, "save_partial_name", fill)
    assert output.salvage() is None and output.has_segments()
    assert not (tmp_path / "o.mp4.part" / "joined.mp4").exists()


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
    monkeypatch.setattr(ImageSegmentEncoder, "encode", full)
    with pytest.raises(OutputError, match=r"No space left on device$"):  # and nothing is kept
        write_segments(output, read_frames(source), [0])


def test_images_before_a_full_disk_are_kept(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4")
    output = open_output(tmp_path / "frames", probe(source))
    write = Path.write_bytes

    def fill(path: Path, data: bytes) -> int:
        if path.name == "00003.png":
            write(path, data[:50])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OutputError, match="No space left on device"):
        write_segments(output, read_frames(source), [0])
    kept = output.salvage()
    assert kept is not None and kept.frames == len(file_names(kept.path)) == 3


@pytest.mark.parametrize(
    ("name", "encoder"), [("o.mp4", VideoSegmentEncoder), ("frames", ImageSegmentEncoder)]
)
def test_ctrl_c_inside_of_an_encoder_keeps_what_was_encoded(
    make_video, tmp_path, monkeypatch, name, encoder
):
    source = make_video("in.mp4")
    output = open_output(tmp_path / name, probe(source))
    encode = encoder.encode

    def interrupt(self: VideoSegmentEncoder, frame: TimedFrame, pts: int) -> None:
        encode(self, frame, pts)
        if frame.pts == frames[6].pts:
            signal.raise_signal(signal.SIGINT)

    frames = read_frames(source)
    monkeypatch.setattr(encoder, "encode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_segments(output, frames, [0])
    kept = output.salvage()
    assert kept is not None and kept.frames == len(read_frames(kept.path)) == 7
