"""Frames that are counted are those that are read."""

from fractions import Fraction

import av
import numpy as np
import pytest

from outtake.video.read.clip import open_clip
from outtake.video.read.count_frames import count_frames, decode_times, frame_times


def write_clip(path, codec="libx264", times=range(9), rate=25, **options):
    """Write frames that are shown at multiples of ``1 / rate``, each of another grey."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"bf": "2", **options})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.gop_size = 12
        stream.codec_context.time_base = Fraction(1, rate)
        for number, time in enumerate(times):
            picture = np.full((32, 32, 3), 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cut_bytes(path, target):
    """Keep the last two thirds of a transport stream, as a recording that begins anywhere."""
    packets = path.read_bytes()
    target.write_bytes(packets[188 * (len(packets) // 188 // 3) :])


def copy_from_second_group(path, target):
    """Copy the packets from the second key frame on, as cutters without encoding do."""
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        stream = source.streams.video[0]
        made, groups, begin = copy.add_stream_from_template(stream), 0, None
        for packet in source.demux(stream):
            if packet.dts is None:
                continue
            groups += packet.is_keyframe
            if groups < 2:
                continue
            begin = packet.dts if begin is None else begin
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, made
            copy.mux(packet)


def test_frames_are_counted_and_timed_without_decoding(tmp_path):
    path = tmp_path / "clip.mp4"
    write_clip(path)
    assert count_frames(path) == 9
    assert frame_times(path) == [Fraction(number, 25) for number in range(9)]
    # No further than a time: none up to it is missing, and the end is not read.
    some = frame_times(path, until_s=Fraction(2, 25))
    assert some[:3] == [Fraction(number, 25) for number in range(3)] and len(some) < 9


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize(
    ("cut", "suffix"),
    [(cut_bytes, ".ts"), (copy_from_second_group, ".ts"), (copy_from_second_group, ".mkv")],
)
def test_what_cannot_be_decoded_at_the_beginning_is_no_frame(tmp_path, codec, cut, suffix):
    whole, path = tmp_path / "whole.ts", tmp_path / f"cut{suffix}"
    open_group = (
        {"x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
        if codec == "libx264"
        else {"flags": "-cgop"}
    )
    write_clip(whole, codec, range(60), **open_group)
    cut(whole, path)
    with av.open(str(path)) as container:
        packets = sum(bool(packet.size) for packet in container.demux(video=0))
    with open_clip(path) as clip:
        shown = [frame.pts * frame.time_base for frame in clip]
    assert 30 < len(shown) < packets
    assert count_frames(path) == len(shown)
    assert frame_times(path) == [each - shown[0] for each in shown]


def write_without_first_packet(path, target):
    """Write a program stream of noise that moves, and a copy that begins at its second packet."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 12
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, 1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        made = copy.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number and packet.size:
                packet.stream = made
                copy.mux(packet)


def test_packets_of_one_time_do_not_tell_when_frames_are_shown(tmp_path):
    whole, cut = tmp_path / "whole.mpg", tmp_path / "cut.mpg"
    write_without_first_packet(whole, cut)
    assert frame_times(whole) == [Fraction(number, 25) for number in range(60)]
    assert frame_times(cut) is None
    with open_clip(cut) as clip:
        times = list(decode_times(clip))
    assert len(times) == count_frames(cut) and times == sorted(set(times))


def test_frames_that_are_not_packets_are_timed_by_decoding(tmp_path):
    path, times = tmp_path / "uneven.webm", [0, 40, 60, 500, 900, 940]
    write_clip(path, "libvpx-vp9", times, 1000)
    assert frame_times(path) is None and count_frames(path) is None
    wanted = [Fraction(each, 1000) for each in times]
    with open_clip(path) as clip:
        assert list(decode_times(clip)) == wanted
        # The first after the time tells that there are more.
        assert list(decode_times(clip, Fraction(1, 10))) == wanted[:4]
