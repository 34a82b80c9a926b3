from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.read.alpha_video import read_rgba
from outtake.video.read.clip import open_clip
from outtake.video.read.container_crop import _read_part
from outtake.video.read.probe import probe
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.open_output import open_output
from tests.video.corpus import encode_clip
from tests.video.cropped_files import add_clean_aperture, add_pixel_crop
from tests.video.write.copied_clips import CLOSED

BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1}
SIDES = (4, 8, 12, 6)  # left, top, right, bottom of 64x48


def read(path: Path) -> tuple:
    with open_clip(path) as clip:
        return clip.info, [*clip]


def make_both(tmp_path: Path, suffix: str, **options) -> tuple[tuple, tuple]:
    """The same clip, whole and cropped by its container: description and frames of each."""
    path = tmp_path / f"clip{suffix}"
    encode_clip(path, **options)
    whole = read(path)
    if suffix == ".mkv":
        add_pixel_crop(path, *SIDES)
    else:
        entry = {"prores_ks": b"apch"}.get(options.get("codec", ""), b"avc1")
        add_clean_aperture(path, 48, 34, right=-8, down=2, entry=entry)
    return whole, read(path)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mkv", {}),
        (".mkv", {"codec": "ffv1", "pix_fmt": "yuv444p10le", "tags": BT709}),
        (".mkv", {"aspect": Fraction(16, 15), "tags": {"color_range": 2}}),
        (".mov", {"aspect": Fraction(16, 15), "tags": BT709}),
        (".mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        (".mp4", {"tags": {"color_range": 2}}),
    ],
)
def test_what_the_container_shows_is_read(tmp_path, suffix, options):
    (info, frames), (cropped_info, cropped) = make_both(tmp_path, suffix, **options)
    assert (cropped_info.width, cropped_info.height) == (48, 34)
    assert cropped_info.cropped and not info.cropped
    assert cropped_info.colour == info.colour
    assert cropped_info.sample_aspect_ratio == info.sample_aspect_ratio
    assert len(cropped) == len(frames)
    for before, after in zip(frames, cropped, strict=True):
        assert after.pts == before.pts
        assert np.array_equal(after.image, before.image[8:42, 4:52])
        assert after.stored is not None and before.stored is not None
        luma = before.stored.planes[0][8:42, 4:52]
        assert np.array_equal(after.stored.planes[0], luma)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_picture_is_cropped_before_it_is_turned(tmp_path, degrees):
    (_, frames), (info, cropped) = make_both(tmp_path, ".mov", rotate=degrees)
    turns = degrees // 90
    assert (info.width, info.height) == ((34, 48) if turns % 2 else (48, 34))
    upright = np.rot90(frames[3].image, -turns)[8:42, 4:52]
    assert np.array_equal(np.rot90(cropped[3].image, -turns), upright)


def planes_of(frame: TimedFrame) -> list[np.ndarray]:
    assert frame.stored is not None
    return [*frame.stored.planes]


def check_planes(path: Path, sides: tuple[int, int, int, int], corner: tuple[int, int]) -> None:
    """Check that a clip in 4:2:0, once cropped, has the samples from a corner on (x, y)."""
    before = planes_of(read(path)[1][0])
    add_pixel_crop(path, *sides)
    after = planes_of(read(path)[1][0])
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        x, y = (place // (2 if number else 1) for place in corner)
        assert np.array_equal(new, old[y:, x:][: new.shape[0], : new.shape[1]])


def test_an_odd_part_begins_at_a_whole_sample_of_chroma(tmp_path):
    path = tmp_path / "clip.mkv"
    encode_clip(path)
    check_planes(path, (5, 3, 4, 4), (4, 2))
    assert (probe(path).width, probe(path).height) == (55, 41)


def test_interlaced_pictures_keep_their_fields(tmp_path):
    path = tmp_path / "clip.mkv"
    encode_clip(path, options={"flags": "+ilme+ildct"})
    order = probe(path).field_order
    check_planes(path, (0, 6, 0, 2), (0, 4))
    assert probe(path).field_order == order is not None


def test_alpha_is_cropped_too(tmp_path):
    path = tmp_path / "clip.mkv"
    encode_clip(path, "ffv1", pix_fmt="yuva420p")
    add_pixel_crop(path, *SIDES)
    assert next(read_rgba(path, SafetyLimits())).shape == (34, 48, 4)


@pytest.mark.parametrize("shown", [(0, 34), (80, 34), (64, 48), (48, 48, 20)])
def test_a_part_that_is_not_in_the_picture_or_all_of_it_is_none(tmp_path, shown):
    path = tmp_path / "clip.mov"
    encode_clip(path)
    add_clean_aperture(path, *shown)
    assert (probe(path).width, probe(path).height) == (64, 48)


def test_pictures_of_another_size_than_stated_are_taken_whole_with_a_line(tmp_path, caplog):
    path = tmp_path / "clip.mov"
    encode_clip(path)
    add_clean_aperture(path, 48, 34)
    data = bytearray(path.read_bytes())
    place = data.index(b"avc1", data.index(b"stsd")) + 4 + 24
    data[place : place + 2] = (80).to_bytes(2, "big")
    path.write_bytes(data)
    info = probe(path)
    assert (info.width, info.height, info.cropped) == (64, 48, False)
    assert "shows 48x34 of pictures of 80x48; those that it has are of 64x48" in caplog.text


def test_damaged_statements_are_none(tmp_path):
    path = tmp_path / "clip.mov"
    encode_clip(path)
    add_clean_aperture(path, 48, 34)
    data = bytearray(path.read_bytes())
    place = data.index(b"clap")
    data[place + 8 : place + 12] = bytes(4)  # a fraction over 0
    path.write_bytes(data)
    assert _read_part(path, "mov", 1, (0, 0)) is None


def test_packets_of_a_cropped_source_are_not_copied(tmp_path):
    path = tmp_path / "clip.mkv"
    encode_clip(path, options=CLOSED)
    add_pixel_crop(path, *SIDES)
    info, frames = read(path)
    with pytest.raises(OutputError, match="its container shows only a part of each picture"):
        open_output(tmp_path / "o.mp4", info, EncodingRequest(copy_unchanged="always"))
    target = tmp_path / "o.mkv"
    output = open_output(target, info, EncodingRequest(codec="ffv1"))
    with output.open_segment(0) as writer:
        for frame in frames:
            writer.write(frame)
    output.finish(1)
    made = probe(target)
    assert (made.width, made.height, made.cropped) == (48, 34, False)
    for before, after in zip(planes_of(frames[0]), planes_of(read(target)[1][0]), strict=True):
        assert np.array_equal(before, after)
