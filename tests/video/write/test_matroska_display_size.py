from fractions import Fraction
from pathlib import Path

import av
import pytest

from outtake.core.errors import OutputError
from outtake.video.matroska_elements import (
    SEEK_HEAD,
    SEGMENT,
    encode_void,
    find_head_parts,
    parse_elements,
)
from outtake.video.write import concat
from outtake.video.write.matroska_display_size import set_display_size
from tests.video.corpus import encode_clip
from tests.video.moving_scene import describe, shallow, write
from tests.video.write.copied_clips import copy_clip

STRICT = {"err_detect": "crccheck+explode"}
SEEK_ID, SEEK_POSITION = 0x53AB, 0x53AC


def find_named(path: Path) -> list[tuple[int, int]]:
    """The elements that the list of positions names: what it says, and what lies there."""
    data = path.read_bytes()
    parts = find_head_parts(data)
    found = []
    for seek in parse_elements(data, parts[SEEK_HEAD].data, parts[SEEK_HEAD].end):
        values = {
            part.id: int.from_bytes(data[part.data : part.end], "big")
            for part in parse_elements(data, seek.data, seek.end)
        }
        if SEEK_ID in values:
            place = parts[SEGMENT].data + values[SEEK_POSITION]
            found.append((values[SEEK_ID], next(parse_elements(data, place, len(data))).id))
    return found


def check(path: Path, aspect: Fraction, tracks: int) -> None:
    with av.open(str(path), options=STRICT) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect
        assert len(container.streams) == tracks
        assert sum(1 for _ in container.decode(video=0)) > 1
        container.seek(0)
        assert next(container.decode(video=0)).pts == 0
    named = find_named(path)
    assert named and all(stated == there for stated, there in named)


@pytest.mark.parametrize("name", ["o.mkv", "o.webm"])
@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(12, 11), Fraction(2)])
def test_pixel_aspect_in_matroska_leaves_a_file_that_checks_out(tmp_path, name, aspect):
    info = describe(tmp_path, sample_aspect_ratio=aspect)
    check(write(tmp_path / name, info, shallow(), codec="vp9"), aspect, 1)


@pytest.mark.parametrize("audio", [["aac"], ["aac", "ac3"]])
def test_a_film_of_other_pixels_with_more_tracks_goes_into_matroska(tmp_path, audio):
    aspect, source = Fraction(16, 15), tmp_path / "in.mkv"
    encode_clip(source, aspect=aspect, audio=audio, subtitles=True, chapters=True)
    copy_clip(tmp_path / "o.mkv", source, copy_unchanged="never")
    check(tmp_path / "o.mkv", aspect, 2 + len(audio))


# With so many tracks, positions take one byte, two, and three.
@pytest.mark.parametrize("tracks", [1, 2, 3, 4, 30, 120])
@pytest.mark.parametrize("attached_bytes", [0, 300, 70_000])
def test_positions_stay_right_whatever_lies_before_the_picture(tmp_path, tracks, attached_bytes):
    source, path = tmp_path / "in.mkv", tmp_path / "o.mkv"
    encode_clip(source, frames=3, audio=["aac"])
    with (
        av.open(str(source)) as film,
        av.open(str(path), "w", container_options={"avoid_negative_ts": "disabled"}) as out,
    ):
        picture = out.add_stream_from_template(film.streams.video[0], opaque=True)
        sounds = [
            out.add_stream_from_template(film.streams.audio[0], opaque=True) for _ in range(tracks)
        ]
        for sound in sounds:
            sound.metadata["title"] = "a title " * 70
        for number in range(2 if attached_bytes else 0):
            out.add_attachment(f"{number}.ttf", "font/ttf", b"x" * attached_bytes)
        out.set_chapters(
            [{"id": 0, "start": 0, "end": 80, "time_base": Fraction(1, 1000), "metadata": {}}]
        )
        for packet in [packet for packet in film.demux(film.streams.video) if packet.size]:
            packet.stream = picture
            out.mux(packet)
    assert set_display_size(path, 128, 48)
    check(path, Fraction(2), 1 + tracks + 2 * bool(attached_bytes))


@pytest.mark.parametrize("length", [0, *range(2, 140)])
def test_an_empty_element_takes_the_bytes_that_it_is_to_take(length):
    assert len(encode_void(length)) == length


def test_a_fault_in_finishing_a_file_is_one_error(tmp_path, monkeypatch):
    def fail(*_: object) -> bool:
        raise OverflowError("int too big to convert")

    monkeypatch.setattr(concat, "set_display_size", fail)
    info = describe(tmp_path, sample_aspect_ratio=Fraction(2))
    with pytest.raises(OutputError, match=r"cannot write .*o\.mkv: int too big to convert"):
        write(tmp_path / "o.mkv", info, shallow(), codec="vp9")


def test_what_is_no_matroska_file_stays_as_it_was(tmp_path):
    (tmp_path / "junk.mkv").write_bytes(b"no matroska at all")
    assert not set_display_size(tmp_path / "junk.mkv", 128, 64)
    assert (tmp_path / "junk.mkv").read_bytes() == b"no matroska at all"
