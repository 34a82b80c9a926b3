from fractions import Fraction

import av
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.colour import ColourTags, from_rgb, plane_arrays, to_rgb, to_rgb16
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from outtake.video.write.codecs import CODECS, encoder_pix_fmts
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.losses import warn_of_losses
from outtake.video.write.open_output import open_output
from tests.video.moving_scene import (
    BASE,
    PTS,
    TARGETS,
    decode,
    describe,
    scene,
    shallow,
    write,
)


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
        warn_of_losses(chosen, describe(tmp_path, width=97, height=63))
        assert f"storing full colour ({stored.name})" in caplog.text


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


@pytest.mark.parametrize("pix_fmt", ["gray10le", "gray12le", "gray16le"])
@pytest.mark.parametrize("color_range", [1, 2])
def test_grey_goes_into_ffv1_value_by_value(tmp_path, caplog, pix_fmt, color_range):
    source, bits = tmp_path / "in.mkv", int(pix_fmt[4:-2])
    values = (np.arange(64 * 48) * 41 % (1 << bits)).astype(np.uint16).reshape(48, 64)
    with av.open(str(source), "w") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_range = color_range
        picture = av.VideoFrame(64, 48, pix_fmt)
        plane_arrays(picture)[0][:] = values
        film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    with open_clip(source) as clip:
        write(tmp_path / "o.mkv", clip.info, [*clip], codec="ffv1")
    made = decode(tmp_path / "o.mkv")[0]
    assert made.format.name == f"gbrp{bits}le"
    assert all(np.array_equal(plane, values) for plane in plane_arrays(made))
    assert not caplog.text
