"""Of what was removed, nothing is left in the bits that 8 bits of RGB do not show."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.video.colour import plane_arrays
from tests.programs.removal_scene import run

HEIGHT, WIDTH, FRAMES = 48, 64, 6
HOLE = np.s_[10:30, 12:44]
# The planes of a sample of chroma that lies in the hole alone.
HOLE_OF_CHROMA = np.s_[5:15, 6:22]
STRIPES = np.indices((HEIGHT, WIDTH)).sum(axis=0) // 4 % 3


def write_masks(folder: Path) -> None:
    folder.mkdir()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[HOLE] = 255
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number:05d}.png"), mask)


def write_dark_clip(path: Path, pix_fmt: str, darkest: int, grey: int) -> None:
    """Write a clip whose stripes are all black, or nearly, in 8 bits of RGB."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for number in range(FRAMES):
            frame = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            luma, *chroma = plane_arrays(frame)
            luma[:] = darkest + STRIPES
            for plane in chroma:
                plane[:] = grey
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def read_planes(path: Path) -> list[list[np.ndarray]]:
    with av.open(str(path)) as file:
        return [[plane.copy() for plane in plane_arrays(each)] for each in file.decode(video=0)]


@pytest.mark.parametrize(
    ("pix_fmt", "darkest", "grey"),
    [("yuv420p10le", 64, 512), ("yuv420p10le", 40, 512), ("yuv420p", 10, 128)],
    ids=["bits below 8", "blacker than black, 10 bits", "blacker than black, 8 bits"],
)
def test_a_black_box_is_black_in_all_bits(tmp_path, pix_fmt, darkest, grey):
    source = tmp_path / "dark.mkv"
    write_dark_clip(source, pix_fmt, darkest, grey)
    write_masks(tmp_path / "masks")
    output = run(
        tmp_path, f"input={source}", f"masks={tmp_path / 'masks'}", "remover=solid",
        f"output={tmp_path / 'out.mkv'}", "encode.codec=ffv1",
    )  # fmt: skip
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[HOLE] = False
    for before, after in zip(read_planes(source), read_planes(output), strict=True):
        assert np.array_equal(before[0][outside], after[0][outside])
        assert np.ptp(after[0][HOLE]) == 0
        assert all(np.ptp(plane[HOLE_OF_CHROMA]) == 0 for plane in after[1:])


def test_pictures_of_16_bits_keep_none_in_the_hole(tmp_path):
    (tmp_path / "in").mkdir()
    given = np.repeat((40 * STRIPES).astype(np.uint16)[..., None], 3, axis=2)
    for number in range(FRAMES):
        cv2.imwrite(str(tmp_path / "in" / f"{number:05d}.png"), given)
    write_masks(tmp_path / "masks")
    places = [f"input={tmp_path / 'in'}", f"masks={tmp_path / 'masks'}"]
    output = run(tmp_path, *places, f"output={tmp_path / 'out'}", "remover=solid")
    made = cv2.imread(str(output / "00003.png"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16 and not made[HOLE].any()
    made[HOLE] = given[HOLE]
    assert np.array_equal(made, given)


@pytest.mark.parametrize("darkest", [64, 40, 900])
@pytest.mark.parametrize("output", ["output={}/out", "output={}/out.mkv encode.codec=ffv1"])
def test_masks_of_a_clip_of_more_than_8_bits_are_black_and_white(tmp_path, darkest, output):
    source = tmp_path / "dark.mkv"
    write_dark_clip(source, "yuv420p10le", darkest, 512)
    write_masks(tmp_path / "masks")
    written = run(
        tmp_path, f"input={source}", f"masks={tmp_path / 'masks'}", "remover=mask",
        *output.format(tmp_path).split(),
    )  # fmt: skip
    if written.is_dir():
        pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in written.glob("*.png")]
    else:
        pictures = [planes[0] for planes in read_planes(written)]
    assert len(pictures) == FRAMES
    for picture in pictures:
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[HOLE] = False
        assert np.ptp(picture[HOLE]) == 0 and np.ptp(picture[outside]) == 0
        assert picture[HOLE].min() > picture[outside].max()
