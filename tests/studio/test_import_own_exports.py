"""What the studio exports, and what it keeps of a project, is imported as it was."""

from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError
from outtake.studio.export_files import FrameExport, pack
from outtake.studio.import_masks import MaskImport
from outtake.studio.project import Project
from outtake.studio.unpack_masks import list_folder, unpack_zip
from tests.studio.test_import_masks import packed

SIZE = (24, 32)
OBJECT, BACKGROUND = (slice(4, 12), slice(4, 12)), (slice(14, 20), slice(20, 28))


def brush(stroke, value, x, y):
    points = [[x, y], [x + 3, y]]
    return {"stroke": stroke, "tool": "brush", "class": value, "size": 5, "points": points}


@pytest.fixture
def open_project(tmp_path):
    """A function that opens a new project of a clip of pictures that are named from 1."""
    rng, clip, opened = np.random.default_rng(0), tmp_path / "clip", []
    clip.mkdir()
    for number in range(5):
        picture = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(picture).save(clip / f"shot_{number + 1:02d}.png")

    def open_new():
        opened.append(Project(tmp_path / f"project_{len(opened)}", clip))
        return opened[-1]

    yield open_new
    for each in opened:
        each.close()


@pytest.fixture
def labelled(open_project):
    project = open_project()
    project.labels[1].append(0, [brush(0, 1, 6, 8), brush(1, 0, 22, 17)])
    project.labels[3].append(0, [brush(0, 0, 6, 8)])  # the background alone
    return project


def refuse(number):
    raise ConfigError("no network")


def take(project, received):
    found = MaskImport(project, received)
    for _ in found.run(nullcontext()):
        pass
    return found


def take_zip(project, content, tmp_path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (tmp_path / "masks.zip").write_bytes(content)
    return take(project, unpack_zip(tmp_path / "masks.zip", folder, SIZE, 1 << 24))


def assert_same(project, other, found):
    assert found.problems == [] and sorted(found.frames) == [1, 3] == project.labelled_frames()
    for number in (1, 3):
        assert np.array_equal(project.labels[number].labels, other.labels[number].labels)
    assert "values are the numbers of classes, and 255 is unlabelled" in found.notes


def test_a_training_set_comes_back(labelled, open_project, tmp_path):
    content = b"".join(pack(FrameExport(labelled, refuse, nullcontext()).training_set()))
    other = open_project()
    found = take_zip(other, content, tmp_path)
    assert_same(other, labelled, found)
    assert "the masks are those of train/masks; 3 files beside it are left out" in found.notes


@pytest.mark.parametrize("depth", ["", "a/project.outtake/"])
def test_a_packed_project_has_its_frames_by_their_numbers(labelled, open_project, tmp_path, depth):
    files = [each for each in labelled.folder.rglob("*") if each.is_file()]
    names = [f"{depth}{each.relative_to(labelled.folder).as_posix()}" for each in files]
    content = packed({n: each.read_bytes() for n, each in zip(names, files, strict=True)})
    other = open_project()
    assert_same(other, labelled, take_zip(other, content, tmp_path))


@pytest.mark.parametrize("folder", [".", "train/masks"])
def test_the_folder_of_a_project_or_of_its_masks_is_taken(labelled, open_project, folder):
    other = open_project()
    assert_same(other, labelled, take(other, list_folder(labelled.folder / folder, SIZE)))


def test_masks_of_a_set_whose_classes_do_not_say_so_are_black_and_white(open_project, tmp_path):
    mask = np.zeros(SIZE, np.uint8)
    mask[OBJECT] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files = {"train/masks/shot_02.png": (tmp_path / "mask.png").read_bytes()}
    files |= {"train/images/shot_02.png": b"", "classes.yaml": b"names: [background, object]"}
    project = open_project()
    found = take_zip(project, packed(files), tmp_path)
    assert found.problems == [] and np.array_equal(project.labels[1].labels, mask // 255)


def test_cut_outs_are_masks_by_their_alpha(labelled, open_project, tmp_path):
    export = FrameExport(labelled, refuse, nullcontext())
    other = open_project()
    found = take_zip(other, b"".join(pack(export.cutouts())), tmp_path)
    assert found.problems == [] and 1 in found.frames
    assert np.array_equal(other.labels[1].labels == 1, labelled.labels[1].labels == 1)
    assert any("what is opaque is object" in line for line in found.notes)


def test_advice_about_pictures_is_about_what_the_studio_has(open_project, tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    project = open_project()
    content = packed({"shot_01.png": (tmp_path / "picture.png").read_bytes()})
    (problem,) = take_zip(project, content, tmp_path).problems
    assert problem == (
        "shot_01.png: is in colours, and there are more of them than the 2 classes; add classes "
        "first, or save the number of the class of each pixel, and 255 where it is unlabelled"
    )
