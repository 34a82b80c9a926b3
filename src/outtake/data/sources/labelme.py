"""LabelMe's JSON files, one beside each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.labelme_json import labelme_records, read_labelme_shapes, read_labelme_size
from outtake.annotations.parse_errors import name_parse_errors
from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.list_pictures import walk_files
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import (
    BACKGROUND,
    PolygonSource,
    read_json_file,
)
from outtake.data.split_names import find_split_folder, is_undivided

_BACKGROUND_NAMES = ("_background_", BACKGROUND)


class LabelMe(PolygonSource):
    """Outlines drawn with LabelMe: polygons, rectangles, circles and masks.

    Layout: ``root/{train,val,test}/NAME.jpg`` with ``NAME.json`` beside it, or both in ``root``
    itself, which is ``train``. ``__ignore__`` is unlabelled, ``_background_`` is background.

    Args:
        root: The folder.
        classes: The classes in their order; None takes those of the training files, in the order
            of the alphabet.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none; None asks.
        range, channels, trained_range: As for :class:`PolygonSource`.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
    """

    name = "labelme"

    def __init__(
        self,
        root: str,
        classes: Sequence[str] | None = None,
        val_fraction: float | None = None,
        range: str | Sequence[float] = "auto",
        channels: int = 3,
        trained_range: Mapping[str, Any] | None = None,
    ) -> None:
        self._classes = classes
        super().__init__(root, val_fraction, range, channels, trained_range)

    def class_names(self) -> Sequence[str]:
        """Return the classes that were named, or those of the training files."""
        if self._classes is not None:
            return list(self._classes)
        samples = self.stored_samples("train")
        if not samples:
            raise DataRootError(
                f"no images with a JSON file of LabelMe beside them in {self.root} or "
                f"{self.root / 'train'}"
            )
        found = {str(each.get("label")) for sample in samples for each in self._records(sample)}
        return sorted(found - set(_BACKGROUND_NAMES))

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split that have a JSON file beside them."""
        folder = find_split_folder(self.root, split)
        if folder is None:
            if split != "train" or not is_undivided(self.root, _is_annotated):
                return None
            folder = self.root
        images = self.list_images(folder)
        found = {
            name: (path, path.with_suffix(".json"))
            for name, path in images.items()
            if _is_annotated(path)
        }
        without = images.keys() - found.keys()
        self.say_some(without, "images have no JSON file beside them and are left out", folder)
        paired = {record for _, record in found.values()}
        alone = [
            path.name
            for path in walk_files(folder)
            if path.suffix == ".json" and not path.name.startswith(".") and path not in paired
        ]
        self.say_some(alone, "JSON files have no image beside them and are left out", folder)
        return [Sample(name, str(image), str(record)) for name, (image, record) in found.items()]

    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image."""
        tree = read_json_file(Path(sample.mask))
        shapes = read_labelme_shapes(tree)
        self.check_size(sample, read_labelme_size(tree), size)
        return [
            replace(each, label=BACKGROUND) if each.label in _BACKGROUND_NAMES else each
            for each in shapes
        ]

    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes of the JSON file."""
        return Path(sample.mask).read_bytes()

    @staticmethod
    def _records(sample: Sample) -> Sequence[Mapping[str, Any]]:
        with name_parse_errors(sample.mask, UnreadableImageError, "restore the file"):
            return labelme_records(read_json_file(Path(sample.mask)))


def _is_annotated(image: Path) -> bool:
    return image.with_suffix(".json").is_file()
