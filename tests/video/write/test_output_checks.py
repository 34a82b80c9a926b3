import os

import pytest

from outtake.core.errors import OutputError
from outtake.video.read.inputs import VideoInput
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.output_checks import check_target


def test_targets_that_cannot_be_are_refused(make_video, tmp_path):
    source = make_video("in.mp4", frames=2)
    (tmp_path / "there.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").touch()
    wrong = {
        "in.mp4": "is the input",
        "out.xyz": r"unknown suffix '\.xyz'; use \.mp4",
        "there.mp4": "exists; set overwrite=true",
        "folder.mp4": "is a folder",
        "there.mp4/out.mp4": "is a file",
        "notes": r"holds other files \(diary\.txt\)",
    }
    for name, message in wrong.items():
        with pytest.raises(OutputError, match=message):
            check_target(tmp_path / name, source)
    with pytest.raises(OutputError, match=r"codec=h264 does not go into out\.webm; use av1, vp9"):
        check_target(tmp_path / "out.webm", source, EncodingRequest(codec="h264"))
    with pytest.raises(OutputError, match=r"codec=divx: unknown; use auto, h264"):
        check_target(tmp_path / "out.mp4", source, EncodingRequest(codec="divx"))
    with pytest.raises(OutputError, match="holds other files"):
        check_target(tmp_path / "notes", source, overwrite=True)


def test_folders_that_no_sequence_can_take_the_place_of_are_refused(
    make_video, tmp_path, monkeypatch
):
    source = make_video("in.mp4", frames=2)
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    for name in ("link", "broken"):
        with pytest.raises(OutputError, match=r"is a link to .*; name that folder itself"):
            check_target(tmp_path / name, source, overwrite=True)
    with pytest.raises(OutputError, match="is a folder that is there; name a video in it"):
        check_target(".", source, overwrite=True)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "far")
    with pytest.raises(OutputError, match="is where a file system is mounted"):
        check_target(tmp_path / "far", source)


@pytest.mark.parametrize(
    "asked", [{"crf": 20}, {"bitrate": "1M"}, {"level": 4}, {"copy_unchanged": "always"}]
)
def test_options_of_videos_are_refused_for_images(tmp_path, asked):
    ((key, value),) = asked.items()
    with pytest.raises(OutputError, match=rf"encode\.{key}={value} is of videos, and output"):
        check_target(tmp_path / "frames", tmp_path / "in.mp4", EncodingRequest(**asked))


@pytest.mark.parametrize(
    ("name", "reads", "message"),
    [
        ("m.mkv", {"masks": "m.mkv"}, r"is masks=.*m\.mkv; name another file"),
        ("sub/../m.mkv", ["m.mkv"], r"is a file that is read \(.*m\.mkv\); name another file"),
        ("masks", {"masks": "masks/00000.png"}, r"is masks=.*00000\.png"),
        ("o.mp4", {"masks": "o.mp4.part"}, r"write over .*o\.mp4\.part, where masks=.* lies"),
        ("o.mp4", {"input": "o.mp4.part/00000.mkv"}, r"write over .*o\.mp4\.part, where input="),
        (
            "o.mp4",
            {"remover.net": "o.report.json"},
            r"write over .*report\.json, where remover\.net",
        ),
    ],
)
def test_no_output_is_written_over_what_is_read(make_video, tmp_path, name, reads, message):
    source = make_video("in.mp4", frames=2)
    (tmp_path / "sub").mkdir()
    if isinstance(reads, dict):
        given = {key: tmp_path / path for key, path in reads.items()}
    else:
        given = [tmp_path / path for path in reads]
    with pytest.raises(OutputError, match=message):
        check_target(tmp_path / name, source, overwrite=True, input_paths=given)
    check_target(tmp_path / "other.mp4", source, input_paths=given)


def test_no_image_of_a_list_is_written_over(tmp_path):
    images = (tmp_path / "a" / "1.png", tmp_path / "b" / "00000.png")
    source = VideoInput(tmp_path / "a", images)
    for name in ("a", "b"):
        with pytest.raises(OutputError, match="is the input; name another file"):
            check_target(tmp_path / name, source, overwrite=True)
    # A run's own folder, or the one that the images lie in, is a good place for a video.
    check_target(tmp_path / "a" / "out.mp4", source, input_paths={"checkpoint": tmp_path / "a"})


def test_a_link_to_the_input_is_the_input(make_video, tmp_path):
    source = make_video("in.mp4", frames=2)
    (tmp_path / "link.mp4").symlink_to(source)
    with pytest.raises(OutputError, match="is the input"):
        check_target(tmp_path / "link.mp4", source, overwrite=True)
    with pytest.raises(OutputError, match="is masks="):
        check_target(source, tmp_path / "x.mp4", overwrite=True,
                     input_paths={"masks": tmp_path / "link.mp4"})  # fmt: skip
