"""COCO (Lin et al., 2014): objects in a JSON file, and COCO-Stuff (Caesar et al., 2018)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.coco_json import CocoFile, CocoImage
from outtake.annotations.parse_errors import name_parse_errors
from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.foreign_names import find_file, to_id, to_slashes
from outtake.data.list_pictures import list_other_pictures
from outtake.data.source import SPLITS, Sample
from outtake.data.sources.coco_files import (
    FILE_LAYOUTS,
    describe_image_folders,
    find_general_files,
    find_image_folder,
    find_split_files,
)
from outtake.data.sources.paired_source import FoldersSource, decode_ids
from outtake.data.sources.polygon_source import PolygonSource, read_json_file

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
    images; ``root/{train,val}.json`` or one ``root/annotations.json`` or
    ``root/annotations/instances_default.json`` with ``root/images``. A file named after a split
    comes before one of all images. Larger objects are drawn first; crowds are unlabelled.

    Args: As for :class:`PolygonSource`.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
        UnreadableImageError: The file is not of this format.
    """

    name = "coco"

    def class_names(self) -> Sequence[str]:
        """Return the names of the categories, in the order of their ids."""
        self._files: dict[str, CocoFile] = {}
        self._paths: dict[str, Path | None] = {}
        self._compared: set[Path] = set()
        self._samples: dict[str, list[Sample] | None] = {}
        content = self._load("train")
        if content is None:
            raise DataRootError(
                f"no annotations of COCO in {self.root}; it needs one of {FILE_LAYOUTS}"
            )
        with name_parse_errors(str(self._path("train")), UnreadableImageError, "correct the file"):
            ordered = sorted(content.names, key=int)
            # Roboflow's first category is the name of all of them, and no object has it.
            unused = [key for key in ordered if int(key) == 0 and not self._is_used(key)]
            return [content.names[key] for key in ordered if key not in unused]

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split's file that have an annotation or are listed without."""
        if split not in self._samples:
            self._samples[split] = self._find_samples(split)
        return self._samples[split]

    def _find_samples(self, split: str) -> list[Sample] | None:
        content, path = self._load(split), self._path(split)
        if content is None or path is None:
            return None
        with name_parse_errors(path, UnreadableImageError, "correct the file"):
            chosen = self._choose_images(split, content)
            folder = self._find_folder(split, content)
            files = {each.key: _place(folder, each) for each in chosen}
            self._say_what_is_unlisted(split, folder)
            return [
                Sample(to_id(each.name), str(files[each.key]), f"{path}#{each.key}")
                for each in chosen
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

    def _is_used(self, category: Any) -> bool:
        """Return whether an object of any split is of a category."""
        found = (self._load_other(split) for split in SPLITS)
        return any(category in each.used_categories() for each in found if each is not None)

    def _path(self, split: str) -> Path | None:
        """Return the file of a split; that of all images is ``train`` where there is no other."""
        if split not in self._paths:
            found = find_split_files(self.root, split)
            if split == "train":
                found += find_general_files(self.root)
            self._paths[split] = found[0] if found else None
            if others := [str(path.relative_to(self.root)) for path in found[1:]]:
                what = f"files of annotations are passed over: {found[0].name} is {split}"
                self.say_some(others, what, self.root)
        return self._paths[split]

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

    def _load_other(self, split: str) -> CocoFile | None:
        """Return the file of a split that is not asked for; None also of a damaged one.

        What is wrong with it is told to whoever asks for that split.
        """
        with suppress(UnreadableImageError):
            return self._load(split)
        return None

    def _choose_images(self, split: str, content: CocoFile) -> list[CocoImage]:
        """Return the images of a split; those of a file of all are not those of another split."""
        path = self._path(split)
        if split != "train" or path not in find_general_files(self.root):
            return list(content.images.values())
        others = [each for each in map(self._load_other, ("val", "test")) if each is not None]
        taken = {to_id(image.name) for each in others for image in each.images.values()}
        shared = [each.name for each in content.images.values() if to_id(each.name) in taken]
        what = "images are of the file of another split too, and are no part of train"
        self.say_some(shared, what, path or self.root)
        return [each for each in content.images.values() if to_id(each.name) not in taken]

    def _find_folder(self, split: str, content: CocoFile) -> Path:
        first = next((each.name for each in content.images.values()), "")
        folder = find_image_folder(self.root, split, first) if first else None
        if folder is None:
            raise DataRootError(
                f"the image {first!r} that {self._path(split)} lists is in none of "
                f"{describe_image_folders(split)} below {self.root}"
            )
        return folder

    def _say_what_is_unlisted(self, split: str, folder: Path) -> None:
        """Name the pictures of a folder that no split lists."""
        if folder in self._compared:
            return
        self._compared.add(folder)
        listed: set[Path] = set()
        for each in SPLITS:
            content = self._load_other(each)
            # The images of another split may well be on another machine.
            with suppress(DataRootError):
                if content is not None:
                    place = folder if each == split else self._find_folder(each, content)
                    listed |= {_place(place, image) for image in content.images.values()}
        unlisted = list_other_pictures(folder, listed, beside=folder == self.root)
        self.say_some(unlisted, "images are listed in no file of COCO and are left out", folder)


def _place(folder: Path, image: CocoImage) -> Path:
    """Return the file of an image, which may be missing."""
    return find_file(folder, image.name) or folder / to_slashes(image.name)
