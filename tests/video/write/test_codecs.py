import logging
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.colour import ColourTags, from_rgb, to_rgb, to_rgb16
from outtake.video.read.probe import VideoInfo, probe
from outtake.video.write import codecs, encoding_plan
from outtake.video.write.codecs import CODECS, encoder_pix_fmts
from outtake.video.write.encoding_plan import CONTAINERS, EncodingRequest, choose_encoding
from outtake.video.write.matroska_display_size import set_display_size
from outtake.video.write.output import open_output
from outtake.video.write.output_checks import check_target
from outtake.video.write.video_encoder import VideoTrackEncoder
from outtake.video.write.video_writer import open_writer

BASE = Fraction(1, 12800)
PTS = [0, 300, 1100, 1600, 2300, 2400]
SUFFIXES = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv", "webm": ".webm"}
TARGETS = [
    (name, SUFFIXES[container])
    for name, (codec, *_) in CODECS.items()
    for container in codec.containers
    if not codec.gpu
]


def scene(number: int, width: int = 96, height: int = 64, channels: int = 3) -> np.ndarray:
    """A smooth picture of moderate colours that moves, 16 bits."""
    noise = np.random.default_rng(4).uniform(0.3, 0.7, (8, 10, channels)).astype(np.float32)
    big = cv2.resize(noise, (width + 16, height), interpolation=cv2.INTER_CUBIC)
    return (np.clip(big[:, number : number + width], 0, 1) * 65535).astype(np.uint16)


def describe(tmp_path: Path, **changes) -> VideoInfo:
    plain = VideoInfo(tmp_path / "in.mov", 96, 64, Fraction(25), BASE, codec="none")
    return replace(plain, **changes)


