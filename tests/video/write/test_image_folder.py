from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import probe
from outtake.video.write.image_folder import sequence_names
from outtake.video.write.open_output import open_output
from outtake.video.write.output_checks import check_target
from outtake.video.write.video_writer import open_writer
from tests.video.moving_scene import BASE, describe, scene, shallow, write


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


@pytest.fixture
def numbered(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1001, 1007):
        cv2.imwrite(
            str(folder / f"shot_{number}.jpg"), np.full((16, 24, 3), number % 255, np.uint8)
        )
    return folder


@pytest.mark.parametrize(
    ("part", "expected"),
    [({}, range(1001, 1007)), ({"start": 0.08, "every": 2}, (1003, 1005))],
    ids=["whole", "part"],
)
def test_images_keep_the_names_of_those_of_the_source(numbered, tmp_path, part, expected):
    clip = open_clip(numbered, **part)
    for overwrite in (False, True):
        with clip, open_writer(tmp_path / "out", clip.info, overwrite=overwrite) as writer:
            for frame in clip:
                writer.write(frame)
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [f"shot_{number}.png" for number in expected]
    first = cv2.imread(str(tmp_path / "out" / names[0]))
    assert abs(int(first.mean()) - expected[0] % 255) <= 2


def test_images_of_one_name_are_numbered(tmp_path):
    assert sequence_names((Path("a/1.png"), Path("b/1.png"))) == ()
    assert sequence_names((Path("a/1.png"), Path("b/2.tif"))) == ("1.png", "2.png")


def test_other_files_beside_an_earlier_sequence_are_not_replaced(numbered, tmp_path):
    images = VideoInput(numbered, tuple(numbered.iterdir()))
    target = tmp_path / "out"
    target.mkdir()
    (target / "shot_1001.png").touch()
    check_target(target, images, overwrite=True)
    with pytest.raises(OutputError, match="already holds 1 images"):
        check_target(target, images)
    (target / "shot_1.png").touch()
    with pytest.raises(OutputError, match=r"holds other files \(shot_1\.png\)"):
        check_target(target, images, overwrite=True)


@pytest.mark.parametrize(("audio", "said"), [("auto", True), ("copy", True), ("none", False)])
def test_sound_that_images_cannot_hold_has_its_line(make_video, tmp_path, caplog, audio, said):
    info = probe(make_video("in.mp4", audio="aac", frames=5))
    open_output(tmp_path / "out", info, audio=audio)
    assert ("its sound is not kept in images" in caplog.text) is said
