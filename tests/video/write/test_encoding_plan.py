import logging
from pathlib import Path

import pytest

from outtake.core.errors import OutputError
from outtake.video.write import codecs, encoding_plan
from outtake.video.write.codecs import encoder_pix_fmts
from outtake.video.write.encoding_plan import CONTAINERS, EncodingRequest, choose_encoding
from outtake.video.write.open_output import open_output
from outtake.video.write.output_checks import check_target
from tests.video.moving_scene import (
    describe,
)


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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mpeg2video", "mpeg2"),
        ("libx264", "h264"),
        ("HEVC", "h265"),
        ("H.264", "h264"),
        ("av2", ""),
    ],
)
def test_a_codec_by_another_name_is_answered_with_its_own(name, meant):
    advice = f"did you mean {meant}\\? Allowed are" if meant else "use"
    with pytest.raises(OutputError, match=f"unknown; {advice} auto, h264, "):
        choose_encoding(Path("o.mkv"), EncodingRequest(name))
