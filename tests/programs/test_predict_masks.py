"""Masks of one's own for pictures: each picture has its own, or it is left out with a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs.predict import predict

PLACES = {"a.png": (2, 2), "s1/x.png": (40, 2), "s2/x.png": (2, 30)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures of which two have one name, and one is in no list of annotations."""
    folder = tmp_path / "pictures"
    for name in (*PLACES, "other.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), (90, 90, 90)).save(folder / name)
    return folder


def write_coco(path: Path, prefix: str, names: list[str]) -> Path:
    images, annotations = [], []
    for number, name in enumerate(names):
        x, y = PLACES.get(name, (0, 0))
        outline = [x, y, x + 10, y, x + 10, y + 10, x, y + 10]
        images.append({"id": number, "file_name": prefix + name, "width": 64, "height": 48})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "segmentation": [outline],
             "bbox": [x, y, 10, 10], "area": 100, "iscrowd": 0}
        )  # fmt: skip
    categories = [{"id": 1, "name": "thing"}]
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def remove(pictures: Path, out: Path, *overrides: str) -> None:
    given = [f"input={pictures}", f"output={out}", "remover=solid", *overrides]
    predict(compose("predict", given))


@pytest.mark.parametrize("prefix", ["", "images/train/"])
def test_one_file_of_annotations_marks_each_picture_by_its_path(
    pictures: Path, tmp_path: Path, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    masks = write_coco(tmp_path / "coco.json", prefix, list(PLACES))
    with caplog.at_level("INFO", "outtake"):
        remove(pictures, tmp_path / "out", f"masks={masks}")
    for name, (x, y) in PLACES.items():
        changed = (np.asarray(Image.open(tmp_path / "out/removed" / name)) != 90).any(axis=2)
        assert changed[y + 1 : y + 9, x + 1 : x + 9].all(), name
        changed[y : y + 12, x : x + 12] = False
        assert not changed.any(), name
    assert not (tmp_path / "out/removed/other.png").exists()
    assert "1 of 4 pictures have no mask (as other.png) and are left out" in caplog.text
    assert "coco.json has shapes of 3 pictures" in caplog.text


def test_annotations_of_other_pictures_are_refused_and_those_of_one_are_of_all(
    pictures: Path, tmp_path: Path
) -> None:
    masks = write_coco(tmp_path / "coco.json", "", ["elsewhere/1.png", "elsewhere/2.png"])
    with pytest.raises(ConfigError, match=r"none of the pictures to clean, as .*, is among them"):
        remove(pictures, tmp_path / "out", f"masks={masks}")
    masks = write_coco(tmp_path / "coco.json", "", ["elsewhere.png"])
    remove(pictures, tmp_path / "out", f"masks={masks}")
    assert (np.asarray(Image.open(tmp_path / "out/removed/other.png"))[1, 1] != 90).any()


def test_the_only_entry_of_a_file_is_of_the_picture_whose_name_it_has(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    masks = write_coco(tmp_path / "coco.json", "", ["a.png"])
    remove(pictures, tmp_path / "out", f"masks={masks}")
    made = [path for path in (tmp_path / "out/removed").rglob("*") if path.is_file()]
    assert [path.name for path in made] == ["a.png"]
    assert "3 of 4 pictures have no mask (as other.png) and are left out" in caplog.text


def test_pictures_beside_their_annotations_are_no_masks(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """LabelMe's folder, in which a picture is not annotated, and one of YOLO's lists."""
    points = [[5, 5], [15, 5], [15, 15], [5, 15]]
    shape = {"label": "car", "points": points, "shape_type": "polygon"}
    tree = json.dumps({"shapes": [shape], "imageHeight": 48, "imageWidth": 64})
    for name in ("a", "s1/x", "stale"):
        (pictures / f"{name}.json").write_text(tree)
    (pictures / "classes.txt").write_text("car")
    with caplog.at_level("INFO", "outtake"):
        remove(pictures, tmp_path / "out", f"masks={pictures}")
    for name in ("a.png", "s1/x.png"):
        changed = (np.asarray(Image.open(tmp_path / "out/removed" / name)) != 90).any(axis=2)
        assert changed[5:16, 5:16].all() and changed.sum() == 121
    assert not (tmp_path / "out/removed/other.png").exists()
    assert "2 of 4 pictures have no mask" in caplog.text
    assert "1 annotations (as stale.json) have the name of no picture and are left out" in (
        caplog.text
    )


def test_a_mask_is_turned_as_its_picture_is(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    turned = Image.Exif()
    turned[274] = 6
    mask = np.zeros((48, 64), np.uint8)
    mask[2:12, 2:12] = 255
    for image, file in (
        (Image.new("RGB", (64, 48), (90, 90, 90)), pictures / "a.png"),
        (Image.fromarray(mask), tmp_path / "masks/a.png"),
    ):
        image.save(file, exif=turned)
    remove(pictures, tmp_path / "out", f"masks={tmp_path / 'masks'}")
    made = (np.asarray(Image.open(tmp_path / "out/removed/a.png")) != 90).any(axis=2)
    assert np.array_equal(made, np.rot90(mask, -1) > 0)


def test_a_region_beside_a_picture_has_a_line(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("RGB", (128, 96), (90, 90, 90)).save(pictures / "large.png")
    with caplog.at_level("WARNING", "outtake"):
        remove(pictures, tmp_path / "out", "regions=[{box:[100,70,20,20]}]")
    lines = [line for line in caplog.messages if "holds no pixel of the picture" in line]
    assert len(lines) == 4 and not any("large.png" in line for line in lines)


def test_a_mask_is_of_the_picture_whose_output_has_its_name_and_accents_are_alike(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures, masks = tmp_path / "in", tmp_path / "masks"
    pictures.mkdir()
    masks.mkdir()
    for name in ("IMG.jpg", "IMG.png", "IMG.jpg.png", "cafe\u0301.png"):
        Image.new("RGB", (64, 48), (90, 90, 90)).save(pictures / name)
    for name in ("IMG.jpg.png", "caf\u00e9.png"):
        Image.new("L", (64, 48), 255).save(masks / name)
    with caplog.at_level("WARNING", "outtake"):
        remove(pictures, tmp_path / "out", f"masks={masks}")
    made = sorted(path.name for path in (tmp_path / "out/removed").iterdir())
    assert made == ["IMG.jpg", "cafe\u0301.png"]
    assert "2 of 4 pictures have no mask (as IMG.jpg.png)" in caplog.text


@pytest.mark.parametrize("named", ["train/masks", "train/masks/s1", "train/masks/s1/x.png"])
def test_what_is_unlabelled_in_a_project_is_not_removed(
    pictures: Path, tmp_path: Path, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "project"
    mask = root / "train/masks/s1/x.png"
    mask.parent.mkdir(parents=True)
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 20:40], labels[:, 40:] = 1, 255
    Image.fromarray(labels).save(mask)
    source = pictures / "s1" if named.endswith("/s1") else pictures

    def find_removed(out: str, *overrides: str) -> list[bool]:
        remove(source, tmp_path / out, f"masks.path={root / named}", *overrides)
        made = next((tmp_path / out / "removed").rglob("x.png"))
        changed = (np.asarray(Image.open(made)) != 90).any(axis=2)
        return [bool(changed[24, x]) for x in (5, 30, 60)]

    assert find_removed("set") == [False, True, True]  # nothing says that it is unlabelled
    assert "unlabelled" not in caplog.text
    (root / "project.json").write_text("{}")
    assert find_removed("project") == [False, True, False]
    line = f"masks: {Path(named).name} holds the labels of project, where 255 is unlabelled"
    assert line in caplog.text
    assert find_removed("ids", "masks.ids=[255]") == [False, False, True]
