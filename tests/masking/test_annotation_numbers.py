"""Which frames annotations are of: by the names of their pictures, else by the ids of a tool."""

import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_numbers import ClipFacts
from outtake.masking.mask_values import MaskValueOptions

HEIGHT, WIDTH = 8, 64
NAMES = tuple(f"img_{number}.png" for number in range(1, 13))


def write_images(file, entries, height=HEIGHT):
    """Write "CVAT for images": (id, name, column that the object begins at)."""
    shapes = "".join(
        f'<image id="{each}" name="{name}" width="{WIDTH}" height="{height}">'
        f'<box label="car" xtl="{left}" ytl="0" xbr="{left + 2}" ybr="4"/></image>'
        for each, name, left in entries
    )
    file.write_text(f"<annotations>{shapes}</annotations>")
    return file


def write_video(file, left, frame=0):
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    box = f'<box frame="{frame}" outside="0" xtl="{left}" ytl="0" xbr="{left + 2}" ybr="4"/>'
    file.write_text(
        f"<annotations><meta><task>{size}</task></meta>"
        f'<track id="0" label="car">{box}</track></annotations>'
    )
    return file


def build(place, frames, names=(), first=None, exact=True, part=None):
    clip = ClipFacts((HEIGHT, WIDTH), frames, exact, names, part)
    return build_mask_source(find_mask_files(place), MaskValueOptions(), clip=clip, first=first)


def columns(found, frames):
    """Return where the objects of each frame begin."""
    masks = [each.mask for each, _ in zip(found.source.open(), range(frames), strict=False)]
    edges = [np.flatnonzero(np.diff(mask[0].astype(int), prepend=0) > 0) for mask in masks]
    return [edge.tolist() for edge in edges]


@pytest.mark.parametrize("names", [NAMES, ()], ids=["pictures", "video"])
def test_pictures_that_a_tool_sorts_otherwise_are_found_by_their_names(tmp_path, names):
    entries = [(each, name, int(name[4:-4])) for each, name in enumerate(sorted(NAMES))]
    found = build(write_images(tmp_path / "a.xml", entries), 12, names)
    assert columns(found, 12) == [[number] for number in range(1, 13)]
    assert len(found.notes) == 1, "nothing was guessed"


def test_pictures_of_a_part_of_the_clip_are_found_by_their_names(tmp_path):
    entries = [(each, f"clip/img_{each + 7}.png", each) for each in range(3)]
    file = write_images(tmp_path / "a.xml", entries)
    assert columns(build(file, 12, NAMES), 12) == [[]] * 6 + [[0], [1], [2]] + [[]] * 3
    assert columns(build(file, 12, NAMES, part=range(7, 9)), 2) == [[1], [2]]


def test_numbers_with_gaps_in_names_are_frames_of_a_video(tmp_path):
    entries = [(0, "frame_000002.png", 5), (1, "frame_000007.png", 9)]
    found = build(write_images(tmp_path / "a.xml", entries), 10)
    assert columns(found, 10) == [[5] if n == 2 else [9] if n == 7 else [] for n in range(10)]


@pytest.mark.parametrize("exact", [True, False])
def test_ids_count_where_names_do_not_tell_and_a_line_says_so(tmp_path, exact):
    entries = [(0, "left.png", 1), (2, "right.png", 3)]
    found = build(write_images(tmp_path / "a.xml", entries), 5, exact=exact)
    assert columns(found, 5) == [[1], [], [3], [], []]
    assert (
        "the names of its pictures (as left.png) do not say which frames they are; their ids"
        in (found.notes[-1])
    )
    told = build(write_images(tmp_path / "b.xml", [(1, "f_1.png", 1), (2, "f_2.png", 3)]), 5)
    assert columns(told, 5) == [[], [1], [3], [], []] and "their ids" not in told.notes[-1]


def test_ids_that_cannot_be_frames_are_refused(tmp_path):
    write_images(tmp_path / "a.xml", [(0, "a.png", 1), (1, "b.png", 1)])
    write_images(tmp_path / "b.xml", [(0, "c.png", 3)])
    with pytest.raises(ConfigError, match=r"a\.png and c\.png have the id 0, so that nobody"):
        build(tmp_path, 9)
    write_images(tmp_path / "b.xml", [(9, "c.png", 3)])
    with pytest.raises(ConfigError, match=r"has shapes in frame 9, and the clip has 9 frames"):
        build(tmp_path, 9)


def test_objects_of_one_frame_in_several_files_are_united(tmp_path):
    write_video(tmp_path / "a.xml", 2)
    write_video(tmp_path / "b.xml", 40)
    found = build(tmp_path, 3)
    assert columns(found, 3) == [[2, 40], [], []]
    assert (
        "1 frames (as frame 0) are marked several times: their shapes are united"
        in (found.warnings[0])
    )
    write_images(tmp_path / "a.xml", [(0, "a.png", 2)])
    write_images(tmp_path / "b.xml", [(0, "a.png", 40)], height=HEIGHT + 2)
    with pytest.raises(VideoError, match=r"b\.xml: a\.png has another size than where it was"):
        build(tmp_path, 3)


def test_the_first_number_counts_for_ids_too(tmp_path):
    file = write_video(tmp_path / "a.xml", 2, frame=4)
    assert columns(build(file, 3, first=2), 3) == [[], [], [2]]
    with pytest.raises(ConfigError, match=r"frame 4 would be the mask of frame -1, .*masks\.first"):
        build(file, 3, first=5)
