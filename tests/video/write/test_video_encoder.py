import os
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.frames import fill_hole
from outtake.core.types import TimedFrame
from outtake.video.colour import plane_arrays
from outtake.video.read.clip import open_clip
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.video_encoder import VideoTrackEncoder
from outtake.video.write.video_writer import open_writer
from tests.video.moving_scene import BASE, decode, describe, shallow, write


def test_what_segments_hold_does_not_depend_on_the_number_of_cores(tmp_path):
    with av.open(str(tmp_path / "x.mkv"), "w") as container:
        info = describe(tmp_path)
        track = VideoTrackEncoder(
            container, choose_encoding(Path("o.mkv"), EncodingRequest()), info, 96, 64
        )
        assert track.stream.codec_context.thread_count == 4
        for packet in track.encode(shallow()[0], 0) + track.flush():
            container.mux(packet)


@pytest.mark.parametrize(("name", "suffix"), [("h264", ".mp4"), ("h265", ".mp4"), ("vp9", ".webm")])
def test_the_same_frames_give_the_same_bytes(name, suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 60, 3), np.uint8)
    wide = noise.repeat(6, 0).repeat(6, 1)
    clip = [TimedFrame(wide[:48, 3 * i : 3 * i + 64].copy(), 512 * i, BASE) for i in range(8)]
    info = describe(tmp_path, width=64, height=48)
    found = set()
    for number in range(20 if name == "h264" else 4):
        path = write(tmp_path / f"{number}{suffix}", info, clip, codec=name)
        with av.open(str(path)) as container:
            found.add(b"".join(bytes(packet) for packet in container.demux(video=0)))
    assert len(found) == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_av1_does_not_make_the_process_real_time(tmp_path: Path) -> None:
    info = describe(tmp_path)
    with open_writer(tmp_path / "out.mkv", info, EncodingRequest(codec="av1")) as writer:
        for frame in shallow():
            writer.write(frame)
        threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
        assert len(threads) > 3, "the encoder runs"
        policies = {os.sched_getscheduler(thread) for thread in threads}
    assert policies == {os.SCHED_OTHER}, "root may have other threads wait for ever"


@pytest.mark.parametrize("size", [(97, 63), (63, 64), (15, 11)])
def test_ffv1_takes_any_odd_size_of_subsampled_chroma(tmp_path, size):
    frames = shallow(*size)
    info = describe(tmp_path, width=size[0], height=size[1])
    path = write(tmp_path / "o.mkv", info, frames, codec="ffv1", chroma="420")
    assert [(frame.width, frame.height) for frame in decode(path)] == [size] * len(frames)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
def test_planes_outside_the_hole_are_those_of_the_source(make_video, tmp_path, pix_fmt):
    source = make_video("in.mkv", "mjpeg" if "j" in pix_fmt else "ffv1", pix_fmt=pix_fmt, frames=4)
    clip = open_clip(source)
    with (
        clip,
        open_writer(tmp_path / "out.mp4", clip.info, EncodingRequest(crf=0)) as writer,
    ):
        for frame in clip:
            image = frame.image.copy()
            hole = np.zeros(image.shape[:2], bool)
            hole[11:30, 20:45] = True
            image[hole] = 0
            writer.write(fill_hole(frame, image, hole))
    for before, after in zip(decode(source), decode(tmp_path / "out.mp4"), strict=True):
        for one, two in zip(plane_arrays(before), plane_arrays(after), strict=True):
            size = 2 if one.shape[1] < 96 else 1
            hole = np.zeros(one.shape, bool)
            hole[11 // size : -(-30 // size), 20 // size : -(-45 // size)] = True
            assert np.array_equal(one[~hole], two[~hole])
            assert not np.array_equal(one, two)
