"""Read, write, compare: for every kind of file, what comes out is what went in."""

import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import IMAGE_SUFFIXES
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.video.corpus import BROKEN, GOOD, KINDS, Kind, draw_pictures

Packets = list[list[tuple[float, bytes]]]


def plain_times(path: Path) -> list[float]:
    """Times as FFmpeg gives them, without the reader under test."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not int(s.disposition) & 0x400)
        if container.format.name in ("avi", "asf") and stream.codec_context.name == "h264":
            # One time for each frame, in the order of decoding.
            times = sorted(packet.dts for packet in container.demux(stream) if packet.size)
            return [float(dts * stream.time_base) for dts in times]
        times = [frame.pts for frame in container.decode(stream)]
        rate = 1 / stream.average_rate / stream.time_base
        return [
            float((round(i * rate) if pts is None else pts) * stream.time_base)
            for i, pts in enumerate(times)
        ]


def plain_packets(path: Path) -> Packets:
    with av.open(str(path)) as container:
        tracks: Packets = [[] for _ in container.streams.audio]
        numbers = {stream.index: i for i, stream in enumerate(container.streams.audio)}
        for packet in container.demux(*container.streams.audio) if tracks else ():
            if packet.size:
                time_s = float(packet.pts * packet.time_base)
                tracks[numbers[packet.stream.index]].append((time_s, bytes(packet)))
        return tracks


def bare(packet: bytes) -> bytes:
    """Return a packet without the header that AAC has in transport streams only."""
    return packet[7:] if packet[:2] in (b"\xff\xf1", b"\xff\xf9") else packet


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9))


def copied(kind: Kind, folder: Path) -> tuple[Path, Path]:
    source = folder / kind.name
    target = folder / f"out{kind.target}"
    kind.make(source)
    with open_clip(source) as clip, open_writer(target, clip.info) as writer:
        for frame in clip:
            writer.write(frame)
    return source, target


def test_there_are_at_least_25_kinds_of_file():
    assert len(GOOD) >= 25 and len(BROKEN) >= 10


@pytest.mark.parametrize("name", GOOD)
def test_what_comes_out_is_what_went_in(name, tmp_path, caplog):
    kind = GOOD[name]
    source, target = copied(kind, tmp_path)
    with open_clip(source) as clip, open_clip(target) as copy:
        before, after, info = list(clip), list(copy), copy.info

    assert len(before) == len(after) == kind.frames
    assert info.rotation == 0
    turned = kind.size[::-1] if kind.turned % 2 else kind.size
    assert (info.width, info.height) == turned
    assert info.sample_aspect_ratio == clip.info.sample_aspect_ratio
    for frame, other in zip(before, after, strict=True):
        if target.suffix:
            assert abs(float(frame.pts * frame.time_base - other.pts * other.time_base)) <= 0.001
        assert psnr(frame.image, other.image) > kind.alike_db
    if kind.picture:
        for frame, picture in zip(before, draw_pictures(kind.frames, *kind.size), strict=True):
            assert psnr(frame.image, np.rot90(picture, kind.turned)) > 22

    if source.is_file() and source.suffix not in IMAGE_SUFFIXES:
        theirs = np.array(plain_times(source)) - float(clip.info.origin_s)
        assert np.allclose(theirs, [float(f.pts * f.time_base) for f in before], atol=1e-6)
        assert np.allclose(theirs, plain_times(target), atol=0.001, rtol=0)
        sound, same = plain_packets(source), plain_packets(target)
        assert [[bare(data) for _, data in track] for track in sound] == [
            [data for _, data in track] for track in same
        ]
        for track, other_track in zip(sound, same, strict=True):
            origin_s = float(clip.info.origin_s)
            shift = [a - origin_s - b for (a, _), (b, _) in zip(track, other_track, strict=True)]
            assert not shift or max(map(abs, shift)) <= 0.001
    for key, value in kind.tags.items():
        tags = {
            "colorspace": info.colour.matrix,
            "color_primaries": info.colour.primaries,
            "color_trc": info.colour.transfer,
            "color_range": 1 + info.colour.full_range,
        }
        assert tags[key] == value
    if kind.warning:
        assert kind.warning in caplog.text


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_and_leaves_nothing(name, tmp_path):
    with pytest.raises(VideoError, match=BROKEN[name].error) as caught:
        copied(BROKEN[name], tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [BROKEN[name].name]


@pytest.mark.parametrize("name", [name for name in GOOD if "rgb" in name or "png" in name])
def test_a_lossless_copy_is_identical(name, tmp_path):
    kind = KINDS[name]
    source = tmp_path / kind.name
    kind.make(source)
    target = tmp_path / "out.mkv"
    lossless = EncodingRequest("ffv1")
    with open_clip(source) as clip, open_writer(target, clip.info, lossless) as writer:
        for frame in clip:
            writer.write(frame)
    with open_clip(source) as clip, open_clip(target) as copy:
        for frame, other in zip(clip, copy, strict=True):
            if frame.image16 is None:
                assert np.array_equal(frame.image, other.image)
            else:
                assert np.array_equal(frame.image16, other.image16)


@pytest.mark.parametrize(
    ("pix_fmt", "tags"),
    [
        ("yuv420p10le", {"colorspace": 1, "color_range": 1}),
        ("yuv444p12le", {"colorspace": 9, "color_range": 1}),
        ("yuv422p10le", {"colorspace": 6, "color_range": 2}),
        ("gbrp10le", {}),
    ],
)
def test_deep_sources_are_read_with_16_bits(tmp_path, pix_fmt, tags):
    """White, black and grey of the source's own depth, in every range, as full scale 65535."""
    bits = 12 if "12" in pix_fmt else 10
    path = tmp_path / "deep.mkv"
    full = tags.get("color_range") == 2 or pix_fmt.startswith("gbr")
    low, high = (0, (1 << bits) - 1) if full else (16 << (bits - 8), 235 << (bits - 8))
    levels = np.linspace(low, high, 33).round().astype("<u2")
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 66, 32, pix_fmt
        for key, value in tags.items():
            setattr(stream.codec_context, key, value)
        frame = av.VideoFrame(66, 32, pix_fmt)
        for index, plane in enumerate(frame.planes):
            rows = np.full((plane.height, plane.line_size // 2), 1 << (bits - 1), "<u2")
            if index == 0 or pix_fmt.startswith("gbr"):
                rows[:, : plane.width] = levels.repeat(2)
            plane.update(rows.tobytes())
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    truth = (levels.astype(float) - low) / (high - low) * 65535
    with open_clip(path) as clip, open_clip(path, high_bit_depth=False) as shallow:
        (frame,), (plain,) = clip, shallow
    assert frame.image16.dtype == np.uint16 and frame.image16.shape == (32, 66, 3)
    assert plain.image16 is None and clip.info.bit_depth == bits
    assert np.abs(frame.image16[0, ::2].astype(float) - truth[:, None]).max() < 65535 * 0.004
    assert len(np.unique(frame.image16[0, :, 1])) == 33
    assert np.abs(frame.image[0, ::2] - truth[:, None] / 257).max() <= 1.5


def test_images_of_16_bits_are_deep(tmp_path):
    GOOD["16 bit png folder"].make(tmp_path / "frames")
    with open_clip(tmp_path / "frames") as clip:
        frames = list(clip)
    for frame, picture in zip(frames, draw_pictures(), strict=True):
        assert np.array_equal(frame.image16, picture * np.uint16(257) + np.uint16(3))
        assert np.array_equal(frame.image, picture)


def test_an_image_too_large_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"read\.limits\.max_pixels=67108864"):
        open_clip(path)


def test_the_rate_of_an_odd_clock_is_kept(tmp_path):
    """29.97 frames per second in a container of milliseconds."""
    path = tmp_path / "ntsc.mkv"
    steps = [round(i * Fraction(12800 * 1001, 30000)) for i in range(12)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=Fraction(30000, 1001))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 12800)
        for pts, picture in zip(steps, draw_pictures(), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 12800)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert abs(float(probe(path).fps) - 30000 / 1001) < 0.05
