"""Tags are kept where a container has a place for them; where it has none, one line says so."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from outtake.video.read.clip import open_clip
from outtake.video.write.container_tags import choose_tag_flags
from outtake.video.write.open_output import open_output

CAMERA = {
    "com.apple.quicktime.location.ISO6709": "+48.1370+011.5750+520.000/",
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone",
    "creation_time": "2024-01-02T03:04:05.000000Z",
}
OF_TRACK = {"language": "jpn", "title": "Director's cut"}


def write_tagged(path: Path, tags: dict[str, str], of_track: dict[str, str]) -> None:
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mov" else {}
    with av.open(str(path), "w", container_options=options) as out:
        out.metadata.update(tags)
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.metadata.update(of_track)
        for index in range(3):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def take_over(source: Path, target: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Write the frames of a clip; return the tags of the file and of its picture."""
    with open_clip(source) as clip:
        output = open_output(target, clip.info)
        with output.open_segment(0) as writer:
            for frame in clip:
                writer.write(frame)
    output.finish(1)
    with av.open(str(target)) as made:
        return dict(made.metadata), dict(made.streams.video[0].metadata)


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_what_a_camera_says_stays(tmp_path, caplog, suffix):
    write_tagged(tmp_path / "in.mov", CAMERA, {})
    found, _ = take_over(tmp_path / "in.mov", tmp_path / f"out{suffix}")
    found = {key.lower(): value for key, value in found.items()}
    assert {key.lower(): value for key, value in CAMERA.items()}.items() <= found.items()
    assert "tags" not in caplog.text


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_title_stays_where_players_look_for_it_and_what_is_lost_has_a_line(
    tmp_path, caplog, suffix
):
    write_tagged(tmp_path / "in.mkv", {"title": "Sea", "CUSTOM": "x"}, {**OF_TRACK, "FOO": "bar"})
    found, of_track = take_over(tmp_path / "in.mkv", tmp_path / f"out{suffix}")
    assert found["title"] == "Sea" and b"\xa9nam" in (tmp_path / f"out{suffix}").read_bytes()
    assert of_track["language"] == "jpn" and of_track["name"] == OF_TRACK["title"]
    said = f"in.mkv: tags that a {suffix} file does not keep: CUSTOM, FOO of track 0"
    assert said in caplog.text


def test_tags_of_the_picture_stay_there_and_back(tmp_path, caplog):
    write_tagged(tmp_path / "in.mkv", {}, OF_TRACK)
    take_over(tmp_path / "in.mkv", tmp_path / "between.mp4")
    _, found = take_over(tmp_path / "between.mp4", tmp_path / "out.mkv")
    assert OF_TRACK.items() <= found.items()
    assert "tags" not in caplog.text


@pytest.mark.parametrize(
    ("tags", "container", "flags"),
    [
        ({}, "mp4", ""),
        ({"title": "Sea"}, "mp4", ""),
        ({"title": "Sea", "CUSTOM": "x"}, "mp4", ""),
        ({"CUSTOM": "x", "creation_time": CAMERA["creation_time"]}, "mp4", "+use_metadata_tags"),
        (CAMERA, "mov", "+use_metadata_tags"),
        (CAMERA, "matroska", ""),
    ],
)
def test_the_other_way_of_storing_tags_is_taken_where_the_usual_one_keeps_none(
    tags, container, flags
):
    assert choose_tag_flags(tags, container) == flags
