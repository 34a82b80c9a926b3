"""Where a file keeps one time for a frame, that of decoding, when it is shown has to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from outtake.core.errors import VideoError
from outtake.core.types import TimedFrame
from outtake.removal.background_media import open_background
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe, probe_with_start
from outtake.video.read.timestamps import PresentationTimes, TimestampTracker
from tests.video.corpus import encode_clip, remux_tracks

LEVELS = [min(10 + 10 * index, 240) for index in range(24)]
ORDERS = {
    "none": {"bf": "0"},
    "one": {"bf": "1", "x264-params": "b-adapt=0:scenecut=0"},
    "pyramid": {"bf": "3", "x264-params": "b-adapt=0:scenecut=0:b-pyramid=normal:keyint=12"},
    "default": {},
}


def greys(path: Path, options: dict[str, str], skip: int = 0) -> Path:
    """Write frames of rising brightness, 25 in a second, without their first packets."""
    base = Fraction(1, 1000) if path.suffix == ".asf" else Fraction(1, 25)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "5", **options})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = base
        packets = []
        for index, level in enumerate(LEVELS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8))
            frame.pts, frame.time_base = round(index / 25 / base), base
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets[skip:]:
            out.mux(packet)
    return path


def read(path: Path, **selection: object) -> list[TimedFrame]:
    with open_clip(path, **selection) as clip:
        return list(clip)


def times_s(frames: list[TimedFrame]) -> list[float]:
    return [float(frame.pts * frame.time_base) for frame in frames]


def levels(frames: list[TimedFrame]) -> np.ndarray:
    return np.array([frame.image.mean() for frame in frames])


@pytest.mark.parametrize("suffix", [".avi", ".asf"])
@pytest.mark.parametrize("order", ORDERS)
def test_frames_are_shown_one_after_the_other(tmp_path, caplog, suffix, order):
    path = greys(tmp_path / f"clip{suffix}", ORDERS[order])
    frames = read(path)
    assert np.allclose(times_s(frames), np.arange(24) / 25)
    assert np.allclose(levels(frames), LEVELS, atol=3)
    assert not caplog.text


@pytest.mark.parametrize("suffix", [".avi", ".asf"])
def test_a_part_is_counted_from_the_first_frame(tmp_path, suffix):
    path = greys(tmp_path / f"clip{suffix}", ORDERS["pyramid"])
    frames = read(path, start=0.2, end=0.6)
    assert np.allclose(times_s(frames), np.arange(5, 15) / 25)
    assert np.allclose(levels(frames), LEVELS[5:15], atol=3)


def test_what_cannot_be_decoded_at_the_beginning_moves_nothing(tmp_path):
    """The first key frame is gone, and with it all that refer to it."""
    path = greys(tmp_path / "cut.avi", {"bf": "0", "x264-params": "keyint=8:scenecut=0"}, skip=3)
    frames = read(path)
    assert np.allclose(levels(frames), LEVELS[8:], atol=3)
    assert np.allclose(times_s(frames), np.arange(8, 24) / 25)


def cut_out(path: Path, number: int) -> None:
    """Overwrite a packet of an AVI file with filler data, which a decoder passes over."""
    data = bytearray(path.read_bytes())
    place, count = data.index(b"movi") + 4, 0
    while data[place : place + 4] == b"00dc":
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if count == number:
            data[place + 8 : place + 8 + size] = b"\0\0\1\x0c".ljust(size - 1, b"\xff") + b"\x80"
        place, count = place + 8 + size + size % 2, count + 1
    path.write_bytes(data)


@pytest.mark.parametrize(("order", "number"), [("one", 2), ("pyramid", 3), ("pyramid", 23)])
def test_a_lost_frame_is_reported(tmp_path, order, number):
    path = greys(tmp_path / "clip.avi", ORDERS[order])
    cut_out(path, number)
    with pytest.raises(VideoError, match="damaged"):
        read(path)


def fed(times: PresentationTimes, clock: TimestampTracker, dts: int) -> None:
    packet = av.Packet(b"x")
    packet.pts, packet.dts = dts + 1, dts
    times.add_packet(packet)
    clock.expect_frame(packet)


def ticked(clock: TimestampTracker, pts: int) -> int:
    frame = av.VideoFrame(64, 48)
    frame.pts = pts
    return clock.add_frame(frame, clock.time_of_frame(frame))


@pytest.fixture
def made_clock(tmp_path: Path) -> Callable[[], tuple[PresentationTimes, TimestampTracker]]:
    path = greys(tmp_path / "clip.avi", ORDERS["pyramid"])

    def make() -> tuple[PresentationTimes, TimestampTracker]:
        info, first_s = probe_with_start(path)
        with av.open(str(path)) as container:
            times = PresentationTimes(container, container.streams.video[0])
        return times, TimestampTracker(info, first_s, times)

    return make


def test_a_gap_stays_where_it_was(made_clock):
    """A frame that was dropped in recording is held, and no time is made up for it."""
    times, clock = made_clock()
    for dts in (0, 1, 2, 6, 7):
        fed(times, clock, dts)
    assert [ticked(clock, pts) for pts in (1, 3, 2, 8, 7)] == [0, 1, 2, 6, 7]
    clock.check_complete()


def test_a_frame_that_the_decoder_left_out_is_counted(made_clock):
    times, clock = made_clock()
    for dts in range(60):
        fed(times, clock, dts)
    shown = [1, 4, 3, 2, *range(6, 61)]  # the one with 5 is missing
    for pts in shown[:4]:
        ticked(clock, pts)
    clock.check_complete(before=6)  # it may yet come
    for pts in shown[4:]:
        ticked(clock, pts)
    for before in (None, 59):
        with pytest.raises(VideoError, match="1 frames could not be decoded"):
            clock.check_complete(before)


def test_times_that_start_again_are_still_reported(made_clock):
    times, clock = made_clock()
    for dts in (0, 1, 2, 3, 0, 1):
        fed(times, clock, dts)
    for pts in (1, 3, 2, 4):
        ticked(clock, pts)
    with pytest.raises(VideoError, match="jumps back in time"):
        ticked(clock, 1)


def test_messages_count_from_the_first_frame(made_clock):
    _, clock = made_clock()
    late = TimestampTracker(replace(probe(clock.path), origin_s=Fraction(50)), Fraction(50))
    for pts in (1250, 1251, 1252):
        late.add_frame(av.VideoFrame(64, 48), pts)
    assert late.time_s == pytest.approx(0.12)
    with pytest.raises(VideoError, match=r"jumps back in time, from 0\.120 to -48\.000 s"):
        late.add_frame(av.VideoFrame(64, 48), 50)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv"])
@pytest.mark.parametrize("order", ["one", "pyramid", "default"])
def test_frames_that_have_only_times_of_decoding_are_shown_in_their_order(tmp_path, suffix, order):
    """As in MP4 made of AVI by copying: what is shown later seemed to jump back in time."""
    source = greys(tmp_path / "source.mp4", ORDERS[order])
    path = tmp_path / f"clip{suffix}"
    remux_tracks(source, path, Fraction(2, 25), decoding_times=True)
    frames = read(path)
    assert np.allclose(np.diff(times_s(frames)), 1 / 25, atol=0.0011)
    assert np.allclose(levels(frames), LEVELS, atol=3)


def late_reordering(path: Path, options: dict[str, str], *, lead: int = 0) -> list[float]:
    """Write a film that from a frame on has no B-frames for a while, as where it is all noise.

    Returns:
        The brightness of its frames, as FFmpeg shows them.
    """
    options = {"x264-params": "scenecut=0:b-adapt=0:keyint=400"} | options
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(lead + 170):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + index % 170, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            if lead <= index < lead + 90:
                frame.pict_type = PictureType.I if index == lead else PictureType.P
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as film:
        times = [packet.pts for packet in film.demux(video=0) if packet.size]
        head = times[lead : lead + 64]
        assert head == sorted(head) and times != sorted(times), "the film is not as it should be"
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24").mean() for frame in film.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".flv"])
@pytest.mark.parametrize("options", [{}, {"bf": "1"}], ids=["default", "one"])
def test_a_film_that_is_reordered_only_later_keeps_its_own_times(tmp_path, suffix, options):
    path = tmp_path / f"late{suffix}"
    shown = late_reordering(path, options)
    frames = read(path)
    assert np.allclose(times_s(frames), np.arange(170) / 25, atol=0.0011)
    assert np.allclose(levels(frames), shown, atol=3)


@pytest.mark.parametrize("options", [{}, {"bf": "1"}], ids=["default", "one"])
def test_so_does_a_part_that_is_reached_by_seeking(tmp_path, options):
    """The key frame that is sought is 5 s before it, and begins such a stretch."""
    path = tmp_path / "late.mp4"
    shown = late_reordering(path, options, lead=375)
    frames = read(path, start=20.04)
    assert np.allclose(times_s(frames), np.arange(501, 545) / 25, atol=0.0011)
    assert np.allclose(levels(frames), shown[501:], atol=3)


def test_frames_before_zero_are_as_far_apart_as_those_after(tmp_path):
    """The first packets that are looked at end in the middle of a reordered group."""
    source, path = tmp_path / "source.mp4", tmp_path / "clip.mkv"
    steps = [512 * index for index in range(90)]
    options = {"bf": "4", "x264-params": "b-adapt=0:scenecut=0:b-pyramid=none"}
    encode_clip(source, frames=90, pts=steps, options=options)
    remux_tracks(source, path, -0.4)
    assert np.allclose(times_s(read(path)), np.arange(90) / 25, atol=0.0011)


@pytest.mark.parametrize("shift", [-0.04, -0.2, -0.52])
def test_frames_before_zero_in_matroska_come_before_the_others(tmp_path, shift):
    source = greys(tmp_path / "source.mp4", ORDERS["pyramid"])
    path = tmp_path / "clip.mkv"
    remux_tracks(source, path, shift)
    frames = read(path)
    assert np.allclose(times_s(frames), np.arange(24) / 25, atol=0.0011)
    assert np.allclose(levels(frames), LEVELS, atol=3)
    assert float(probe(path).origin_s) == pytest.approx(shift)
    part = read(path, start=0.2)
    assert np.allclose(levels(part), LEVELS[5:], atol=3)


@pytest.mark.parametrize("suffix", [".avi", ".asf"])
def test_a_backdrop_shows_its_frames_in_order(tmp_path, suffix):
    behind = open_background(greys(tmp_path / f"behind{suffix}", ORDERS["pyramid"]), loop=False)
    shown = [behind.picture_at(Fraction(index, 25)).mean() for index in range(24)]
    behind.close()
    assert np.allclose(shown, LEVELS, atol=4)
