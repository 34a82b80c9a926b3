from pathlib import Path

import av
import pytest

from outtake.core.errors import OutputError
from outtake.video.read.probe import probe
from outtake.video.write.encoder_options import parse_bitrate
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.open_output import open_output
from tests.video.moving_scene import describe, shallow, write


@pytest.mark.parametrize(
    ("value", "bits"), [("8M", 8_000_000), ("1.5m", 1_500_000), ("800k", 800_000), (64000, 64000)]
)
def test_a_bitrate_is_read_as_it_is_written(value, bits):
    assert parse_bitrate(value) == bits


@pytest.mark.parametrize("value", ["fast", "8 Mbit", "-3M", 12, "", "1e6"])
def test_what_is_no_bitrate_is_refused(value):
    with pytest.raises(OutputError, match="give bits per second such as 8M"):
        parse_bitrate(value)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"codec": "prores", "bitrate": "8M"}, "encode.codec=prores has no choice of rate"),
        ({"codec": "h264", "bitrate": "8M", "crf": 20}, "leave one of them null"),
        ({"codec": "h264", "profile": "main10"}, "use baseline, main, high, high422, high444"),
        ({"codec": "prores", "level": 4.1}, "leave it null, or use encode.codec=h264|h265"),
        ({"codec": "h264", "level": "high"}, "give a level such as 4.1"),
        ({"codec": "prores", "chroma": "420"}, "does not have it; use encode.codec=h264"),
    ],
)
def test_what_a_codec_does_not_have_is_refused_before_any_work(asked, line):
    with pytest.raises(OutputError) as error:
        choose_encoding(Path("o.mov"), EncodingRequest(**asked))
    assert line in str(error.value)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_bitrate_decides_about_the_size(tmp_path, codec):
    info = describe(tmp_path)
    sizes = []
    for bitrate in ("40k", "4M"):
        path = write(tmp_path / f"{bitrate}.mp4", info, shallow(), codec=codec, bitrate=bitrate)
        sizes.append(path.stat().st_size)
    assert sizes[1] > 1.2 * sizes[0]


def test_profile_and_level_are_those_that_were_asked_for(tmp_path):
    path = write(
        tmp_path / "o.mp4", describe(tmp_path), shallow(), codec="h264", profile="main", level=3.1
    )
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.profile, context.level) == ("Main", 31)


def test_a_profile_that_does_not_fit_the_picture_is_one_line(tmp_path):
    request = EncodingRequest("h264", profile="baseline", chroma="444")
    with pytest.raises(
        OutputError, match=r"does not open with encode.profile=baseline for yuv444p"
    ):
        open_output(tmp_path / "o.mp4", describe(tmp_path), request)


@pytest.mark.parametrize(
    ("name", "codec", "chroma", "pix_fmt"),
    [
        ("o.mp4", "h264", "422", "yuv422p"),
        ("o.mp4", "h265", "444", "yuv444p"),
        ("o.webm", "vp9", "444", "yuv444p"),
        ("o.mov", "prores", "444", "yuv444p10le"),
        ("o.mkv", "ffv1", "420", "yuv420p"),
    ],
)
def test_chroma_is_that_which_was_asked_for(tmp_path, name, codec, chroma, pix_fmt):
    path = write(tmp_path / name, describe(tmp_path), shallow()[:2], codec=codec, chroma=chroma)
    assert probe(path).pix_fmt == pix_fmt


@pytest.mark.parametrize(
    ("source", "name", "codec", "chroma"),
    [
        ({"codec": "prores", "pix_fmt": "yuv422p10le", "bit_depth": 10}, "o.mov", "prores", "422"),
        ({"codec": "prores", "pix_fmt": "yuv444p12le", "bit_depth": 12}, "o.mov", "prores", "444"),
        ({"codec": "prores", "pix_fmt": "yuv422p10le", "bit_depth": 10}, "o.mp4", "h265", "420"),
        ({"codec": "ffv1", "pix_fmt": "yuv422p"}, "o.mkv", "h264", "420"),
        ({"field_order": "tff"}, "o.mp4", "h264", "420"),
        ({"field_order": "tff", "bit_depth": 10}, "o.mov", "prores", "422"),
    ],
)
def test_auto_follows_the_source(tmp_path, source, name, codec, chroma):
    request = EncodingRequest().for_source(describe(tmp_path, **source))
    found = choose_encoding(Path(name), request)
    assert (found.name, found.chroma) == (codec, chroma)


@pytest.mark.parametrize(("name", "codec"), [("o.webm", "auto"), ("o.mp4", "h265")])
def test_fields_that_have_no_place_are_refused(name, codec):
    with pytest.raises(OutputError, match=r"does not store fields; .*read\.deinterlace=bwdif$"):
        choose_encoding(Path(name), EncodingRequest(codec, field_order="tff"))
