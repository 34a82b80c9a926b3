from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.write.video_writer import open_writer


def read(path: Path) -> list:
    with open_clip(path) as clip:
        return list(clip)


def test_a_folder_of_images_is_a_clip_in_natural_order(tmp_path):
    for index in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"f{index}.png"), np.full((4, 6, 3), (0, 0, index), np.uint8))
    with open_clip(tmp_path, fps=12.5) as clip:
        frames = list(clip)
        assert (clip.info.width, clip.info.height, clip.info.frames) == (6, 4, 3)
    assert [tuple(frame.image[0, 0]) for frame in frames] == [(1, 0, 0), (9, 0, 0), (10, 0, 0)]
    assert [frame.pts * frame.time_base for frame in frames] == [
        0,
        Fraction(2, 25),
        Fraction(4, 25),
    ]


def test_an_image_an_hour_is_a_clip_too(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), np.zeros((16, 16, 3), np.uint8))
    with (
        open_clip(tmp_path / "in", fps=1 / 3600) as clip,
        open_writer(tmp_path / "out.mkv", clip.info) as writer,
    ):
        for frame in clip:
            writer.write(frame)
    with open_clip(tmp_path / "out.mkv") as clip:
        assert [round(frame.pts * frame.time_base) for frame in clip] == [0, 3600, 7200]


def test_images_of_different_sizes_are_no_clip(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((4, 7, 3), np.uint8))
    with pytest.raises(VideoError, match=r"2\.png is 7x4, but 1\.png is 6x4"):
        read(tmp_path)


def test_a_damaged_image_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(VideoError, match="holds no image"):
        read(tmp_path)
    (tmp_path / "1.png").write_bytes(b"not a picture")
    with pytest.raises(VideoError, match=r"cannot read image .*1\.png"):
        read(tmp_path)
