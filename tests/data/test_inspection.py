"""Every seeded defect is named, and a clean set is clean."""

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.data.camvid import CamVid
from outtake.data.defects import KINDS
from outtake.data.folder import Folder
from outtake.data.inspection import inspect_source
from tests.data.generated import label_map, save

SIZE = (48, 64)


def scene(seed, size=SIZE):
    """An image with detail of its own, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def clean(root, train=12, val=4):
    """A clean set of three classes; return the paths of its images and masks."""
    for offset, (split, count) in enumerate((("train", train), ("val", val))):
        for number in range(count):
            seed = 100 * offset + number
            save(root / split / "images" / f"{number:02}.png", scene(seed))
            save(root / split / "masks" / f"{number:02}.png", label_map(seed, SIZE))
    return root


def seed_of(split, number):
    return number + 100 * (split == "val")


def image(root, number=3, split="train"):
    return root / split / "images" / f"{number:02}.png"


def mask(root, number=3, split="train"):
    return root / split / "masks" / f"{number:02}.png"


def damage(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def with_value(root, value, number=3):
    labels = label_map(number, SIZE)
    labels[5:9, 5:9] = value
    save(mask(root, number), labels)


def jpeg_mask(root):
    mask(root).unlink()
    save(mask(root).with_suffix(".jpg"), label_map(3, SIZE))


def misnamed(root):
    Image.fromarray(scene(3)).save(image(root), format="BMP")


def animation(root):
    frames = [Image.fromarray(scene(seed)) for seed in (3, 4)]
    image(root).unlink()
    frames[0].save(image(root).with_suffix(".gif"), save_all=True, append_images=frames[1:])


def dull(root):
    save(image(root), scene(3) // 64 + 100)


def deep(root):
    cv2.imwrite(str(image(root, 2, "val")), scene(77).astype(np.uint16) * 257)


def black_and_white(root):
    (root / "classes.yaml").write_text("names: [ground, road, car]\n")
    for split, count in (("train", 12), ("val", 4)):
        for number in range(count):
            labels = (label_map(seed_of(split, number), SIZE, 2) * 255).astype(np.uint8)
            save(mask(root, number, split), labels)


def soft(root):
    labels = np.zeros(SIZE, np.uint8)
    cv2.circle(labels, (30, 24), 12, 250, -1)
    save(mask(root), cv2.GaussianBlur(labels, (0, 0), 1.5))


def all_soft(root):
    for number in range(12):
        labels = (label_map(number, SIZE, 2) * 255).astype(np.uint8)
        save(mask(root, number), cv2.GaussianBlur(labels, (0, 0), 1))


def coloured(root):
    colours = np.array([[0, 0, 0], [200, 0, 0], [0, 0, 200]], np.uint8)
    save(mask(root), colours[label_map(3, SIZE)])


def all_coloured(root, odd=(7, 7, 9)):
    colours = np.array([[0, 0, 0], [200, 0, 0], [0, 0, 200]], np.uint8)
    for split, count in (("train", 12), ("val", 4)):
        for number in range(count):
            painted = colours[label_map(seed_of(split, number), SIZE)]
            if (split, number) == ("train", 3):
                painted[4:8, 4:8] = odd
            save(mask(root, number, split), painted)


def one_class(root):
    for number in range(12):
        save(mask(root, number), np.zeros(SIZE, np.uint8))


def nearly_one_class(root):
    for split, count in (("train", 12), ("val", 4)):
        for number in range(count):
            labels = np.zeros(SIZE, np.uint8)
            labels[number : number + 3, 4:7] = 1
            labels[30:32, number : number + 3 + (split == "val")] = 2
            save(mask(root, number, split), labels)


def only_in_val(root):
    labels = label_map(2, SIZE, 4)
    (root / "classes.yaml").write_text("names: [ground, road, car, tram]\n")
    save(mask(root, 1, "val"), labels)


def empty_val(root):
    for kind in ("images", "masks"):
        for path in (root / "val" / kind).iterdir():
            path.unlink()


def no_val(root):
    empty_val(root)
    for kind in ("images", "masks"):
        (root / "val" / kind).rmdir()


def listed(root):
    for number in range(12):
        save(root / f"JPEGImages/{number}.png", scene(number))
        save(root / f"SegmentationClass/{number}.png", label_map(number, SIZE))
    for kind in ("train", "val"):
        for folder in ("images", "masks"):
            for path in (root / kind / folder).iterdir():
                path.unlink()
            (root / kind / folder).rmdir()
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(map(str, [*range(8), 77])))
    (lists / "val.txt").write_text("8\n9\n10\n11\n")


def reencoded(root):
    large = scene(3, (480, 640))
    save(image(root), large)
    save(mask(root), label_map(3, (480, 640)))
    small = cv2.resize(large, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    path = image(root, 2, "val").with_suffix(".jpg")
    image(root, 2, "val").unlink()
    cv2.imwrite(str(path), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    save(mask(root, 2, "val"), label_map(102, small.shape[:2]))


def next_frame(root):
    moved = np.roll(scene(3, (480, 640)), (4, 9), (0, 1))
    save(image(root, 3), scene(3, (480, 640)))
    save(mask(root, 3), label_map(3, (480, 640)))
    save(image(root, 2, "val"), moved)
    save(mask(root, 2, "val"), label_map(102, (480, 640)))


SEEDED = {
    "missing_mask": lambda root: mask(root).unlink(),
    "orphan_mask": lambda root: image(root).unlink(),
    "repeated_name": lambda root: save(image(root).with_suffix(".bmp"), scene(3)),
    "absent_image": listed,
    "empty_split": empty_val,
    "no_val": no_val,
    "left_out": lambda root: image(root, 99).with_suffix(".psd").write_bytes(b"8BPS"),
    "lossy_mask": jpeg_mask,
    "wrong_extension": misnamed,
    "empty_file": lambda root: image(root).write_bytes(b""),
    "no_picture": lambda root: image(root).write_text("<html>not found</html>"),
    "unreadable_image": lambda root: damage(image(root)),
    "unreadable_mask": lambda root: mask(root).write_bytes(mask(root).read_bytes()[:60]),
    "several_pictures": animation,
    "channels": lambda root: save(image(root), scene(3)[..., 0]),
    "size": lambda root: save(mask(root), label_map(3, (48, 60))),
    "turned": lambda root: save(mask(root), label_map(3, SIZE[::-1])),
    "mask_is_image": lambda root: mask(root).write_bytes(image(root).read_bytes()),
    "blank_image": lambda root: save(image(root), np.full((*SIZE, 3), 90, np.uint8)),
    "few_shades": dull,
    "lost_samples": deep,
    "classes": one_class,
    "illegal_id": lambda root: with_value(root, 77),
    "illegal_colour": all_coloured,
    "colours_for_ids": coloured,
    "soft_edges": soft,
    "photograph": lambda root: save(mask(root), scene(55)),
    "black_and_white": black_and_white,
    "all_unlabelled": lambda root: save(mask(root), np.full(SIZE, 255, np.uint8)),
    "class_nowhere": lambda root: (root / "classes.yaml").write_text("names: [a, b, c, d]\n"),
    "class_not_in_train": only_in_val,
    "class_nearly_all": nearly_one_class,
    "same_across": lambda root: save(image(root, 2, "val"), scene(3)),
    "same_within": lambda root: save(image(root, 5), scene(3)),
    "two_labels": lambda root: save(image(root, 5), scene(3)),
    "one_mask": lambda root: save(mask(root, 5), label_map(3, SIZE)),
    "similar_across": reencoded,
    "video_across": next_frame,
}
# What else these bring about, by their nature.
ALSO = {
    "same_across": {"two_labels"},
    "same_within": {"two_labels"},
    "two_labels": {"same_within"},
}


def kinds(root):
    return {each.kind for each in inspect_source(Folder(str(root), strict=False)).defects}


@pytest.mark.parametrize("kind", SEEDED)
def test_a_seeded_defect_is_named_and_no_other(tmp_path, kind):
    root = clean(tmp_path)
    SEEDED[kind](root)
    assert kinds(root) == {kind} | ALSO.get(kind, set())


def test_every_kind_is_seeded_but_those_of_other_files():
    assert SEEDED.keys() == KINDS.keys() - {"no_data", "further_size", "further_labels"}


def test_a_clean_set_has_none(tmp_path):
    assert kinds(clean(tmp_path)) == set()


def test_many_defects_are_listed_at_once_with_their_files(tmp_path):
    root = clean(tmp_path)
    damage(image(root, 1))
    with_value(root, 99, number=2)
    mask(root, 4).unlink()
    save(mask(root, 5), label_map(5, (48, 60)))
    found = inspect_source(Folder(str(root), strict=False))
    assert {(each.kind, each.where) for each in found.defects} == {
        ("unreadable_image", str(image(root, 1))),
        ("illegal_id", str(mask(root, 2))),
        ("missing_mask", str(image(root, 4))),
        ("size", str(mask(root, 5))),
    }
    assert found.count("error") == 4 and len(found.facts) == 11 + 4


def test_masks_that_are_all_soft_are_one_defect(tmp_path):
    root = clean(tmp_path)
    all_soft(root)
    (found,) = [
        each
        for each in inspect_source(Folder(str(root), strict=False)).defects
        if each.kind == "soft_edges"
    ]
    assert "threshold=128" in found.text


def test_what_an_option_allows_is_no_defect(tmp_path):
    root = clean(tmp_path)
    mask(root).unlink()
    for choice in ("skip", "unlabelled"):
        source = Folder(str(root), missing_masks=choice, strict=False)
        assert inspect_source(source).defects == []


def test_camvid_is_clean(camvid_root):
    source = CamVid(str(camvid_root))
    every = source.samples
    source.samples = lambda split: every(split)[::12]
    assert inspect_source(source).defects == []
