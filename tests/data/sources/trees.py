"""Small generated trees in the layouts of public data sets and annotation tools."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import yaml
from PIL import Image
from scipy.io import savemat

from outtake.config.compose import CONF_DIR
from tests.data.generated import SIZE, label_map, picture, save

TRAIN, VAL = 5, 3
HEIGHT, WIDTH = SIZE
# What the formats of outlines draw: a class, and the corners (x, y) of its outline.
SQUARES = (("cat", [(4, 4), (14, 4), (14, 14), (4, 14)]), ("dog", [(10, 8), (24, 8), (24, 20)]))


def each(splits=("train", "val")):
    """Yield a split with the number of each of its samples, counted through all splits."""
    number = 0
    for split in splits:
        for _ in range(TRAIN if split == "train" else VAL):
            yield split, number
            number += 1


def stored(number, values):
    """A mask of which the first values of a list are stored, in blocks."""
    return np.asarray(values, np.uint8)[label_map(number, classes=len(values))]


def mat(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content)


def lines(path, words):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(words) + "\n")


def cityscapes(root):
    for split, number in each(("train", "val", "test")):
        name = f"bonn/bonn_{number:06}_000019"
        save(root / f"leftImg8bit/{split}/{name}_leftImg8bit.png", picture(number))
        save(root / f"gtFine/{split}/{name}_gtFine_labelIds.png", stored(number, [0, 7, 26, 33]))
        save(root / f"gtFine/{split}/{name}_gtFine_color.png", picture(number))


def kitti(root):
    for _, number in each():
        save(root / f"training/image_2/{number:06}_10.png", picture(number))
        save(root / f"training/semantic/{number:06}_10.png", stored(number, [4, 7, 26, 33]))


def kitti_road(root):
    colours = np.array([(255, 0, 0), (255, 0, 255), (0, 0, 0)], np.uint8)
    for _, number in each():
        save(root / f"training/image_2/um_{number:06}.png", picture(number))
        for kind in ("road", "lane"):
            mask = colours[label_map(number)]
            save(root / f"training/gt_image_2/um_{kind}_{number:06}.png", mask)


def pascal_voc(root):
    for _, number in each():
        save(root / f"JPEGImages/2007_{number:06}.jpg", picture(number))
        palette = Image.fromarray(stored(number, [0, 15, 20, 255]))
        palette.putpalette(list(np.random.default_rng(0).integers(0, 256, 768)))
        path = root / f"SegmentationClass/2007_{number:06}.png"
        path.parent.mkdir(exist_ok=True)
        palette.save(path)
    save(root / "JPEGImages/2007_999999.jpg", picture(99))  # of detection alone
    for split in ("train", "val"):
        names = [f"2007_{number:06}" for each_split, number in each() if each_split == split]
        lines(root / f"ImageSets/Segmentation/{split}.txt", names)


def sbd(root, train, val):
    """SBD with images of these numbers."""
    for number in (*train, *val):
        save(root / f"img/2007_{number:06}.jpg", picture(number))
        record = {"Segmentation": stored(number, [0, 3, 20])}
        mat(root / f"cls/2007_{number:06}.mat", GTcls=record)
    for split, numbers in (("train", train), ("val", val)):
        lines(root / f"{split}.txt", [f"2007_{number:06}" for number in numbers])


def pascal_context(root):
    for _, number in each():
        save(root / f"JPEGImages/2008_{number:06}.jpg", picture(number))
        mask = stored(number, [0, 2, 59])
        save(root / f"SegmentationClassContext/2008_{number:06}.png", mask)
    for split in ("train", "val"):
        names = [f"2008_{number:06}" for each_split, number in each() if each_split == split]
        lines(root / f"ImageSets/SegmentationContext/{split}.txt", names)


def ade20k(root):
    for split, number in each():
        folder = {"train": "training", "val": "validation"}[split]
        save(root / f"images/{folder}/ADE_{number:08}.jpg", picture(number))
        save(root / f"annotations/{folder}/ADE_{number:08}.png", stored(number, [0, 1, 150]))


def coco_stuff(root):
    for split, number in each():
        save(root / f"images/{split}2017/{number:012}.jpg", picture(number))
        mask = stored(number, [0, 10, 12, 181, 255])
        save(root / f"annotations/{split}2017/{number:012}.png", mask)


def camvid32(root):
    colours = np.array([(0, 0, 0), (64, 128, 64), (64, 192, 0)], np.uint8)
    for split, number in each(("train", "val", "test")):
        save(root / f"{split}/0001TP_{number:06}.png", picture(number))
        save(root / f"{split}_labels/0001TP_{number:06}_L.png", colours[label_map(number)])


def oxford_pet(root):
    for _, number in each(("train", "test")):
        save(root / f"images/Abyssinian_{number}.jpg", picture(number))
        trimap = root / f"annotations/trimaps/Abyssinian_{number}.png"
        save(trimap, stored(number, [2, 1, 3]))
        trimap.with_name(f"._{trimap.name}").write_bytes(b"left by a file system")
    for split, name in (("train", "trainval"), ("test", "test")):
        numbers = [number for each_split, number in each(("train", "test")) if each_split == split]
        lines(
            root / f"annotations/{name}.txt", [f"Abyssinian_{number} 1 1 1" for number in numbers]
        )


def polyps(root):
    for _, number in each():
        save(root / f"images/cju{number}.jpg", picture(number))
        (root / "masks").mkdir(exist_ok=True)
        mask = Image.fromarray(label_map(number, classes=2) * 255)
        mask.convert("RGB").save(root / f"masks/cju{number}.jpg", quality=95)


def sift_flow(root):
    folder = "spatial_envelope_256x256_static_8outdoorcategories"
    for _, number in each():
        save(root / f"Images/{folder}/coast_n{number}.jpg", picture(number))
        mask = stored(number, [0, 1, 33])
        mat(root / f"SemanticLabels/{folder}/coast_n{number}.mat", S=mask)
    lines(root / "TestSet1.txt", [f"{folder}\\coast_n{number}.jpg" for number in (0, 1)])


def nyu_depth(root):
    for split, number in each(("train", "test")):
        save(root / f"{split}/rgb/{number:04}.png", picture(number))
        save(root / f"{split}/labels_40/{number:04}.png", stored(number, [0, 1, 40]))


def coco(root):
    for split in ("train", "val"):
        images, annotations = [], []
        for number in (n for s, n in each() if s == split):
            save(root / f"{split}2017/{number:012}.jpg", picture(number))
            images.append({"id": number, "file_name": f"{number:012}.jpg"})
            for place, (_, corners) in enumerate(SQUARES):
                annotations.append(
                    {
                        "id": 10 * number + place,
                        "image_id": number,
                        "category_id": (17, 18)[place],
                        "area": 100 - place,
                        "iscrowd": 0,
                        "segmentation": [np.ravel(corners).tolist()],
                    }
                )
        categories = [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        lines(root / f"annotations/instances_{split}2017.json", [json.dumps(content)])


def labelme(root):
    for split, number in each():
        save(root / f"{split}/{number}.png", picture(number))
        shapes = [
            {"label": name, "points": corners, "shape_type": "polygon"} for name, corners in SQUARES
        ]
        lines(root / f"{split}/{number}.json", [json.dumps({"shapes": shapes})])


def yolo(root):
    lines(root / "data.yaml", ["names: {0: cat, 1: dog}"])
    for split, number in each():
        save(root / f"images/{split}/{number}.png", picture(number))
        rows = [
            f"{place} " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners)
            for place, (_, corners) in enumerate(SQUARES)
        ]
        lines(root / f"labels/{split}/{number}.txt", rows)


def cvat(root):
    labels = "".join(f"<label><name>{name}</name></label>" for name, _ in SQUARES)
    parts = [f"<annotations><meta><task><labels>{labels}</labels></task></meta>"]
    for split, number in each():
        subset = {"train": "Train", "val": "Validation"}[split]
        save(root / f"images/{subset}/{number}.png", picture(number))
        name = quoteattr(f"{number}.png")
        parts.append(f'<image name={name} subset="{subset}" width="{WIDTH}" height="{HEIGHT}">')
        for place, (label, corners) in enumerate(SQUARES):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)
            parts.append(f'<polygon label="{label}" points="{points}" z_order="{place}"/>')
        parts.append("</image>")
    lines(root / "annotations.xml", [*parts, "</annotations>"])


TREES = {
    make.__name__: make
    for make in (
        cityscapes, kitti, kitti_road, pascal_voc, pascal_context, ade20k, coco_stuff, camvid32,
        oxford_pet, polyps, sift_flow, nyu_depth, coco, labelme, yolo, cvat,
    )
}  # fmt: skip
POLYGONS = ("coco", "labelme", "yolo", "cvat")


def make_tree(option: str, root: Path) -> Path:
    """Write the tree of an option of ``conf/data`` and return its root."""
    root.mkdir(parents=True, exist_ok=True)
    TREES[option](root)
    return root


def open_source(option: str, root: Path, **options):
    """Build the source that ``conf/data/OPTION.yaml`` describes, without composing all the rest."""
    node = yaml.safe_load((CONF_DIR / "data" / f"{option}.yaml").read_text())["source"]
    module, _, name = node.pop("_target_").rpartition(".")
    return getattr(import_module(module), name)(**node | {"root": str(root)} | options)