def write(path: Path, info: VideoInfo, frames: list[TimedFrame], **request) -> Path:
    with open_writer(path, info, EncodingRequest(**request)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def shallow(width: int = 96, height: int = 64, channels: int = 3) -> list[TimedFrame]:
    return [
        TimedFrame((scene(i, width, height, channels) >> 8).astype(np.uint8), pts, BASE)
        for i, pts in enumerate(PTS)
    ]


def decode(path: Path, decoder: str | None = None) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        if decoder is None:
            return list(container.decode(video=0))
        context = av.CodecContext.create(decoder, "r")
        frames = [f for packet in container.demux(video=0) for f in context.decode(packet)]
        return frames


@pytest.mark.parametrize(("name", "suffix"), TARGETS)
def test_every_codec_in_every_container_keeps_times_size_and_colours(tmp_path, name, suffix):
    tags = ColourTags(matrix=1, primaries=1, transfer=1)
    info = describe(tmp_path, colour=tags, sample_aspect_ratio=Fraction(4, 3))
    frames = shallow()
    path = write(tmp_path / f"out{suffix}", info, frames, codec=name)
    after, written = probe(path), decode(path)
    exact = suffix in (".mp4", ".mov")
    assert np.allclose(
        [frame.time for frame in written],
        [pts / 12800 for pts in PTS],
        atol=1e-9 if exact else 1e-3,
    )
    assert (after.width, after.height) == (96, 64)
    assert after.sample_aspect_ratio == Fraction(4, 3)
    if not av.VideoFormat(after.pix_fmt).is_rgb:
        assert after.colour == tags
    for before, frame in zip(frames, written, strict=True):
        assert np.abs(to_rgb(frame, after.colour).astype(int) - before.image).mean() < 4


@pytest.mark.parametrize(("name", "suffix"), [(n, s) for n, s in TARGETS if s != ".mov"])
def test_an_odd_size_is_kept_by_every_codec(tmp_path, name, suffix):
    info = describe(tmp_path, width=97, height=63)
    path = write(tmp_path / f"out{suffix}", info, shallow(97, 63), codec=name)
    assert [(frame.width, frame.height) for frame in decode(path)] == [(97, 63)] * 6


@pytest.mark.parametrize("name", ["h264_nvenc", "hevc_nvenc"])
def test_nvenc_is_given_full_colour_for_an_odd_size(tmp_path, caplog, name):
    """No GPU is needed to see what it would be given."""
    takes = encoder_pix_fmts(name)
    if takes is None:
        pytest.skip("this build of PyAV has no NVENC")
    for bits in CODECS[name][0].formats:
        chosen = choose_encoding(tmp_path / "o.mp4", EncodingRequest(codec=name, bit_depth=bits))
        stored = av.VideoFormat(chosen.pix_fmt(97, 63), 97, 63)
        assert stored.name in takes
        assert [(part.width, part.bits) for part in stored.components] == [(97, bits)] * 3
        assert chosen.pix_fmt(96, 64) == chosen.codec.formats[bits]
        chosen.warn_of_losses(describe(tmp_path, width=97, height=63))
        assert f"storing full colour ({stored.name})" in caplog.text


def test_what_nvenc_is_given_is_rounded_to_ten_bits():
    """Whatever lies in the lower six bits of sixteen, NVENC cuts off."""
    image = scene(0, 97, 63)
    given = luma(from_rgb(image, "yuv444p10msble", ColourTags(matrix=1)))
    assert np.array_equal(given, luma(from_rgb(image, "yuv444p10le", ColourTags(matrix=1))) << 6)


def test_av1_by_nvenc_has_no_odd_size(tmp_path):
    if encoder_pix_fmts("av1_nvenc") is None:
        pytest.skip("this build of PyAV has no NVENC")
    odd = describe(tmp_path, width=97, height=63)
    with pytest.raises(OutputError, match=r"odd size 97x63; use encode.codec=av1$"):
        open_output(tmp_path / "o.mp4", odd, EncodingRequest(codec="av1_nvenc")).discard()
    assert not list(tmp_path.iterdir())


def test_h265_in_mp4_has_the_tag_that_apple_plays(tmp_path):
    path = write(tmp_path / "o.mp4", describe(tmp_path), shallow(), codec="h265")
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize(
    ("name", "decoder", "tolerance"),
    [("o.mov", None, 2), ("o.webm", "libvpx-vp9", 6), ("o.mkv", None, 0)],
)
def test_alpha_survives(tmp_path, name, decoder, tolerance):
    frames = shallow(channels=4)
    for frame in frames:
        frame.image[:20, :, 3] = 0
        frame.image[40:, :, 3] = 255
    path = write(tmp_path / name, describe(tmp_path), frames, channels=4)
    written = decode(path, decoder)
    assert len(written) == 6
    for before, frame in zip(frames, written, strict=True):
        rgba = frame.to_ndarray(format="rgba")
        difference = np.abs(rgba.astype(int) - before.image)
        assert difference[..., 3].mean() <= tolerance
        assert difference[40:, :, :3].mean() <= max(tolerance, 3)


@pytest.mark.parametrize("depth", [8, 16])
def test_png_images_keep_alpha_and_depth(tmp_path, depth):
    deep = [scene(i) for i in range(3)]
    info = describe(tmp_path, bit_depth=depth)
    if depth == 8:
        frames = shallow(channels=4)
        write(tmp_path / "frames", info, frames, channels=4)
        truth = [frame.image for frame in frames]
    else:
        frames = [
            TimedFrame((d >> 8).astype(np.uint8), i, BASE, image16=d) for i, d in enumerate(deep)
        ]
        write(tmp_path / "frames", info, frames)
        truth = deep
    for number, image in enumerate(truth):
        stored = cv2.imread(str(tmp_path / "frames" / f"{number:05d}.png"), cv2.IMREAD_UNCHANGED)
        order = cv2.COLOR_BGRA2RGBA if depth == 8 else cv2.COLOR_BGR2RGB
        assert np.array_equal(cv2.cvtColor(stored, order), image)


def test_alpha_that_has_no_place_is_refused_with_the_places_that_it_has(tmp_path):
    for name, options in (
        ("o.mp4", {}),
        ("o.mp4", {"codec": "vp9"}),
        ("o.mov", {"codec": "h264"}),
        ("o.mkv", {"codec": "h265"}),
    ):
        with pytest.raises(OutputError, match=r"\.mov \(ProRes 4444\), \.webm \(VP9\), .*PNG"):
            request = EncodingRequest(channels=4, **options)
            check_target(tmp_path / name, tmp_path / "in.mp4", request)


@pytest.mark.parametrize(
    ("name", "channels", "depth", "chosen", "bits"),
    [
        ("o.mp4", 3, 8, "h264", 8),
        ("o.mov", 3, 8, "h264", 8),
        ("o.webm", 3, 8, "vp9", 8),
        ("o.mp4", 3, 10, "h265", 10),
        ("o.mkv", 3, 12, "h265", 10),
        ("o.mov", 4, 8, "prores", 10),
        ("o.webm", 4, 8, "vp9", 8),
        ("o.mkv", 4, 10, "ffv1", 10),
    ],
)
def test_the_codec_is_chosen_by_suffix_alpha_and_depth(name, channels, depth, chosen, bits):
    found = choose_encoding(Path(name), EncodingRequest(channels=channels, bit_depth=depth))
    assert (found.name, found.bit_depth, found.alpha) == (chosen, bits, channels == 4)


def test_deep_webm_is_av1_where_vp9_has_no_more_than_8_bits():
    there = encoder_pix_fmts("libvpx-vp9") or frozenset()
    found = choose_encoding(Path("o.webm"), EncodingRequest(bit_depth=10))
    assert found.name == ("vp9" if "yuv420p10le" in there else "av1") and found.bit_depth == 10


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mkv", "ffv1", "yuv420p10le"),
        (".mp4", "h265", "yuv420p10le"),
        (".mp4", "av1", "yuv420p10le"),
        (".mov", "prores", "yuv422p10le"),
    ],
)
@pytest.mark.parametrize("full_range", [False, True])
def test_ten_bits_survive_from_file_to_file(tmp_path, suffix, codec, pix_fmt, full_range):
    tags = ColourTags(1, 1, 1, full_range and codec != "prores")  # which has no full range
    source = [from_rgb(scene(i), pix_fmt, tags) for i in range(6)]
    frames = [
        TimedFrame(to_rgb(frame, tags), pts, BASE, image16=to_rgb16(frame, tags))
        for frame, pts in zip(source, PTS, strict=True)
    ]
    info = describe(tmp_path, colour=tags, bit_depth=10)
    crf = None if codec in ("ffv1", "prores") else 4
    path = write(tmp_path / f"o{suffix}", info, frames, codec=codec, crf=crf)
    after = probe(path)
    assert after.bit_depth == 10
    for before, frame in zip(source, decode(path), strict=True):
        stored = frame if codec != "ffv1" else from_rgb(to_rgb16(frame, tags), pix_fmt, tags)
        assert stored.format.name == pix_fmt
        difference = np.abs(luma(stored) - luma(before))
        assert difference.mean() <= 1 and difference.max() <= (1 if codec == "ffv1" else 16)


def luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width].astype(int)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_what_is_not_touched_comes_back_as_the_very_values_that_were_decoded(make_video, pix_fmt):
    name = "in.mkv"
    source = make_video(name, "ffv1", pix_fmt=pix_fmt, frames=2)
    frame = decode(source)[0]
    tags = probe(source).colour
    deep = frame.format.components[0].bits > 8
    rgb = to_rgb16(frame, tags) if deep else to_rgb(frame, tags)
    back = from_rgb(rgb, pix_fmt, tags)
    top = 65535 if deep else 255
    # A YUV value that no RGB stands for cannot come back; everything else has to.
    inside = ~((rgb == 0) | (rgb == top)).any(axis=2)
    for one, two in zip(frame.planes, back.planes, strict=True):
        kind = np.uint16 if deep else np.uint8
        before, after = (
            np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(int)
            for plane in (one, two)
        )
        down, across = 64 // before.shape[0], 96 // before.shape[1]
        kept = inside.reshape(before.shape[0], down, before.shape[1], across).all(axis=(1, 3))
        assert kept.mean() > 0.5
        assert np.abs(before - after)[kept].max() <= 1
        assert np.abs(before - after)[kept].mean() <= 0.01


def test_the_same_picture_gives_the_same_values_each_time():
    image = scene(0, 962, 320)
    for pix_fmt in ("yuv420p10le", "yuv422p10le"):
        made = [luma(from_rgb(image, pix_fmt, ColourTags())) for _ in range(12)]
        assert all(np.array_equal(made[0], again) for again in made[1:])


