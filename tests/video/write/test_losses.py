from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from outtake.video.hdr10 import Hdr10Metadata
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.losses import find_losses
from tests.video.moving_scene import describe

HDR = Hdr10Metadata(light_levels=(1000, 400))


@pytest.mark.parametrize(
    ("source", "target", "request_", "expected"),
    [
        ({"pix_fmt": "yuv420p"}, "o.mp4", {}, []),
        (
            {"pix_fmt": "yuv422p"},
            "o.mp4",
            {},
            ["its chroma of 4:2:2 becomes 4:2:0; encode.chroma=422 keeps it"],
        ),
        ({"pix_fmt": "yuv422p"}, "o.mp4", {"chroma": "422"}, []),
        ({"pix_fmt": "yuv444p"}, "o.mkv", {"codec": "ffv1"}, []),
        (
            {"pix_fmt": "yuv444p10le", "bit_depth": 10},
            "o.webm",
            {"codec": "av1"},
            ["its chroma of 4:4:4 becomes 4:2:0; encode.codec=vp9 with encode.chroma=444 keeps it"],
        ),
        (
            {"pix_fmt": "yuva420p", "has_alpha": True},
            "o.mp4",
            {},
            [
                "its alpha is not kept, only the colours beneath it; .mov (ProRes 4444), .webm "
                "(VP9), .mkv (FFV1) or images keep it"
            ],
        ),
        (
            {"pix_fmt": "yuva444p10le", "bit_depth": 10, "has_alpha": True},
            "o.mov",
            {"codec": "prores"},
            [],
        ),
        ({"pix_fmt": "bgra", "codec": "gif"}, "o.mp4", {}, []),
        ({"pix_fmt": "rgb24"}, "o.mp4", {}, []),
        ({"pix_fmt": "rgb24", "codec": "images"}, "o.mp4", {}, []),
        (
            {"pix_fmt": "bgr0", "codec": "ffv1"},
            "o.mp4",
            {},
            ["its chroma of 4:4:4 (RGB) becomes 4:2:0; encode.chroma=444 keeps it"],
        ),
        ({"pix_fmt": "bgr0", "codec": "ffv1"}, "o.mkv", {"codec": "ffv1"}, []),
        ({"pix_fmt": "gbrp", "codec": "h264"}, "o.mp4", {"chroma": "444"}, []),
        (
            {"pix_fmt": "yuv411p"},
            "o.mp4",
            {},
            ["its chroma of 4:1:1 becomes 4:2:0 with half the lines; encode.chroma=422 keeps it"],
        ),
        ({"pix_fmt": "yuv411p"}, "o.mp4", {"chroma": "422"}, []),
        ({"pix_fmt": "yuv410p"}, "o.mp4", {}, []),
        (
            {"pix_fmt": "yuv440p"},
            "o.mov",
            {"codec": "prores"},
            ["its chroma of 4:4:0 becomes 4:2:2; encode.chroma=444 keeps it"],
        ),
        *(
            (
                {"pix_fmt": f"yuv{chroma}p"},
                "o.mkv",
                {"codec": "ffv1"},
                [f"its chroma of {spoken} becomes RGB, which rounds its colours"],
            )
            for chroma, spoken in (("411", "4:1:1"), ("410", "4:1:0"), ("440", "4:4:0"))
        ),
        ({"hdr10": HDR, "bit_depth": 10}, "o.mp4", {}, []),
        (
            {"hdr10": HDR},
            "o.webm",
            {},
            [
                "its HDR10 mastering display and light levels are not kept; encode.codec=av1 "
                "keeps them"
            ],
        ),
        (
            {"unkept": ("closed captions in the picture", "Dolby Vision metadata")},
            "o.mp4",
            {},
            ["not kept: closed captions in the picture, Dolby Vision metadata"],
        ),
    ],
)
def test_every_loss_has_its_line(tmp_path, source, target, request_, expected):
    info = describe(tmp_path, **source)
    request = EncodingRequest(**request_).for_source(info)
    assert find_losses(choose_encoding(Path(target), request), info) == expected


def test_images_keep_no_timecode_and_the_reader_alone_speaks_of_fields(tmp_path):
    info = describe(tmp_path, timecode="10:00:00:00", hdr10=HDR, field_order="tff")
    lost = find_losses("png", info)
    assert len(lost) == 2 and not any("interlaced" in line for line in lost)
    assert find_losses("png", describe(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "codec", "lines"), [("1.exr", "exr", 1), ("1.exr", "png", 2), ("1.dpx", "dpx", 1)]
)
def test_what_film_files_say_beside_the_picture_has_its_line(tmp_path, name, codec, lines):
    info = describe(tmp_path, pix_fmt="gbrpf16le", images=(tmp_path / name,))
    assert len(find_losses(codec, info)) == lines


@pytest.mark.parametrize(("fps", "line"), [(Fraction(25), False), (Fraction(47, 2), True)])
def test_a_rate_that_a_codec_does_not_know_has_a_line(tmp_path, fps, line):
    info = describe(tmp_path, fps=fps)
    encoding = choose_encoding(tmp_path / "o.mkv", EncodingRequest("mpeg2").for_source(info))
    said = "mpeg2 knows fixed rates alone and calls its 23.5 frames/s 23.976"
    assert [each.startswith(said) for each in find_losses(encoding, info)] == [True] * line


@pytest.mark.parametrize(("name", "lines"), [("LAB", 1), ("sRGB", 0), (None, 0)])
def test_a_colour_profile_of_images_has_a_line_unless_it_is_what_is_assumed(tmp_path, name, lines):
    profile = name and ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png", icc_profile=profile)
    info = describe(tmp_path, images=(tmp_path / "1.png",))
    found = find_losses("png", info)
    assert [line.startswith("the colour profile of its images") for line in found] == [True] * lines
