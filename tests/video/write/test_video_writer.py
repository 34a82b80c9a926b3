import resource
import signal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.errors import OutputError, VideoError
from outtake.core.types import TimedFrame
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.video.moving_scene import PTS, decode, describe, shallow, write

VARIABLE_PTS = np.cumsum(np.random.default_rng(1).integers(100, 2000, 30)).tolist()


def copy(source: Path, target: Path, codec="auto", **options) -> Path:
    request = EncodingRequest(codec)
    with open_clip(source) as clip, open_writer(target, clip.info, request, **options) as writer:
        for frame in clip:
            writer.write(frame)
    return target


def read(path: Path) -> list[TimedFrame]:
    with open_clip(path) as clip:
        return list(clip)


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in read(path)]


def packets(path: Path, kind: str = "audio") -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_times_and_audio_are_kept_exactly(make_video, tmp_path, suffix):
    source = make_video("in.mp4", audio="aac", pts=VARIABLE_PTS)
    target = copy(source, tmp_path / f"out{suffix}")
    assert times(target) == times(source)
    assert packets(target) == packets(source)


@pytest.mark.parametrize(
    ("name", "codec", "audio", "target"),
    [
        ("in.mp4", "libx264", "aac", "out.mkv"),  # audio that starts before 0
        ("in.mkv", "ffv1", "libopus", "out.mkv"),
        ("in.mkv", "ffv1", "libopus", "out.mp4"),
        ("in.webm", "libvpx-vp9", "libopus", "out.webm"),
        ("in.avi", "mpeg4", "libmp3lame", "out.mp4"),
    ],
)
def test_between_containers_times_are_within_a_millisecond(
    make_video, tmp_path, name, codec, audio, target
):
    pts = VARIABLE_PTS if not name.endswith("avi") else None
    source = make_video(name, codec, audio=audio, pts=pts)
    written = copy(source, tmp_path / target)
    assert np.allclose([*map(float, times(written))], [*map(float, times(source))], atol=0.001)
    before, after = packets(source), packets(written)
    assert [data for _, data in after] == [data for _, data in before]
    assert np.allclose([time for time, _ in after], [time for time, _ in before], atol=0.001)


@pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv", "o.webm"])
def test_a_last_frame_that_is_held_lasts_as_long_in_the_copy(held_gif, tmp_path, caplog, name):
    target = copy(held_gif, tmp_path / name)
    with av.open(str(target)) as made:
        assert made.duration / av.time_base == pytest.approx(3.3, abs=0.002)
    if name in ("o.mp4", "o.mov"):
        caplog.clear()
        last = read(target)[-1]
        assert (
            float(last.last_frame_duration * last.time_base) == pytest.approx(3)
            and not caplog.records
        )


def test_the_picture_survives(make_video, tmp_path):
    source = make_video("in.mkv", "ffv1", pix_fmt="bgr0", frames=5)
    for before, after in zip(read(source), read(copy(source, tmp_path / "o.mp4")), strict=True):
        assert np.abs(before.image.astype(int) - after.image).mean() < 5
    for before, after in zip(
        read(source), read(copy(source, tmp_path / "o.mkv", codec="ffv1")), strict=True
    ):
        assert np.array_equal(before.image, after.image)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "h264"), (".mp4", "h265"), (".webm", "vp9")]
)
def test_an_odd_size_is_kept(make_video, tmp_path, suffix, codec):
    source = make_video("in.webm", "libvpx-vp9", size=(97, 63), frames=4)
    info = probe(copy(source, tmp_path / f"out{suffix}", codec=codec))
    assert (info.width, info.height) == (97, 63)


def test_rotation_is_turned_into_pixels(make_video, tmp_path):
    source = make_video("in.mp4", rotate=90, frames=3)
    target = copy(source, tmp_path / "out.mp4")
    before, after = probe(source), probe(target)
    assert before.rotation == 270 and after.rotation == 0
    assert (after.width, after.height) == (before.width, before.height) == (64, 96)
    assert np.abs(read(source)[0].image.astype(int) - read(target)[0].image).mean() < 5


def test_aspect_colours_and_metadata_are_kept(make_video, tmp_path):
    def setup(output, stream):
        output.metadata.update({"title": "A walk", "comment": "in the park"})
        context = stream.codec_context
        context.sample_aspect_ratio = Fraction(4, 3)
        context.colorspace, context.color_primaries, context.color_trc = 5, 5, 6
        context.color_range = 2

    source = make_video("in.mp4", setup=setup, frames=3)
    before, after = probe(source), probe(copy(source, tmp_path / "out.mp4"))
    assert after.sample_aspect_ratio == before.sample_aspect_ratio == Fraction(4, 3)
    assert after.colour == before.colour
    assert (after.colour.matrix, after.colour.full_range) == (5, True)
    assert (after.metadata["title"], after.metadata["comment"]) == ("A walk", "in the park")


