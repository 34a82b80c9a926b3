import tempfile
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from tests.video.moving_scene import BASE, decode, describe, write


def quiet_then_noise(count: int = 40) -> list[TimedFrame]:
    rng = np.random.default_rng(0)
    still = np.full((64, 96, 3), 110, np.uint8)
    return [
        TimedFrame(
            still if number < 30 else rng.integers(0, 255, (64, 96, 3), np.uint8),
            512 * number,
            BASE,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_rate_is_met_where_one_pass_is_taken_by_surprise(tmp_path, monkeypatch, codec):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    sizes = {}
    for passes in (1, 2):
        path = write(
            tmp_path / f"o{passes}.mp4",
            describe(tmp_path),
            quiet_then_noise(),
            codec=codec,
            bitrate="200k",
            passes=passes,
        )
        assert [frame.pts for frame in decode(path)] == [512 * number for number in range(40)]
        sizes[passes] = path.stat().st_size
    asked = 200_000 / 8 * 40 / 25
    if codec == "h264":  # x265 needs longer clips to come near
        assert abs(sizes[2] - asked) < 0.9 * abs(sizes[1] - asked), sizes
    assert sizes[1] != sizes[2]
    left = [path for path in tmp_path.rglob("*") if "frames" in path.name or "stats" in path.name]
    assert not left and not list((tmp_path / "temporary").iterdir())


def test_fields_and_colours_go_through_both_passes(tmp_path):
    info = describe(tmp_path, field_order="bff")
    path = write(tmp_path / "o.mov", info, quiet_then_noise(8), bitrate="400k", passes=2)
    found = probe(path)
    assert found.field_order == "bff" and found.frames == 8


def test_the_header_is_that_of_every_segment_whatever_it_holds(tmp_path):
    headers = set()
    for start in (0, 25):
        path = tmp_path / f"{start}.mkv"
        frames = quiet_then_noise()[start : start + 8]
        write(path, describe(tmp_path), frames, codec="h264", bitrate="200k", passes=2)
        with av.open(str(path)) as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    assert len(headers) == 1, "segments are joined under one header"


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"codec": "h264"}, "a constant quality needs one pass; set encode.bitrate"),
        *(
            (
                {"codec": codec, "bitrate": "2M"},
                f"the encoder of encode.codec={codec} cannot be told here what a first pass "
                "learnt; use encode.codec=h264|h265",
            )
            for codec in ("vp9", "av1", "mpeg2")
        ),
    ],
)
def test_two_passes_that_cannot_be_are_refused(asked, line):
    with pytest.raises(OutputError) as error:
        choose_encoding(Path("o.mkv"), EncodingRequest(passes=2, **asked))
    assert line in str(error.value)
