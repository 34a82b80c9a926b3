from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError, VideoError
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_numbers import ClipFacts
from outtake.masking.mask_source import open_mask_video
from outtake.masking.mask_values import MaskValueOptions
from outtake.video.read.safety_limits import SafetyLimits


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".json", ".txt", ".xml"):
            path.write_text("")
        else:
            Image.fromarray(np.eye(4, dtype=np.uint8)).save(path)
    return folder


@pytest.mark.parametrize(
    ("names", "kind", "used"),
    [
        (["10.png", "2.png", "1.png"], "pictures", ["1.png", "2.png", "10.png"]),
        (["clip/1.png", "clip/2.png"], "pictures", ["1.png", "2.png"]),
        (["1.jpg", "2.jpg", "1.json", "2.json"], "annotations", ["1.json", "2.json"]),
        (["1.png", "2.png", "readme.txt"], "pictures", ["1.png", "2.png"]),
        (["1.txt", "2.txt", "classes.txt"], "annotations", ["1.txt", "2.txt"]),
        (["1.jpg", "2.jpg", "3.jpg", "3.json"], "annotations", ["3.json"]),
        (["1.jpg", "2.jpg", "1.txt", "classes.txt"], "annotations", ["1.txt"]),
    ],
)
def test_a_folder_is_searched_as_tools_leave_it(tmp_path, names, kind, used):
    found = find_mask_files(lay(tmp_path / "masks", *names))
    assert found.kind == kind and [file.name for file in found.files] == used


def test_what_lies_beside_pictures_has_a_line(tmp_path):
    folder = lay(tmp_path / "masks", "1.png", "2.png", "set.json", "classes.txt")
    files = find_mask_files(folder)
    assert [file.name for file in files.unused_files] == ["set.json"]
    found = build_mask_source(files, MaskValueOptions(), clip=ClipFacts((4, 4), 2, True))
    assert "1 files beside the masks of masks are no pictures and are left out (as set.json)" in (
        found.notes
    )


def test_a_glob_a_list_and_one_picture_are_pictures(tmp_path):
    folder = lay(tmp_path, "m1.png", "m2.png")
    assert len(find_mask_files(f"{folder}/m*.png").files) == 2
    assert len(find_mask_files([str(folder / "m1.png"), str(folder / "m2.png")]).files) == 2
    assert find_mask_files(folder / "m1.png").paths() == [folder, folder / "m1.png"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_an_animated_picture_is_read_whole(tmp_path, suffix):
    frames = [Image.fromarray(np.full((8, 8), 255 * (n % 2), np.uint8)) for n in range(3)]
    path = tmp_path / f"m{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    found = find_mask_files(path)
    assert found.kind == "video" and found.video is not None
    with open_mask_video(found.video, SafetyLimits()) as pictures:
        assert [int(picture.values.max() > 127) for picture in pictures] == [0, 1, 0]


def test_an_animated_picture_keeps_its_alpha(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    frames = [Image.fromarray(np.roll(pixels, n, axis=0)) for n in range(3)]
    frames[0].save(tmp_path / "m.png", save_all=True, append_images=frames[1:], duration=40)
    found = find_mask_files(tmp_path / "m.png")
    assert found.video is not None
    with open_mask_video(found.video, SafetyLimits()) as pictures:
        alphas = [picture.alpha for picture in pictures]
    assert all(alpha is not None and (alpha > 0).sum() == 32 for alpha in alphas)


def test_folders_of_several_clips_are_named(tmp_path):
    folder = lay(tmp_path / "masks", "bear/1.png", "camel/1.png")
    with pytest.raises(
        VideoError, match=r"masks=.*: holds 2 folders \(bear, camel\) and no masks; name"
    ):
        find_mask_files(folder)


def test_what_is_not_there_names_its_key(tmp_path):
    (tmp_path / "not_here").mkdir()
    said = r"^masks=.*nothere: no such file or folder; .* holds not_here$"
    with pytest.raises(VideoError, match=said):
        find_mask_files(tmp_path / "nothere")
    with pytest.raises(VideoError, match=r"^masks=.*: is an empty folder; name that of the masks$"):
        find_mask_files(tmp_path / "not_here")
    with pytest.raises(VideoError, match=r"^masks=-: standard input takes the clip alone; name a"):
        find_mask_files("-")


def lay_objects(root: Path, **objects: dict[str, int]) -> Path:
    """Write a folder for each object; each picture marks one column."""
    for name, pictures in objects.items():
        for file, column in pictures.items():
            path = root / name.lstrip("_") / file
            path.parent.mkdir(parents=True, exist_ok=True)
            marked = np.zeros((4, 8), np.uint8)
            marked[:, column] = 1
            Image.fromarray(marked).save(path)
    return root


def columns(found, frames=2):
    """Return which columns the masks of the first frames mark."""
    masks = [each.mask for each, _ in zip(found.source.open(), range(frames), strict=False)]
    return [np.flatnonzero(mask.any(axis=0)).tolist() for mask in masks]


def build(place, ids=None, frames=2, **options):
    clip = ClipFacts((4, 8), frames, True)
    options = MaskValueOptions(ids=ids, **options)
    return build_mask_source(find_mask_files(place, ids), options, clip=clip)


def test_folders_of_objects_are_united_and_chosen_by_number_or_name(tmp_path):
    root = lay_objects(
        tmp_path / "clip", _001={"0.png": 0, "1.png": 1}, _002={"0.png": 2}, _010={"1.png": 5}
    )
    found = build(tmp_path)  # a tool's folder for the one clip
    assert columns(found) == [[0, 2], [1, 5]]
    assert "union of 3 folders, one for each object (001, 002, 010)" in found.notes[0]
    assert columns(build(root, [2, 10])) == [[2], [5]], "frames of other objects count"
    assert columns(build(root, ["001"])) == [[0], [1]]
    assert set(find_mask_files(root, [10]).paths()) == {root / "010", root / "010/1.png"}
    with pytest.raises(ConfigError, match=r"none is 7; there are 001, 002, 010"):
        find_mask_files(root, [7])


def test_what_no_object_covers_is_what_masks_are_inverted_to(tmp_path):
    root = lay_objects(tmp_path, _1={"0.png": 0, "1.png": 1}, _2={"0.png": 2, "1.png": 2})
    assert columns(build(root, invert=True)) == [[1, 3, 4, 5, 6, 7], [0, 3, 4, 5, 6, 7]]


def test_folders_of_other_names_are_objects_where_the_user_names_them(tmp_path):
    root = lay_objects(tmp_path, car={"0.png": 0, "1.png": 1}, man={"0.png": 3, "1.png": 3})
    with pytest.raises(VideoError, match=r"objects of it, as in masks.ids=\[car,man\]"):
        find_mask_files(root)
    assert columns(build(root, ["car", "man"])) == [[0, 3], [1, 3]]
    one = build(root, ["man"])
    assert columns(one) == [[3], [3]] and "the folder of one object (man)" in one.notes[0]


def test_every_picture_of_an_object_identifies_the_masks(tmp_path):
    root = lay_objects(tmp_path, obj_1={"0.png": 0, "1.png": 1}, obj_2={"0.png": 2, "1.png": 2})
    before = build(root).source.digest()
    lay_objects(root, obj_2={"1.png": 3})
    assert build(root).source.digest() != before


def test_numbered_folders_of_differently_named_pictures_are_no_objects(tmp_path):
    root = lay_objects(tmp_path, _1={"a.png": 0}, _2={"b.png": 0})
    with pytest.raises(VideoError, match="holds 2 folders"):
        find_mask_files(root)