def test_grey_stays_grey_in_every_range(make_video, tmp_path):
    for pix_fmt in ("yuv420p", "yuvj420p"):
        source = make_video(f"{pix_fmt}.mp4", pix_fmt=pix_fmt, frames=1)
        with open_clip(source) as clip, open_writer(tmp_path / f"o{pix_fmt}.mp4", clip.info) as out:
            for level in (0, 128, 255):
                picture = np.full((64, 96, 3), level, np.uint8)
                out.write(TimedFrame(picture, level, Fraction(1, 100)))
        levels = [int(frame.image.mean()) for frame in read(tmp_path / f"o{pix_fmt}.mp4")]
        assert np.allclose(levels, (0, 128, 255), atol=2)


def test_subtitles_go_along_where_the_container_takes_them(make_video, tmp_path):
    plain = make_video("plain.mkv", audio="aac", frames=50)
    titled = tmp_path / "titled.mkv"
    (tmp_path / "s.srt").write_text("1\n00:00:00,100 --> 00:00:01,000\nHello\n\n")
    with (
        av.open(str(plain)) as film,
        av.open(str(tmp_path / "s.srt")) as text,
        av.open(str(titled), "w") as output,
    ):
        tracks = [film.streams.video[0], text.streams.subtitles[0]]
        copies = [output.add_stream_from_template(track, opaque=True) for track in tracks]
        for container, track, copied in zip((film, text), tracks, copies, strict=True):
            for packet in container.demux(track):
                if packet.size:
                    packet.stream = copied
                    output.mux(packet)
    assert packets(titled, "subtitles")
    target = copy(titled, tmp_path / "out.mkv")
    assert packets(target, "subtitles") == packets(titled, "subtitles")


def test_audio_that_does_not_fit_is_an_error_before_any_work(make_video, tmp_path):
    source = make_video("in.mp4", audio="aac", frames=3)
    with pytest.raises(OutputError, match=r"a \.webm file cannot hold the aac audio .*audio=none"):
        copy(source, tmp_path / "out.webm", audio="copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]
    assert not probe(copy(source, tmp_path / "out.webm", audio="none")).has_audio


def test_a_name_without_suffix_is_a_folder_of_images(make_video, tmp_path):
    source = make_video("in.mkv", "ffv1", pix_fmt="bgr0", frames=12)
    target = copy(source, tmp_path / "frames")
    assert sorted(path.name for path in target.iterdir()) == [f"{i:05d}.png" for i in range(12)]
    for before, after in zip(read(source), read(target), strict=True):
        assert np.array_equal(before.image, after.image)


@pytest.mark.parametrize("name", ["out.mp4", "frames"])
def test_an_error_leaves_nothing_behind(make_video, tmp_path, name):
    source = make_video("in.mp4", audio="aac")
    with (
        pytest.raises(KeyboardInterrupt),
        open_clip(source) as clip,
        open_writer(tmp_path / name, clip.info) as writer,
    ):
        for index, frame in enumerate(clip):
            writer.write(frame)
            if index == 20:
                raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize("name", ["out.mp4", "frames"])
def test_no_frame_gives_no_file(make_video, tmp_path, name):
    info = probe(make_video("in.mp4"))
    with pytest.raises(VideoError, match="no frame"), open_writer(tmp_path / name, info):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_a_full_disk_is_an_error_and_leaves_the_old_file(make_video, tmp_path):
    source = make_video("in.mp4", frames=60, size=(160, 96))
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            copy(source, target, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_an_earlier_output_is_replaced_only_when_asked(make_video, tmp_path):
    source = make_video("in.mp4", frames=3)
    for name in ("out.mp4", "frames"):
        copy(source, tmp_path / name)
        with pytest.raises(OutputError, match="overwrite=true"):
            copy(source, tmp_path / name)
        copy(source, tmp_path / name, overwrite=True)
        assert len(read(tmp_path / name)) == 3


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("name", ["12:30.mp4", "http:a.mkv", "pipe:1.mov"])
def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch, name, passes):
    monkeypatch.chdir(tmp_path)
    rate = "200k" if passes == 2 else None
    path = write(Path(name), describe(tmp_path), shallow(), passes=passes, bitrate=rate)
    assert len(decode(tmp_path / path)) == len(PTS)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
