"""COCO (Lin et al., 2014): objects in a JSON file, and COCO-Stuff (Caesar et al., 2018)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.coco_json import CocoFile, CocoImage
from outtake.annotations.parse_errors import name_parse_errors
from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.source import Sample
from outtake.data.sources.paired_source import FoldersSource, decode_ids
from outtake.data.sources.polygon_source import PolygonSource, read_json_file
from outtake.data.split_names import SPLIT_NAMES

_YEARS = ("2017", "2014", "")
# Roboflow, the COCO release, and CVAT; {0} is the split, {1} the year.
_FILES = (
    "{0}/_annotations.coco.json",
    "annotations/instances_{0}{1}.json",
    "annotations/instances_{0}{1}_default.json",
    "annotations/{0}{1}.json",
    "{0}{1}.json",
    "annotations/instances_default.json",
    "annotations.json",
)
_IMAGES = ("{0}", "{0}{1}", "images/{0}{1}", "images/{0}", "images", "")

THINGS = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "", "stop sign", "parking meter", "bench", "bird", "cat",
    "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "", "backpack",
    "umbrella", "", "", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana",
    "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "", "dining table", "", "", "toilet", "", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "", "book", "clock", "vase", "scissors", "teddy bear", "hair drier",
    "toothbrush", "",
)  # fmt: skip
STUFF = (
    "banner", "blanket", "branch", "bridge", "building-other", "bush", "cabinet", "cage",
    "cardboard", "carpet", "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds",
    "counter", "cupboard", "curtain", "desk-stuff", "dirt", "door-stuff", "fence", "floor-marble",
    "floor-other", "floor-stone", "floor-tile", "floor-wood", "flower", "fog", "food-other",
    "fruit", "furniture-other", "grass", "gravel", "ground-other", "hill", "house", "leaves",
    "light", "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin", "net", "paper",
    "pavement", "pillow", "plant-other", "plastic", "platform", "playingfield", "railing",
    "railroad", "river", "road", "rock", "roof", "rug", "salad", "sand", "sea", "shelf",
    "sky-other", "skyscraper", "snow", "solid-other", "stairs", "stone", "straw",
    "structural-other", "table", "tent", "textile-other", "towel", "tree", "vegetable",
    "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile",
    "wall-wood", "water-other", "waterdrops", "window-blind", "window-other", "wood",
)  # fmt: skip


class CocoStuff(FoldersSource):
    """COCO-Stuff 164k: 80 things and 91 kinds of stuff.

    Layout: ``root/images/{train,val}2017/NAME.jpg`` with
    ``root/annotations/{train,val}2017/NAME.png`` (or ``root/{train,val}2017`` with
    ``root/stuffthingmaps/{train,val}2017``). A mask holds COCO's category less one; 255 is
    unlabelled.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str) -> None:
        stored = dict(enumerate((*THINGS, *STUFF)))
        ids = [number for number, name in stored.items() if name]
        decoder = decode_ids([stored[number] for number in ids], ids)
        inside = (Path(root).expanduser() / "images").is_dir()
        images, masks = ("images/", "annotations/") if inside else ("", "stuffthingmaps/")
        folders = {
            split: (f"{images}{split}2017", f"{masks}{split}2017") for split in ("train", "val")
        }
        super().__init__("coco_stuff", root, decoder, folders)


class CocoJson(PolygonSource):
    """Objects of a COCO file as classes: the release itself, Roboflow, CVAT or any tool.

    Layout: ``root/annotations/instances_{train,val}2017.json`` with ``root/{train,val}2017`` or
    ``root/images/{train,val}2017``; ``root/{train,valid}/_annotations.coco.json`` beside its
    images; or one ``root/annotations.json`` or ``root/annotations/instances_default.json`` with
    ``root/images``. Larger objects are drawn first; crowds are unlabelled.

    Args:
        root: The folder.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none; None asks.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
        UnreadableImageError: The file is not of this format.
    """

    def __init__(self, root: str, val_fraction: float | None = None) -> None:
        self._files: dict[str, CocoFile] = {}
        super().__init__("coco", root, val_fraction)

    def class_names(self) -> Sequence[str]:
        """Return the names of the categories, in the order of their ids."""
        content = self._load("train")
        if content is None:
            raise DataRootError(
                f"no annotations of COCO in {self.root}; it needs one of "
                f"{', '.join(name.format('train', '2017') for name in _FILES)}"
            )
        with name_parse_errors(str(self._path("train")), UnreadableImageError, "correct the file"):
            used = content.used_categories()
            # Roboflow's first category is the name of all of them, and no object has it.
            ordered = sorted(content.names, key=int)
            return [content.names[key] for key in ordered if key in used or int(key) != 0]

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split's file that have an annotation or are listed without."""
        content = self._load(split)
        if content is None:
            return None
        folder = self._find_images(split, content)
        return [
            Sample(
                Path(each.name).with_suffix("").as_posix(),
                str(folder / each.name),
                f"{self._path(split)}#{each.key}",
            )
            for each in content.images.values()
        ]

    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image."""
        content, image = self._find(sample)
        self.check_size(sample, image.size, size)
        return content.shapes(image, boxes=False)

    def record_of(self, sample: Sample) -> bytes:
        """Return the annotations of an image."""
        content, image = self._find(sample)
        return json.dumps(content.records(image), sort_keys=True).encode()

    def _find(self, sample: Sample) -> tuple[CocoFile, CocoImage]:
        path, _, key = sample.mask.rpartition("#")
        return self._files[path], self._files[path].images[key]

    def _path(self, split: str) -> Path | None:
        for name in SPLIT_NAMES[split]:
            for year in _YEARS:
                for pattern in _FILES:
                    if split != "train" and "{0}" not in pattern:
                        continue
                    if (path := self.root / pattern.format(name, year)).is_file():
                        return path
        return None

    def _load(self, split: str) -> CocoFile | None:
        path = self._path(split)
        if path is None:
            return None
        if str(path) not in self._files:
            tree = read_json_file(path)
            keys = {"images", "annotations", "categories"}
            if not isinstance(tree, dict) or not keys <= tree.keys():
                raise UnreadableImageError(
                    f"{path} is not a file of COCO: it needs {', '.join(sorted(keys))}"
                )
            with name_parse_errors(path, UnreadableImageError, "correct the file"):
                content = CocoFile(tree)
            for line in content.flaws:
                self.say(f"{path}: {line}", path)
            boxes = content.without_outline()
            self.say_some(boxes, "annotations have a box at most and are left out", path)
            self._files[str(path)] = content
        return self._files[str(path)]

    def _find_images(self, split: str, content: CocoFile) -> Path:
        first = next((each.name for each in content.images.values()), "")
        for name in SPLIT_NAMES[split]:
            for year in _YEARS:
                for pattern in _IMAGES:
                    folder = self.root / pattern.format(name, year)
                    if first and (folder / first).is_file():
                        return folder
        raise DataRootError(
            f"the image {first!r} that {self._path(split)} lists is in none of "
            f"{', '.join(name.format(split, '2017') or '.' for name in _IMAGES)} below {self.root}"
        )
