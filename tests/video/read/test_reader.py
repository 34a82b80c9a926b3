from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe

VARIABLE_PTS = np.cumsum(np.random.default_rng(1).integers(100, 2000, 30)).tolist()


def read(path: Path) -> list:
    with open_clip(path) as clip:
        return list(clip)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9))


def test_every_frame_comes_with_its_own_time(make_video, pictures):
    frames = read(make_video("clip.mp4", pts=VARIABLE_PTS))
    assert [frame.pts * frame.time_base for frame in frames] == [
        Fraction(pts - VARIABLE_PTS[0], 12800) for pts in VARIABLE_PTS
    ]
    for frame, picture in zip(frames, pictures(30, 96, 64), strict=True):
        assert psnr(frame.image, picture) > 25


def test_an_empty_packet_shows_the_last_frame_on(tmp_path):
    """Ogg and NUT say so; a decoder would take it for the end, and refuse what follows."""
    path = tmp_path / "held.nut"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in (0, 1, 3, 4):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 50 * index, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
            if index == 1:
                empty = av.Packet()
                empty.stream, empty.pts, empty.dts, empty.time_base = stream, 2, 2, Fraction(1, 25)
                out.mux(empty)
        out.mux(stream.encode(None))
    frames = read(path)
    assert [frame.pts * frame.time_base * 25 for frame in frames] == [0, 1, 3, 4]


def test_a_clip_can_be_read_twice(make_video):
    with open_clip(make_video("clip.mp4", frames=5)) as clip:
        first, second = list(clip), list(clip)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("clip.mkv", "ffv1", "bgr0"),
        ("clip.mkv", "ffv1", "yuv422p10le"),
        ("clip.mkv", "ffv1", "gray"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
        ("clip.avi", "mpeg4", "yuv420p"),
        ("clip.ts", "libx264", "yuv420p"),
        ("clip.mov", "prores_ks", "yuv422p10le"),
        ("clip.mp4", "libx265", "yuv420p10le"),
        ("clip.mp4", "libx264", "yuvj420p"),
        ("clip.mkv", "mjpeg", "yuvj444p"),
    ],
)
def test_any_codec_and_pixel_format_is_read_as_rgb(make_video, pictures, name, codec, pix_fmt):
    frames = read(make_video(name, codec, pix_fmt=pix_fmt, frames=6))
    assert len(frames) == 6
    for frame, picture in zip(frames, pictures(6, 96, 64), strict=True):
        truth = (
            picture if pix_fmt != "gray" else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
        )
        assert frame.image.dtype == np.uint8 and frame.image.shape == picture.shape
        assert psnr(frame.image, np.broadcast_to(truth, picture.shape)) > 24


def test_frames_of_odd_size_are_read_whole(make_video):
    frames = read(make_video("clip.webm", "libvpx-vp9", size=(97, 63), frames=4))
    assert [frame.image.shape for frame in frames] == [(63, 97, 3)] * 4


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_a_rotated_video_is_read_upright(make_video, pictures, degrees, turns):
    path = make_video("clip.mp4", rotate=degrees, frames=3)
    frames = read(path)
    truth = np.rot90(pictures(3, 96, 64)[0], turns)
    assert frames[0].image.shape == truth.shape
    assert psnr(frames[0].image, truth) > 25
    info = probe(path)
    assert (info.height, info.width) == truth.shape[:2]
    assert info.rotation == (-degrees) % 360


def test_a_missing_video_names_what_is_there(tmp_path):
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(VideoError, match=r"no such video: .*holidays\.mp4; .* holds holiday\.mp4"):
        read(tmp_path / "holidays.mp4")
    with pytest.raises(VideoError, match="there is no folder"):
        read(tmp_path / "no" / "such.mp4")


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match="is empty"):
        read(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("just some words\n" * 500)
    with pytest.raises(VideoError, match="not a readable video"):
        read(tmp_path / "text.mp4")


def test_audio_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = 48000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"has no video track; it holds audio"):
        read(tmp_path / "song.mp4")


def test_damage_in_the_middle_is_reported_with_its_time(make_video):
    path = make_video("clip.mp4", frames=30, container={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    data[-1500:] = np.random.default_rng(0).bytes(1500)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"damaged after \d+ frames, at \d\.\d+ s"):
        read(path)


def test_a_size_that_changes_is_reported(make_video, tmp_path):
    joined = tmp_path / "joined.mkv"
    with av.open(str(joined), "w") as output:
        stream, pts = None, 0
        for width in (96, 64):
            part = make_video(
                f"{width}.mkv", "mjpeg", size=(width, 64), frames=3, pix_fmt="yuvj420p"
            )
            with av.open(str(part)) as container:
                if stream is None:
                    stream = output.add_stream_from_template(
                        container.streams.video[0], opaque=True
                    )
                for packet in container.demux(container.streams.video[0]):
                    if packet.size:
                        packet.pts = packet.dts = pts
                        packet.stream = stream
                        output.mux(packet)
                        pts += 40
    with pytest.raises(VideoError, match=r"changes its size from 96x64 to 64x64 at 0\.120 s"):
        read(joined)


def test_recordings_joined_end_to_end_are_reported(make_video, tmp_path):
    part = make_video("part.ts", frames=10).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    with pytest.raises(VideoError, match=r"jumps back in time|damaged"):
        read(tmp_path / "joined.ts")


def test_a_file_that_says_it_is_longer_is_mentioned(make_video, caplog):
    path = make_video("clip.webm", "libvpx-vp9", frames=30)
    assert len(read(path)) == 30 and not caplog.records
    path.write_bytes(path.read_bytes().replace(b"00:00:01.200", b"00:00:07.200"))
    assert len(read(path)) == 30
    assert "the file says that it lasts 7.200 s; it may be damaged" in caplog.text


def holds(path: Path, **options) -> list:
    with open_clip(path, **options) as clip:
        return [
            (
                float(f.pts * f.time_base),
                f.last_frame_duration and float(f.last_frame_duration * f.time_base),
            )
            for f in clip
        ]


def test_a_last_frame_is_held_for_as_long_as_it_says(held_gif, caplog):
    path = held_gif
    assert holds(path) == [(0.0, None), (0.1, None), (0.2, None), (0.3, 3.0)]
    assert holds(path, every=2)[-1] == pytest.approx((0.2, 3.1))
    assert holds(path, end=1)[-1] == pytest.approx((0.3, 0.7))
    assert [hold for _, hold in holds(path, end=0.3)] == [None, None, pytest.approx(0.1)]
    assert not caplog.records, "a hold that is stated is no damage"


def test_a_part_that_ends_in_a_long_frame_is_held_to_its_end(make_video):
    path = make_video("clip.mkv", frames=4, pts=[0, 512, 1024, 12800])
    assert holds(path, end=0.9)[-1] == pytest.approx((0.08, 0.82))


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2"}])
def test_the_last_frame_of_an_mp4_lasts_to_the_end_of_its_track(make_video, options):
    path = make_video("clip.mp4", frames=9, options=options)
    assert holds(path)[-1][1] in (None, pytest.approx(0.04))