@pytest.mark.parametrize("name", ["o.mkv", "o.webm"])
@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(12, 11), Fraction(2)])
def test_pixel_aspect_in_matroska_leaves_a_file_that_checks_out(tmp_path, name, aspect):
    info = describe(tmp_path, sample_aspect_ratio=aspect)
    path = write(tmp_path / name, info, shallow(), codec="vp9")
    strict = {"err_detect": "crccheck+explode"}
    with av.open(str(path), options=strict) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect
        assert sum(1 for _ in container.decode(video=0)) == 6
        container.seek(0)
        assert next(container.decode(video=0)).pts == 0


def test_what_is_no_matroska_file_stays_as_it_was(tmp_path):
    (tmp_path / "junk.mkv").write_bytes(b"no matroska at all")
    assert not set_display_size(tmp_path / "junk.mkv", 128, 64)
    assert (tmp_path / "junk.mkv").read_bytes() == b"no matroska at all"


def test_a_depth_that_does_not_fit_is_one_line(tmp_path, caplog):
    info = describe(tmp_path, bit_depth=10)
    with caplog.at_level(logging.WARNING):
        open_output(tmp_path / "o.mp4", info, EncodingRequest(codec="h264")).discard()
    assert [record.message for record in caplog.records] == [
        "in.mov: 10 bits become 8; encode.codec=h265|av1 keeps more"
    ]
    caplog.clear()
    open_output(tmp_path / "p.mp4", info).discard()
    assert not caplog.records


@pytest.mark.parametrize("name", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
def test_nvenc_without_a_gpu_is_one_line_before_any_work(tmp_path, name):
    if encoder_pix_fmts(name) is None:
        pytest.skip("this build of PyAV has no NVENC")
    try:
        open_output(tmp_path / "o.mp4", describe(tmp_path), EncodingRequest(codec=name)).discard()
    except OutputError as error:
        assert "needs an NVIDIA GPU" in str(error) and "use encode.codec=" in str(error)
    assert not list(tmp_path.iterdir())


def test_another_encoder_takes_over_where_the_first_is_not_built_in(monkeypatch):
    there = {"libaom-av1": frozenset({"yuv420p"})}
    monkeypatch.setattr(codecs, "encoder_pix_fmts", there.get)
    monkeypatch.setattr(encoding_plan, "encoder_pix_fmts", there.get)
    found = choose_encoding(Path("o.mkv"), EncodingRequest("av1"))
    assert found.codec.encoder == "libaom-av1"
    with pytest.raises(OutputError, match=r"codec=h265: this build of PyAV has no encoder"):
        choose_encoding(Path("o.mkv"), EncodingRequest(codec="h265"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crf": 70}, r"crf=70: encode.codec=h264 takes 0 \(best\) to 51"),
        ({"codec": "ffv1", "crf": 18}, "codec=ffv1 has no constant quality"),
        ({"preset": "warp"}, "preset=warp: unknown; use ultrafast"),
        ({"codec": "xvid"}, "codec=xvid: unknown; use auto, h264"),
    ],
)
def test_options_that_do_not_go_are_named(tmp_path, options, message):
    with pytest.raises(OutputError, match=message):
        check_target(tmp_path / "o.mkv", tmp_path / "in.mp4", EncodingRequest(**options))


def test_every_suffix_has_a_container():
    assert set(CONTAINERS.values()) == {"mp4", "mov", "matroska", "webm"}


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
