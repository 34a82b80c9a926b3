"""Polygons as YOLO's segmentation networks read them: a text file for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.yolo_text import read_yolo
from outtake.core.errors import DataRootError
from outtake.core.printable_text import list_some
from outtake.data.list_pictures import walk_files
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import PolygonSource
from outtake.data.sources.yolo_images import (
    SplitImages,
    find_label_place,
    list_split_images,
)
from outtake.data.sources.yolo_yaml import YoloYaml, read_yolo_yaml
from outtake.data.split_names import find_split_folder, is_undivided


class Yolo(PolygonSource):
    """Outlines in lines ``class x y x y ...``, as shares of width and height.

    Layout: ``root/data.yaml`` with ``names``, and with ``train``, ``val`` and ``test``, each a
    folder, several or a text file of images. A split that it does not name is looked for in
    ``root/images/{train,val}`` and ``root/{train,valid}/images`` (Roboflow). The text file of
    an image is where the last ``images`` of its path is ``labels``, or beside it. An image without
    one is background throughout.

    Args: As for :class:`PolygonSource`.

    Raises:
        DataRootError: ``root`` is not a folder, or has no names.
    """

    name = "yolo"

    def class_names(self) -> Sequence[str]:
        """Return the names of ``data.yaml``."""
        self._yaml: YoloYaml = read_yolo_yaml(self.root)
        self._listed: dict[str, SplitImages | None] = {}
        for split in ("val", "test"):
            given = self._yaml.splits.get(split)
            if given is not None and given == self._yaml.splits.get("train"):
                self.say(
                    f"{self._yaml.file}: {split} is {', '.join(given)}, as train is: its scores "
                    "are of images that the network has seen",
                    self._yaml.file,
                )
        return list(self._yaml.names.values())

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split with their text files."""
        found = self._find_images(split)
        if found is None:
            return None
        if line := found.passed_over_line:
            self.say(line, found.where)
        if found.is_listed:
            others = (self._find_images(each) for each in self._yaml.splits)
            known = {path for each in others if each for path in each.images.values()}
            unlisted = [path.name for path in found.pictures_beside if path not in known]
            self.say_some(unlisted, "images are in no list and are left out", self._yaml.file)
        texts = self._find_texts(found)
        wanted = {name: find_label_place(path, self.root) for name, path in found.images.items()}
        empty = {name for name, path in wanted.items() if _compose(path) not in texts}
        self.say_some(empty, "images have no text file and are background throughout", found.where)
        return [
            Sample(name, str(path), str(texts.get(_compose(wanted[name]), wanted[name])))
            for name, path in found.images.items()
        ]

    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image."""
        names = self._yaml.names
        shapes = read_yolo(self.record_of(sample).decode("utf-8-sig"), predicted=False)
        for each in shapes:
            if each.number not in names:
                known = list_some([f"{number} ({name})" for number, name in names.items()], 5)
                raise ValueError(
                    f"{each.origin}: the class {each.number} has no name in {self._yaml.file}, "
                    f"which has {known}"
                )
        return [replace(each.scale(size), label=names[each.number or 0]) for each in shapes]

    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes of the text file; none where it is missing."""
        path = Path(sample.mask)
        return path.read_bytes() if path.is_file() else b""

    def _find_images(self, split: str) -> SplitImages | None:
        if split not in self._listed:
            places = self._find_places(split)
            self._listed[split] = (
                None if places is None else list_split_images(places, split, self._yaml.folders)
            )
        return self._listed[split]

    def _find_places(self, split: str) -> list[Path] | None:
        """Return the folders and lists of a split: those of data.yaml, or else the usual folder.

        Raises:
            DataRootError: Those of data.yaml are not there, and it may be a slip: a split other
                than ``test``, by a path that is not of another machine or without a usual folder.
        """
        if split in self._yaml.splits:
            try:
                return self._yaml.find_places(split)
            except DataRootError as error:
                usual = self._find_usual_places(split) if self._yaml.is_elsewhere(split) else None
                if usual is not None:
                    given = ", ".join(self._yaml.splits[split])
                    self.say(
                        f"{self._yaml.file}: {split} is {given}, which is not there; {usual[0]} is "
                        "taken",
                        self._yaml.file,
                    )
                    return usual
                if split != "test":
                    raise
                # Roboflow names one that it does not export.
                self.say(str(error), self._yaml.file)
                return None
        return self._find_usual_places(split)

    def _find_usual_places(self, split: str) -> list[Path] | None:
        images = self.root / "images"
        if (folder := find_split_folder(images, split)) is not None:
            return [folder]
        if (parent := find_split_folder(self.root, split)) is not None:
            return [parent / "images"]
        whole = split == "train" and not self._yaml.splits and images.is_dir()
        return [images] if whole and is_undivided(images) else None

    def _find_texts(self, found: SplitImages) -> dict[str, Path]:
        """Return the text files of a split by their paths, and name those of no image.

        Raises:
            DataRootError: There is no folder of them.
        """
        texts: dict[str, Path] = {}
        known = {_compose(find_label_place(path, self.root)) for path in found.all_pictures()}
        places = [find_label_place(folder / "any", self.root).parent for folder in found.folders]
        for labels in places:
            files = labels.iterdir() if found.is_listed else walk_files(labels)
            there = {
                _compose(path): path
                for path in (files if labels.is_dir() else ())
                if path.suffix == ".txt" and not path.name.startswith(".")
            }
            alone = {
                there[key].relative_to(labels).with_suffix("").as_posix()
                for key in there.keys() - known
            }
            self.say_some(alone, "text files are of no image and are left out", labels)
            texts |= there
        if not texts and not any(
            labels.is_dir() and labels != folder
            for labels, folder in zip(places, found.folders, strict=True)
        ):
            raise DataRootError(
                f"the images {found.where} need the folder {places[0]} of text files"
            )
        return texts


def _compose(path: Path) -> str:
    """Return a path with accents composed, as one machine writes them and another does not."""
    return normalize("NFC", str(path))
